"""The executor of this process: one, made at its first use."""

import atexit
import os
from threading import RLock

from .._core._settings import Settings
from ..futures import Engine, current
from ._executor import Executor
from ._line import UNLIMITED, Limits

__all__ = ["default_executor", "init", "reset_default_executor"]

_default: Executor | None = None
_limits: Limits | None = None  # as they were given to `init`
_lock = RLock()


def default_executor() -> Executor:
    """Give the executor of this process, making it from the settings if there is none.

    Raises
    ------
    StoreUnavailableError
        If its store cannot be opened.
    SettingError
        If a setting cannot be used.
    """
    global _default
    with _lock:
        if _default is None:
            _default = Executor.open(Settings.load(), engine=_engine, limits=_limits or UNLIMITED)
            atexit.register(reset_default_executor)
        return _default


def init(*, max_running_workflows: int | None = None, max_pending_workflows: int | None = None) -> None:
    """Prepare this process for workflows; whatever else is called first does so without limits.

    Parameters
    ----------
    max_running_workflows
        How many of the workflows that this process submits or resumes may run here at once; at least 1,
        or -1 for no limit. None keeps what it is. Those in a queue do not count: it has limits of its own.
    max_pending_workflows
        How many more may wait for that; beyond it, `run` raises `queue.Full`. -1 for no limit. None keeps
        what it is.

    Raises
    ------
    ValueError
        If a number is out of range, or another one is in use already.
    TypeError
        If a number is none.
    """
    global _limits
    given = Limits.of(max_running_workflows, max_pending_workflows)
    with _lock:
        before = _limits or (UNLIMITED if _default is not None else None)
        _limits = given.over(before)
        try:
            default_executor()
        except BaseException:
            _limits = before
            raise


def reset_default_executor() -> None:
    """Close the executor of this process; the next use makes another, from the settings of then."""
    global _default, _limits
    with _lock:
        executor, _default, _limits = _default, None, None
    atexit.unregister(reset_default_executor)
    if executor is not None:
        executor.close()


def _engine() -> Engine:
    engine = current()
    # At the exit of the process the executor has to let go before its engine ends.
    atexit.unregister(reset_default_executor)
    atexit.register(reset_default_executor)
    return engine


def _forget() -> None:
    """Start anew in a forked child: the lease, and what runs, are its parent's."""
    global _default, _limits, _lock
    _default, _limits, _lock = None, None, RLock()


os.register_at_fork(after_in_child=_forget)

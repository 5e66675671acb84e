"""The executor of this process: one, made at its first use."""

import atexit
import os
from threading import RLock

from .._core._settings import Settings
from ..futures import Engine, current
from ._executor import Executor

__all__ = ["default_executor", "reset_default_executor"]

_default: Executor | None = None
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
            _default = Executor.open(Settings.load(), engine=_engine)
            atexit.register(reset_default_executor)
        return _default


def reset_default_executor() -> None:
    """Close the executor of this process; the next use makes another, from the settings of then."""
    global _default
    with _lock:
        executor, _default = _default, None
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
    global _default, _lock
    _default, _lock = None, RLock()


os.register_at_fork(after_in_child=_forget)

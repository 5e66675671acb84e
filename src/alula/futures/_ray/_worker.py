"""What runs inside Ray's workers: bodies of tasks, and actors.

Whatever a user's code raises is packed here, in the process where it was raised, and unpacked where
somebody asks for the value; Ray only carries the bytes. So any class of error survives the journey.
"""

import asyncio
import inspect
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..._core._gates import gate
from ..._core._settings import Settings
from .. import _session
from .._errors import pack_task_error
from .._options import TaskOptions
from .._remote import ActorType, Function
from ._errors import Raised, raised

__all__ = ["How", "Resident", "run"]


@dataclass(frozen=True, slots=True)
class How:
    """The options of a task in a form that can be a key.

    Attributes
    ----------
    task
        How people see it.
    retry
        Classes of errors after which it is run again.
    """

    task: str
    num_cpus: float
    resources: tuple[tuple[str, float], ...]
    num_returns: int
    max_retries: int
    retry: tuple[type[BaseException], ...]

    @classmethod
    def of(cls, name: str, options: TaskOptions) -> "How":
        """Take from the options what matters here; `name` is that of the function."""
        retry = options.retry_exceptions
        return cls(
            options.name or name,
            options.num_cpus,
            tuple(options.resources.items()),
            options.count,
            options.max_retries,
            (BaseException,) if retry is True else retry or (),
        )

    @property
    def attempts(self) -> int:
        """How often at most the task is tried after crashes; 0 is without end."""
        return self.max_retries + 1


def attach() -> None:
    """Make this worker's engine the one that user code finds."""
    if _session.current_or_none() is None:
        _session.set_default(_session.open_engine(Settings(engine="ray")))


def run(function: Function, how: How, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run the body of a task.

    Raises
    ------
    Raised
        With whatever the body raised; `Retry` if it is to be run again.
    KeyboardInterrupt
        If Ray interrupts the body, because it was cancelled.
    """
    attach()
    gate("task.started")
    try:
        value = _counted(_awaited(function.target(*args, **kwargs)), how.num_returns, how.task)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit: a task does not end its worker
        raise _packed(error, how.task, retry=isinstance(error, how.retry)) from error
    gate("task.finished")
    return value


class Resident:
    """An actor's instance, as Ray sees it: one method that calls all others."""

    def __init__(self, cls: ActorType, /, *args: Any, **kwargs: Any) -> None:
        attach()
        self._cls = cls
        try:
            self._instance = cls.target(*args, **kwargs)
        except BaseException as error:  # any reason not to live
            raise _packed(error, f"{cls.name}.__init__") from error

    def call(self, method: str, num_returns: int, task: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the instance; errors as in `run`."""
        gate("task.started")
        try:
            value = _awaited(getattr(self._instance, method)(*args, **kwargs))
            value = _counted(value, num_returns, task)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also SystemExit: the actor lives on with its state
            raise _packed(error, task) from error
        gate("task.finished")
        return value

    def describe(self) -> ActorType:
        """Give what the actor is an instance of."""
        return self._cls


def _packed(error: BaseException, task: str, *, retry: bool = False) -> Raised:
    if isinstance(error, SystemExit):
        error.add_note("the task called sys.exit(); a task ends by returning")
    return raised(pack_task_error(error, task), f"{type(error).__name__}: {error}", retry=retry)


def _counted(value: Any, count: int, task: str) -> Any:
    """Give what Ray wants for `count` references."""
    if count == 1:
        return value
    if count == 0:
        return None
    found = f"a {type(value).__name__}"
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        value = list(value)
        found = f"{len(value)} values"
        if len(value) == count:
            return value
    raise ValueError(f"{task} has num_returns={count} and returned {found}")


class _Loop(threading.local):
    runner: asyncio.Runner | None = None


_loop = _Loop()


def _awaited(value: Any) -> Any:
    """Run a coroutine to its end, on one event loop per thread so that its locks and clients work."""
    if not inspect.iscoroutine(value):
        return value
    if _loop.runner is None:
        _loop.runner = asyncio.Runner()
    return _loop.runner.run(value)

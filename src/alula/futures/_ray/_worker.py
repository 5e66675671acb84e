"""What runs inside Ray's workers: bodies of tasks, and actors.

Whatever a user's code raises is packed here, in the process where it was raised, and unpacked where
somebody asks for the value; Ray only carries the bytes. So any class of error survives the journey.
"""

import asyncio
import hashlib
import inspect
import logging
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import ray

from ..._core._gates import gate
from ..._core._settings import Settings
from .. import _session
from .._engine import ActorExit
from .._errors import pack_task_error
from .._options import MethodOptions, Streaming, TaskOptions
from .._remote import ActorType, Function
from ._errors import Raised, raised
from ._streams import filled, listed, stepped, stepped_async, yields

__all__ = [
    "How",
    "Resident",
    "attach",
    "current_type",
    "described",
    "resident",
    "run",
    "stream",
    "with_level",
]


class How(NamedTuple):
    """What a call tells its body, beside the arguments.

    Attributes
    ----------
    task
        How people see it.
    returns
        The references that it gives.
    retry
        Classes of errors after which it is run again.
    """

    task: str
    returns: int | Streaming
    retry: tuple[type[BaseException], ...]

    @classmethod
    def of(cls, options: TaskOptions | MethodOptions, task: str) -> "How":
        """Take from the options what matters here."""
        retry = options.retry_exceptions
        return cls(task, options.num_returns, (BaseException,) if retry is True else retry or ())


_LEVEL = "_ALULA_LOGGING_LEVEL"  # in the environment of workers; no setting, so no name of one


def with_level(env: Mapping[str, Any], level: int) -> dict[str, Any]:
    """Give a runtime environment in whose workers the logger ``"alula"`` has that level."""
    return {**env, "env_vars": {**env.get("env_vars", {}), _LEVEL: str(level)}}


def attach() -> None:
    """Make this worker's engine the one that user code finds."""
    if _session.current_or_none() is None:
        if _LEVEL in os.environ:
            logging.getLogger("alula").setLevel(int(os.environ[_LEVEL]))
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
    with _carried(how):
        return _counted(_awaited(function.target(*args, **kwargs)), how)


def stream(function: Function, how: How, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Any]:
    """Run the body of a task that yields; errors as in `run`."""
    attach()
    with _carried(how):
        for value in stepped(function.target(*args, **kwargs), how.task):
            yield value
            gate("stream.yielded")


@contextmanager
def _carried(how: How) -> Iterator[None]:
    """Pack what a body raises, apart from what Ray itself has to see."""
    gate("task.started")
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError, GeneratorExit):
        raise
    except ActorExit:
        ray.actor.exit_actor()
    except BaseException as error:  # also SystemExit: a task does not end its worker
        raise _packed(error, how.task, retry=isinstance(error, how.retry)) from error
    gate("task.finished")


_types: list[ActorType] = []  # that of the actor which this process is, if it is one


def current_type() -> ActorType | None:
    """Give what the actor of this process is an instance of; None if it is none."""
    return _types[0] if _types else None


class Resident:
    """An actor's instance, as Ray sees it; `resident` adds the methods.

    Attributes
    ----------
    alula_instance, alula_type
        The user's instance, and what it is one of; named so that no method of the user's is.
    """

    def __init__(self, cls: ActorType, /, *args: Any, **kwargs: Any) -> None:
        attach()
        self.alula_type = cls
        _types[:] = [cls]
        try:
            self.alula_instance = cls.target(*args, **kwargs)
        except BaseException as error:  # any reason not to live
            raise _packed(error, f"{cls.name}.__init__") from error


def described(resident: Resident) -> ActorType:
    """Give what an actor is an instance of."""
    return resident.alula_type


def resident(module: str, name: str, methods: Iterable[str], awaits: bool) -> type[Resident]:
    """Make the class of an actor.

    Parameters
    ----------
    module, name
        As Ray shows them.
    methods
        The names of its methods, which take a `How` before the user's arguments.
    awaits
        Whether any method is a coroutine; Ray then runs all of them on one event loop.
    """
    make = _awaiting if awaits else _calling
    calls = {method: make(method) for method in methods}
    made = type(name, (Resident,), {**calls, "alula_stream": _streaming_async if awaits else _streaming})
    # Ray tells classes apart by their names alone, and two of the user's may have one name.
    known_by = hashlib.sha256(repr((module, name, methods, awaits)).encode()).hexdigest()[:8]
    made.__module__ = f"{module}#{known_by}"
    return made


def _calling(method: str) -> Callable[..., Any]:
    def call(self: Resident, how: How, /, *args: Any, **kwargs: Any) -> Any:
        with _carried(how):
            return _counted(_awaited(getattr(self.alula_instance, method)(*args, **kwargs)), how)

    call.__name__ = method
    return call


def _awaiting(method: str) -> Callable[..., Any]:
    async def call(self: Resident, how: How, /, *args: Any, **kwargs: Any) -> Any:
        with _carried(how):
            value = getattr(self.alula_instance, method)(*args, **kwargs)
            if isinstance(value, AsyncIterator):
                value = (item for item in [item async for item in value])
            return _counted(await value if inspect.isawaitable(value) else value, how)

    call.__name__ = method
    return call


def _streaming(self: Resident, method: str, how: How, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
    with _carried(how):
        for value in stepped(getattr(self.alula_instance, method)(*args, **kwargs), how.task):
            yield value
            gate("stream.yielded")


async def _streaming_async(
    self: Resident, method: str, how: How, /, *args: Any, **kwargs: Any
) -> AsyncIterator[Any]:
    with _carried(how):
        values = getattr(self.alula_instance, method)(*args, **kwargs)
        async for value in stepped_async(values, how.task):
            yield value
            gate("stream.yielded")


def _packed(error: BaseException, task: str, *, retry: bool = False) -> Raised:
    if isinstance(error, SystemExit):
        error.add_note("the task called sys.exit(); a task ends by returning")
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # whatever a user's class does when it is shown
        text = type(error).__name__
    return raised(pack_task_error(error, task), text, retry=retry)


def _counted(value: Any, how: How) -> Any:
    """Give what Ray wants for as many references."""
    if isinstance(how.returns, str):
        return listed(stepped(value, how.task), how.task)
    if yields(value) and how.returns:
        return _filled(value, how, how.returns)
    if how.returns == 1:
        return value
    if how.returns == 0:
        if yields(value):  # it runs for what it does
            deque(stepped(value, how.task), 0)
        return None
    found = f"a {type(value).__name__}"
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        value = list(value)
        found = f"{len(value)} values"
        if len(value) == how.returns:
            return value
    raise ValueError(f"{how.task} has num_returns={how.returns} and returned {found}")


def _filled(values: Any, how: How, count: int) -> Iterator[Any]:
    with _carried(how):
        yield from filled(stepped(values, how.task), count, how.task)


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

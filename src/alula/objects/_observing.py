"""Who wants to know, in this context, which objects are read and written: lineage, for one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal, TypeAlias

from ._metadata import Metadata

__all__ = ["Mode", "Observer", "observe_always", "observing", "tell"]

Mode: TypeAlias = Literal["read", "write"]
"""What is done with an object."""

Observer: TypeAlias = Callable[[Mode, Metadata], None]
"""Who is told of each version that is read or written."""

_always: Final[list[Observer]] = []
_observers: Final[ContextVar[tuple[Observer, ...]]] = ContextVar("alula_observers", default=())


@contextmanager
def observing(callback: Observer) -> Iterator[None]:
    """Have `callback` told, inside the block, of every object that is read or written.

    It holds for this thread and what runs in its context, and beside whoever observes already. What is
    told is the very version; asking only for metadata is no reading. An error that it raises is an
    error of the reading or writing.

    Parameters
    ----------
    callback
        Called with ``"read"`` before the value is given, or ``"write"`` once the version is durable, and
        its metadata.
    """
    token = _observers.set((*_observers.get(), callback))
    try:
        yield
    finally:
        _observers.reset(token)


def observe_always(callback: Observer) -> None:
    """Have `callback` told of every object that this process reads or writes from now on, in any context."""
    _always.append(callback)


def tell(mode: Mode, metadata: Metadata) -> None:
    """Tell those who observe."""
    for callback in (*_always, *_observers.get()):
        callback(mode, metadata)

"""Streams: references that come one by one while the task that makes their values still runs.

Each engine has its own; what all of them promise stands here. What is made in a worker, and how it gets
to whoever takes it, is theirs.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from ._refs import ObjectRef

if TYPE_CHECKING:
    from ._engine import Engine

__all__ = ["DynamicObjectRefGenerator", "ObjectRefGenerator"]

T_co = TypeVar("T_co", covariant=True)


class ObjectRefGenerator(ABC, Generic[T_co]):
    """A stream: gives a reference for each value that a task yields, as soon as it does.

    ``next`` waits for the next one, ``async for`` does so without blocking, and `wait` takes a stream
    among references: it is ready when its next reference is. What the task raises is the last reference:
    `get` on it raises. Dropping the stream frees what was not taken and ends the task at its next step,
    unless somebody has asked for `completed`. Not for several threads at once, and not for other tasks.
    """

    __slots__ = ("__weakref__",)

    @property
    @abstractmethod
    def engine(self) -> "Engine":
        """The engine that this stream belongs to."""

    @abstractmethod
    def completed(self) -> ObjectRef[None]:
        """Give a reference for the end of the task, however many values were taken.

        `get` on it gives None, also if the task's own code raised, for that is in the stream. It raises if
        the task was cancelled, or its process died and no retries were left.
        """

    @abstractmethod
    def __next__(self) -> ObjectRef[T_co]:
        """Wait for the next reference; `StopIteration` when there will be none."""

    @abstractmethod
    async def __anext__(self) -> ObjectRef[T_co]:
        """Wait for the next reference without blocking the event loop."""

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an ObjectRefGenerator stays where it is: pass on the references that it gives, or consume it "
            "here and pass on what came out"
        )


class DynamicObjectRefGenerator(Generic[T_co]):
    """The value of a task with ``num_returns="dynamic"``: references to all that it yielded.

    Of old: it is there when the task has ended, and a stream gives each reference at once. It may be
    passed on. Iterating takes the references out.
    """

    def __init__(self, refs: Iterable[ObjectRef[T_co]]) -> None:
        self._refs = deque(refs)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ObjectRef[T_co]:
        if not self._refs:
            raise StopIteration
        return self._refs.popleft()

    def __len__(self) -> int:
        return len(self._refs)

    def __reduce__(self) -> tuple[Any, ...]:
        return DynamicObjectRefGenerator, (list(self._refs),)

"""Streams on Ray, which has them: its generators in our words, and bodies that yield in the form it wants.

Ray runs ahead, limits, retries and cancels by itself. What a body yields passes through one plain
generator, whatever it is itself, so that what it raises is packed like any error of a task. Where Ray gives
less: a dropped stream does not end its producer, and in an asynchronous actor no producer is limited.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any, TypeVar

from ...graph import Failed
from .._engine import Engine
from .._errors import pack_task_error, unpack_error
from .._refs import ObjectRef
from .._streams import DynamicObjectRefGenerator, ObjectRefGenerator
from ._errors import in_our_words
from ._refs import Origin, RayRef, here

__all__ = ["RayGenerator", "filled", "listed", "stepped", "stepped_async", "yields"]

T = TypeVar("T")


class RayGenerator(ObjectRefGenerator[T]):
    """A stream of Ray's.

    Attributes
    ----------
    raw
        Ray's own generator.
    origin
        Where its references come from.
    """

    __slots__ = ("origin", "raw")

    def __init__(self, raw: Any, origin: Origin) -> None:
        self.raw, self.origin = raw, origin

    @property
    def engine(self) -> Engine:
        """The engine of this process."""
        return here.engine

    def completed(self) -> ObjectRef[None]:
        """Give a reference for the end; see `ObjectRefGenerator.completed`."""
        return RayRef(self.raw.completed(), self.origin)

    def __next__(self) -> ObjectRef[T]:
        here.engine.check_alive()
        with in_our_words(self.origin):
            raw = next(self.raw, None)
        if raw is None:
            raise StopIteration
        return RayRef(raw, self.origin)

    async def __anext__(self) -> ObjectRef[T]:
        here.engine.check_alive()
        with in_our_words(self.origin):
            raw = await anext(self.raw, None)
        if raw is None:
            raise StopAsyncIteration
        return RayRef(raw, self.origin)


def yields(value: Any) -> bool:
    """Whether a result is no value, but yields them."""
    return isinstance(value, (GeneratorType, AsyncGeneratorType))


class _Loop(threading.local):
    runner: asyncio.Runner | None = None


_loop = _Loop()


def stepped(values: Any, task: str) -> Iterator[Any]:
    """Give what a generator yields, also if it is asynchronous.

    Raises
    ------
    ValueError
        If it is no generator.
    """
    if isinstance(values, AsyncIterator):
        return _awaited(values)
    if not isinstance(values, Iterator):
        raise ValueError(f"{task} streams, and returned a {type(values).__name__}: use `yield`")
    return values


def _awaited(values: AsyncIterator[Any]) -> Iterator[Any]:
    if _loop.runner is None:
        _loop.runner = asyncio.Runner()

    async def step() -> Any:
        return await anext(values)

    while True:
        try:
            value = _loop.runner.run(step())
        except StopAsyncIteration:
            return
        yield value


async def stepped_async(values: Any, task: str) -> AsyncIterator[Any]:
    """Give the same on the event loop of an asynchronous actor."""
    if isinstance(values, AsyncIterator):
        async for value in values:
            yield value
    else:
        for value in stepped(values, task):
            yield value


def filled(values: Iterator[Any], count: int, task: str) -> Iterator[Any]:
    """Give what a generator yields for a number of references, each at once but for the last.

    Raises
    ------
    ValueError
        If there are more, or fewer.
    """
    made, last = 0, None
    for value in values:
        made += 1
        if made > count:
            raise ValueError(f"{task} has num_returns={count} and yielded more values")
        if made < count:
            yield value
        last = value
    if made < count:
        raise ValueError(f"{task} has num_returns={count} and yielded {made} values")
    yield last


def listed(values: Iterator[Any], task: str) -> DynamicObjectRefGenerator[Any]:
    """Keep what a generator yields, and give the references; the last one is what it raised."""
    refs: list[ObjectRef[Any]] = []
    try:
        refs.extend(map(here.engine.put, values))
    except Exception as error:  # of the user's code: it is the last value
        ref, settle = here.engine.promise()
        settle(Failed(unpack_error(pack_task_error(error, task))))
        refs.append(ref)
    return DynamicObjectRefGenerator(refs)

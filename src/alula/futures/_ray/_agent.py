"""The agent of a program outside of the cluster: an actor on it, that does for the program what it asks.

It has an engine like any process of the cluster, and a table of what it holds for the program. Messages
are calls of the engine's methods; they are begun in the order in which they were sent, whatever order Ray
brings them in. What waits does so in a thread, so that the next message can be begun.

The agent owns what the program makes. It ends when the program leaves or dies, and so do its values and
its actors, but for detached ones.
"""

import asyncio
import io
import logging
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import cloudpickle

from ..._core._pickle import Parts, load, pack, set_apart, unpack
from ...graph import Done, Failed
from .. import _session
from .._errors import pack_error, unpack_error
from .._refs import ObjectRef
from ._proxies import ClientActor, ClientGenerator, ClientRef, Table, arrived, ends
from ._refs import RayActor, RayRef
from ._streams import RayGenerator
from ._worker import attach

__all__ = ["Agent", "Reply"]

Reply: TypeAlias = tuple[bool, bytes]
"""Whether it went well, and the value, or the error."""

_O = TypeVar("_O")

_THREADS: Final = 10_000  # that may wait at once; a thread is started when there is need of it
_AT_ONCE: Final = frozenset(
    ("actor", "cancel", "completed", "drop", "kill", "promise", "settle", "submit", "tell")
)
"""What does not wait, and has to happen in the order of the program's calls."""


class Agent:
    """The actor."""

    def __init__(self) -> None:
        # Ray warns whenever something waits in a process that has an event loop; here that is a thread's.
        logging.getLogger("ray").setLevel(logging.ERROR)
        attach()
        self._engine = _session.current()
        self._table = ends.table = Table()
        self._settles: dict[int, Any] = {}
        self._threads = ThreadPoolExecutor(_THREADS)
        self._next = 0
        self._early: dict[int, asyncio.Future[None]] = {}

    async def call(self, number: int, message: bytes) -> Reply:
        """Do what a message says, when those with lower numbers have been begun."""
        if number != self._next:
            turn = self._early[number] = asyncio.get_running_loop().create_future()
            await turn
        done = self._begin(message)
        self._next += 1
        if self._next in self._early:
            self._early.pop(self._next).set_result(None)
        return await done if isinstance(done, Awaitable) else done

    def _begin(self, message: bytes) -> Reply | Awaitable[Reply]:
        try:
            parts = unpack(memoryview(message))
            name, args, kwargs = load(parts.body, parts.buffers)
            if name == "watch":
                return self._watch(*args)
            if name in _AT_ONCE:
                return self._do(name, args, kwargs)
        except BaseException as error:  # of a user's class, that cannot be unpickled here
            return False, pack_error(error)
        return asyncio.get_running_loop().run_in_executor(self._threads, self._do, name, args, kwargs)

    def _do(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Reply:
        try:
            call = getattr(self, name, None) or getattr(self._engine, name)
            return True, self._packed(call(*args, **kwargs))
        except BaseException as error:  # whatever it is, the program has it
            return False, pack_error(error)

    async def _watch(self, ref: ObjectRef[Any]) -> Reply:
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[BaseException | None] = loop.create_future()
        try:
            self._engine.watch(ref, partial(_settle, loop, settled))
        except BaseException as error:  # as above
            return False, pack_error(error)
        failure = await settled
        return (True, self._packed(None)) if failure is None else (False, pack_error(failure))

    def _packed(self, value: Any) -> bytes:
        buffers: list[memoryview] = []
        with io.BytesIO() as file:
            _Outward(file, self._table, buffers).dump(value)
            return pack(Parts(file.getvalue(), buffers))

    # ------------------------------------------------------------------- what no engine has a method for

    def hello(self) -> None:
        """Answer, which shows that the agent is there and whole."""

    def drop(self, numbers: Sequence[int]) -> None:
        """Forget what the program does not hold any more."""
        for number in numbers:
            del self._table[number]

    def promise(self) -> tuple[ObjectRef[Any], int]:
        """Give a reference, and the number by which to settle it."""
        ref, settle = self._engine.promise()
        number = self._table.keep(settle)
        return ref, number

    def settle(self, number: int, good: bool, content: Any) -> None:
        """Settle a promise: with a value, or with a packed error."""
        settle = self._table.pop(number)
        settle(Done(content) if good else Failed(unpack_error(content)))

    def wait(
        self, numbers: Sequence[int], num_returns: int, timeout: float | None, fetch_local: bool
    ) -> tuple[list[int], list[int]]:
        """Wait for entries of the table; tell them by where they stand in the list."""
        things = [self._table[number] for number in numbers]
        places = {id(thing): place for place, thing in enumerate(things)}
        ready, rest = self._engine.wait(things, num_returns, timeout, fetch_local)
        return [places[id(thing)] for thing in ready], [places[id(thing)] for thing in rest]

    def next(self, number: int) -> ObjectRef[Any] | None:
        """Wait for the next reference of a stream; None is the end."""
        return next(self._table[number], None)

    def completed(self, number: int) -> ObjectRef[None]:
        """Give the reference for the end of a stream."""
        ref: ObjectRef[None] = self._table[number].completed()
        return ref


def _settle(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[_O]", outcome: _O) -> None:
    loop.call_soon_threadsafe(future.set_result, outcome)


class _Outward(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """Pickles for the program: whatever it cannot hold itself is kept here, and named."""

    def __init__(self, file: io.BytesIO, table: Table, buffers: list[memoryview]) -> None:
        # No method of its own is the callback: the circle would hold whatever was pickled for a while.
        super().__init__(file, protocol=5, buffer_callback=partial(set_apart, buffers))
        self._table = table

    def reducer_override(self, thing: Any) -> Any:
        """Reduce what is Ray's to its name."""
        if isinstance(thing, RayRef):
            return arrived, (ClientRef, self._table.keep(thing), thing.binary())
        if isinstance(thing, RayActor):
            return arrived, (ClientActor, self._table.keep(thing), thing.cls)
        if isinstance(thing, RayGenerator):
            return arrived, (ClientGenerator, self._table.keep(thing))
        return super().reducer_override(thing)

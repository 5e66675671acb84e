"""Awaiting references in an event loop: those that settle together wake it once.

The general way, a `concurrent.futures.Future` for each, costs several locks and a wake-up for every value.
"""

from collections import deque
from collections.abc import Generator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from ._values import Ref

if TYPE_CHECKING:
    import asyncio

    from ._engine import Embedded

__all__ = ["awaited"]


class _Arrivals:
    """What has settled, and is awaited in one event loop."""

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._loop = ref(loop)  # weak, as this is kept for as long as the loop is
        self._settled: deque[asyncio.Future[None]] = deque()
        self._due = False

    def add(self, future: "asyncio.Future[None]") -> None:
        """Take one that has settled, from any thread; the lock is held."""
        self._settled.append(future)
        if not self._due:
            self._due = True
            with suppress(RuntimeError):  # the event loop is closed: nobody awaits any more
                if (loop := self._loop()) is not None:
                    loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._due = False
        while self._settled:
            future = self._settled.popleft()
            if not future.done():
                future.set_result(None)


_arrivals: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Arrivals]" = WeakKeyDictionary()


def awaited(engine: "Embedded", wanted: Ref[Any]) -> Generator[Any, None, Any]:
    """Wait for a value as ``await`` does; whoever is cancelled meanwhile wants the call no more."""
    if wanted.blob is None:
        import asyncio  # here, for it takes as long to import as all of the engine

        engine.take_submitted()
        try:
            yield from _settled(engine, wanted)
        except asyncio.CancelledError:
            engine.give_up(wanted)
            raise
    assert wanted.blob is not None
    return wanted.blob.load()


def _settled(engine: "Embedded", wanted: Ref[Any]) -> "asyncio.Future[None]":
    import asyncio  # as above

    loop = asyncio.get_running_loop()
    arrivals = _arrivals.get(loop)
    if arrivals is None:
        arrivals = _arrivals[loop] = _Arrivals(loop)
    future = loop.create_future()
    with engine.lock:
        if wanted.blob is None:
            wanted.on_settled(partial(arrivals.add, future))
        else:
            future.set_result(None)
    return future

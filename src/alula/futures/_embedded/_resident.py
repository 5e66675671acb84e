"""An actor whose calls run at once: in threads, or as coroutines on one event loop.

Each concurrency group, and the calls that name none, has a limit of its own, so that one whose calls are
stuck holds back no other. The calls of an actor that runs one at a time are the worker's main loop's.
"""

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from ..._core._gates import gate
from .._remote import ActorType
from ._values import Blob

if TYPE_CHECKING:
    from ._worker import Work, Worker

__all__ = ["Resident", "settle_in", "working_on"]

_MANY: Final = 1000  # coroutines at once, unless the class says otherwise

working_on: "ContextVar[Work | None]" = ContextVar("alula_work", default=None)
"""The call that a thread or an asyncio task of this process works on, outside of the main thread."""


class Resident(Protocol):
    """What runs the calls of an actor. Every method but `blocks` is called with the lock held."""

    @property
    def busy(self) -> bool:
        """Whether any call has no result yet."""

    def take(self, works: "list[Work]") -> None:
        """Run these when there is room in their groups."""

    def cancel(self, work: "Work") -> bool:
        """Ask a call to end; True if it has not begun, and now never will."""

    def find(self, matches: "Callable[[Work], bool]") -> "Work | None":
        """Give the call that matches, if it has no result yet."""

    def blocks(self) -> bool:
        """Tell whether the calling thread is the one that all coroutines share."""


def settle_in(worker: "Worker", cls: ActorType) -> Resident | None:
    """Give what runs the calls of an actor of that class; None if it is the main loop."""
    if cls.is_serial:
        return None
    options = cls.options
    limits: dict[str | None, int] = {None: options.max_concurrency or (_MANY if cls.is_async else 1)}
    limits.update(options.concurrency_groups)
    return Coroutines(worker, limits) if cls.is_async else Threads(worker, limits)


class Threads:
    """Each group has its threads."""

    def __init__(self, worker: "Worker", limits: Mapping[str | None, int]) -> None:
        self._worker = worker
        self._groups = {
            group: ThreadPoolExecutor(limit, f"alula-{group or 'actor'}") for group, limit in limits.items()
        }
        self._works: dict[Work, Future[None]] = {}

    @property
    def busy(self) -> bool:
        """Whether any call has no result yet."""
        return bool(self._works)

    def take(self, works: "list[Work]") -> None:
        """See `Resident.take`."""
        for work in works:
            self._works[work] = self._groups[work.group].submit(self._run, work)

    def _run(self, work: "Work") -> None:
        working_on.set(work)
        started = monotonic()
        blobs = self._worker.outcome(work)
        self._worker.ran(work, started)
        with self._worker.lock.bare:
            del self._works[work]
            self._worker.finish([(work, blobs)])
        working_on.set(None)

    def cancel(self, work: "Work") -> bool:
        """See `Resident.cancel`: what runs is only told, through `is_canceled`."""
        work.cancelled = True
        if never := self._works[work].cancel():
            del self._works[work]
        return never

    def find(self, matches: "Callable[[Work], bool]") -> "Work | None":
        """See `Resident.find`."""
        return next(filter(matches, self._works), None)

    def blocks(self) -> bool:
        """See `Resident.blocks`."""
        return False


class _Group:
    __slots__ = ("limit", "queue", "running")

    def __init__(self, limit: int) -> None:
        self.limit, self.running = limit, 0
        self.queue: deque[Work] = deque()


class Coroutines:
    """All groups share one event loop in one thread; methods that are no coroutines block it."""

    def __init__(self, worker: "Worker", limits: Mapping[str | None, int]) -> None:
        self._worker = worker
        self._groups = {name: _Group(limit) for name, limit in limits.items()}
        self._tasks: dict[Work, asyncio.Task[None] | None] = {}  # without one: not begun
        self._due = False  # the loop has been asked to begin what is queued
        self._results: list[tuple[Work, list[Blob]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="alula-coroutines", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether any call has no result yet."""
        return bool(self._tasks)

    def take(self, works: "list[Work]") -> None:
        """See `Resident.take`."""
        for work in works:
            self._tasks[work] = None
            self._groups[work.group].queue.append(work)
        self._call_soon()

    def _call_soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        """In the loop: begin as many calls as there is room for."""
        with self._worker.lock.bare:
            self._due = False
            for group in self._groups.values():
                while group.queue and group.running < group.limit:
                    group.running += 1
                    work = group.queue.popleft()
                    self._tasks[work] = self._loop.create_task(self._run(work, group))

    async def _run(self, work: "Work", group: _Group) -> None:
        working_on.set(work)
        started = monotonic()
        blobs = await self._outcome(work)
        self._worker.ran(work, started)
        group.running -= 1
        if not self._results:
            self._loop.call_soon(self._finish)
        self._results.append((work, blobs))

    async def _outcome(self, work: "Work") -> list[Blob]:
        worker = self._worker
        try:
            if work.cancelled:  # before its first step
                return worker.cancelled(work)
            gate("task.started")
            value = worker.call(work)
            if inspect.isawaitable(value):
                value = await value
            if (taker := worker.taker(value, work)) is None:
                return worker.packed(value, work)
            if isinstance(value, AsyncIterator):
                await taker.run_async(value)
            else:
                taker.run(value, worker)
            return taker.blobs()
        except asyncio.CancelledError:
            return worker.cancelled(work)
        except BaseException as raised:  # also SystemExit: a call does not end its actor
            return worker.failed(raised, work)

    def _finish(self) -> None:
        """In the loop: send the results that have come in this turn of it."""
        results, self._results = self._results, []
        gate("task.finished")
        with self._worker.lock.bare:
            for work, _ in results:
                del self._tasks[work]
            self._worker.finish(results)
        self._begin()

    def cancel(self, work: "Work") -> bool:
        """See `Resident.cancel`: the asyncio task of a running call is cancelled."""
        work.cancelled = True
        task = self._tasks[work]
        if task is not None:
            self._loop.call_soon_threadsafe(task.cancel)
            return False
        self._groups[work.group].queue.remove(work)
        del self._tasks[work]
        return True

    def find(self, matches: "Callable[[Work], bool]") -> "Work | None":
        """See `Resident.find`."""
        return next(filter(matches, self._tasks), None)

    def blocks(self) -> bool:
        """See `Resident.blocks`."""
        return threading.current_thread() is self._thread

"""An actor whose calls are coroutines on one event loop; see `_resident`. Nothing else needs asyncio."""

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING

from ..._core._gates import gate
from ._resident import working_on
from ._values import Blob

if TYPE_CHECKING:
    from ._work import Work
    from ._worker import Worker

__all__ = ["Coroutines"]


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
        work.started = monotonic()
        blobs = await self._outcome(work)
        self._worker.ran(work)
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

    def works(self) -> "list[Work]":
        """See `Resident.works`."""
        return list(self._tasks)

    def find(self, matches: "Callable[[Work], bool]") -> "Work | None":
        """See `Resident.find`."""
        return next(filter(matches, self._tasks), None)

    def blocks(self) -> bool:
        """See `Resident.blocks`."""
        return threading.current_thread() is self._thread

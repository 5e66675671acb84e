"""An actor whose calls run at once: in threads, or as coroutines on one event loop.

Each concurrency group, and the calls that name none, has a limit of its own, so that one whose calls are
stuck holds back no other. The calls of an actor that runs one at a time are the worker's main loop's.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from .._remote import ActorType

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._work import Work
    from ._worker import Worker

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

    def works(self) -> "list[Work]":
        """Give the calls that have no result yet."""

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
    if not cls.is_async:
        return Threads(worker, limits)
    # Only now, for asyncio takes as long to import as all of the engine.
    made: Resident = import_module("._coroutines", __package__).Coroutines(worker, limits)
    return made


class Threads:
    """Each group has its threads."""

    def __init__(self, worker: "Worker", limits: Mapping[str | None, int]) -> None:
        from concurrent.futures import ThreadPoolExecutor  # here, for few actors have threads

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
        work.started = monotonic()
        blobs = self._worker.outcome(work)
        self._worker.ran(work)
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

    def works(self) -> "list[Work]":
        """See `Resident.works`."""
        return list(self._works)

    def find(self, matches: "Callable[[Work], bool]") -> "Work | None":
        """See `Resident.find`."""
        return next(filter(matches, self._works), None)

    def blocks(self) -> bool:
        """See `Resident.blocks`."""
        return False

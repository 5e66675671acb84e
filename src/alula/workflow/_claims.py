"""Claims: what keeps an executor at work on the queue.

It is woken by the doorbell when something is queued, and by the end of a task when it had no room; because
the death of another executor rings no bell, it also looks every now and then. It takes only what its engine
has room for: what it leaves is there for other executors. Workflows cost little, so what sleeps or waits
takes no room.
"""

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Final, Protocol, Self

from ._load import Load

__all__ = ["Claims"]

_LOOK: Final = 1.0  # seconds; an idle look is a few small reads

_log = logging.getLogger("alula.workflow")


class Claimer(Protocol):
    """What an `Executor` is to its claims."""

    load: Load
    listen: Callable[[Callable[[], None]], Callable[[], None]]

    def claim(self, most: int = 1, *, own: bool = False) -> Sequence[object]:
        """Take so many workflows at most, and start them."""
        ...

    def when_more(self, then: Callable[[], None]) -> Callable[[], None]:
        """Call once there may be more for what time has passed; give what ends that."""
        ...


class Claims:
    """A thread that claims for an executor until this is closed.

    Parameters
    ----------
    executor
        One that was opened with ``claims=True``; it stays the caller's, and is closed after this.
    room
        How many tasks it may have on its engine before it takes no more.
    look
        Seconds between two looks of its own accord.
    own
        Whether it takes only what waits in named queues for this executor alone.
    """

    def __init__(self, executor: Claimer, *, room: int, look: float = _LOOK, own: bool = False) -> None:
        self._executor, self._room, self._look, self._own = executor, room, look, own
        self._news = Event()
        self._closed = self._full = self._failing = False
        self._stop_listening = executor.listen(self._news.set)
        executor.load.eased = self._eased
        self._thread = Thread(target=self._run, name="alula-workflow-claims", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Claim nothing more; what was claimed goes on."""
        self._closed = True
        self._news.set()
        self._thread.join()
        self._stop_listening()
        self._executor.load.eased = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _eased(self) -> None:
        if self._full and len(self._executor.load) < self._room:
            self._news.set()

    def _run(self) -> None:
        while not self._closed:
            self._news.clear()  # before the look: what is queued during it is looked at again
            self._try()
            give_up = self._executor.when_more(self._news.set)
            self._news.wait(self._look)
            give_up()

    def _try(self) -> None:
        try:
            self._fill()
            self._failing = False
        except Exception as error:  # the store is away, or the engine: this thread must outlive that
            if not self._failing and not self._closed:
                _log.error("cannot claim, and will go on trying: %s", error)
            self._failing = True

    def _fill(self) -> None:
        while not self._closed:
            self._full = True  # before it is known, so that no task ends unheard in between
            free = self._room - len(self._executor.load)
            if free <= 0:
                return
            if not self._executor.claim(free, own=self._own):
                self._full = False
                return

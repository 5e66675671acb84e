"""Claims: what keeps an executor at work on the queue.

It is woken by the doorbell when something is queued, and by the end of a task when it had no room; because
the death of another executor rings no bell, it also looks every now and then. It takes only what its engine
has room for: what it leaves is there for other executors. Workflows cost little, so what sleeps or waits
takes no room.
"""

import logging
from threading import Event, Thread
from typing import Final, Self

from ._executor import Executor

__all__ = ["Claims"]

_LOOK: Final = 1.0  # seconds; an idle look is a few small reads

_log = logging.getLogger("alula.workflow")


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
    """

    def __init__(self, executor: Executor, *, room: int, look: float = _LOOK) -> None:
        self._executor, self._room, self._look = executor, room, look
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
            self._news.wait(self._look)

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
            if len(self._executor.claim(free)) < free:
                self._full = False
                return

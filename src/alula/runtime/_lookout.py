"""A lookout: does what is to be done about work that takes longer than a moment, and nothing about the rest.

One thread for the whole process looks a few times in a moment while there is something to look for. So to be
looked for costs less than the start of a timer, and most work is over before anybody looks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock, Thread
from time import monotonic, sleep
from typing import Final

__all__ = ["MOMENT", "looked_for"]

MOMENT: Final = 0.05
"""Seconds after which something has taken long."""

_STEP: Final = MOMENT / 2
_QUIET: Final = 8  # looks that see nothing, after which it looks no more until it is told to


class _Work:
    """One piece of work that is under way."""

    def __init__(self, late: Callable[[], None]) -> None:
        self._late, self._lock = late, Lock()
        self.due = monotonic() + MOMENT
        self._over = self._told = False

    def tell(self) -> None:
        with self._lock:
            if not (self._over or self._told):
                self._told = True
                self._late()

    def end(self) -> bool:
        """Say that it is over; tell whether it has taken long."""
        with self._lock:
            self._over = True
            return self._told


_under_way: set[_Work] = set()
_news = Condition()
_thread: Thread | None = None
_parked = False  # whether the thread has to be told that there is something to look for


@contextmanager
def looked_for(late: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Have `late` called, in another thread, once the block has taken long.

    Yields
    ------
    Callable
        Ends it before the block does, and tells whether `late` was called; it is not called afterwards.
    """
    work = _Work(late)
    _begin(work)
    try:
        yield work.end
    finally:
        work.end()
        _under_way.discard(work)


def _begin(work: _Work) -> None:
    global _thread
    with _news:
        _under_way.add(work)
        if _thread is None or not _thread.is_alive():  # a forked child has none
            _thread = Thread(target=_look, name="alula-lookout", daemon=True)
            _thread.start()
        elif _parked:
            _news.notify()


def _look() -> None:
    global _parked
    while True:
        with _news:
            _parked = True
            _news.wait_for(lambda: _under_way)
            _parked = False
        quiet = 0
        while quiet < _QUIET:  # to be woken for each of many short pieces costs more than they do
            sleep(_STEP)
            now = monotonic()
            works = list(_under_way)
            quiet = 0 if works else quiet + 1
            for work in works:
                if work.due <= now:
                    _under_way.discard(work)
                    work.tell()

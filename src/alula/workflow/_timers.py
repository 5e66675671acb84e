"""Timers: one heap and one thread for all that an executor has to do at some time."""

import logging
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread

from .._core._clock import Clock

__all__ = ["Timers"]

_log = logging.getLogger("alula.workflow")


class _Timer:
    """One thing to do; empty once it is done or nobody wants it any more."""

    __slots__ = ("then",)

    def __init__(self, then: Callable[[], None]) -> None:
        self.then: Callable[[], None] | None = then


class Timers:
    """Calls at times of one clock, in a thread that the first of them starts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, _Timer]] = []
        self._order = count()
        self._news = Condition()
        self._closed = False
        self._thread: Thread | None = None

    def at(self, when: float, then: Callable[[], None]) -> Callable[[], None]:
        """Call `then` once it is `when`, in UNIX seconds; at once if it is already.

        Parameters
        ----------
        then
            Called in the timers' thread, which it must not hold up.

        Returns
        -------
        Callable
            Gives it up, if it has not been called.

        Raises
        ------
        RuntimeError
            If the timers are closed.
        """
        timer = _Timer(then)
        with self._news:
            if self._closed:
                raise RuntimeError("the executor is closed")
            heappush(self._heap, (when, next(self._order), timer))
            if self._thread is None:
                self._thread = Thread(target=self._run, name="alula-workflow-timers", daemon=True)
                self._thread.start()
            if self._heap[0][2] is timer:
                self._news.notify()

        def give_up() -> None:
            timer.then = None

        return give_up

    def close(self) -> None:
        """Call nobody any more."""
        with self._news:
            self._closed = True
            self._heap.clear()
            self._news.notify()

    def _run(self) -> None:
        while (timer := self._next()) is not None:
            then, timer.then = timer.then, None
            if then is not None:
                try:
                    then()
                except Exception:  # whoever set this timer: it must not silence the others
                    _log.exception("what a timer called has failed")

    def _next(self) -> _Timer | None:
        """Wait for the next that is due; None means that these timers are closed."""
        with self._news:
            while not self._closed:
                when = self._heap[0][0] if self._heap else None
                if when is not None and when <= self._clock.time():
                    return heappop(self._heap)[2]
                self._clock.wait(self._news, when)
        return None

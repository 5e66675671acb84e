"""Timers: one heap and one thread for all that an executor has to do at some time."""

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread

from .._core._clock import Clock
from .._core._collector import collecting_later

__all__ = ["Timers"]

_MANY = 100  # due at one moment

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
        while due := self._next():
            # What many of them make is mostly kept: to look through it meanwhile would hold up the last.
            with collecting_later() if len(due) > _MANY else nullcontext():
                for timer in due:
                    self._call(timer)

    def _call(self, timer: _Timer) -> None:
        then, timer.then = timer.then, None
        if then is None or self._closed:
            return
        try:
            then()
        except Exception:  # whoever set this timer: it must not silence the others
            _log.exception("what a timer called has failed")

    def _next(self) -> list[_Timer]:
        """Wait for the next that is due, and give all that are; none means that these timers are closed."""
        with self._news:
            while not self._closed:
                when, now = self._heap[0][0] if self._heap else None, self._clock.time()
                if when is not None and when <= now:
                    return list(self._due(now))
                self._clock.wait(self._news, when)
        return []

    def _due(self, now: float) -> Iterator[_Timer]:
        while self._heap and self._heap[0][0] <= now:
            yield heappop(self._heap)[2]

"""Threads for what takes long: the loads and the runs of models.

Their work is done elsewhere, and its end is told on the server's loop.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Any, TypeAlias

from ..graph import Done, Failed

__all__ = ["Ended", "Workers", "outcome_of"]

Ended: TypeAlias = Callable[[Done[Any] | Failed], None]


class Workers:
    """Threads for what takes long; they are made as they are needed, and stay.

    Parameters
    ----------
    loop
        Where the ends are told.
    limit
        The most threads; more work than that waits.
    name
        Of the threads, for people who look at the process.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, limit: int, name: str) -> None:
        self._loop, self._limit, self._name = loop, limit, name
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Ended] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._busy = 0

    def submit(self, work: Callable[[], Any], ended: Ended) -> None:
        """Do the work in another thread; `ended` is called on the loop's thread, exactly once."""
        self._busy += 1
        if self._busy > len(self._threads) < self._limit:
            name = f"{self._name}-{len(self._threads)}"
            # A backend that never returns must not keep the process from ending.
            self._threads.append(Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()
        self._jobs.put((work, ended))

    @property
    def threads(self) -> list[int]:
        """Identities of the threads that there are."""
        return [thread.ident for thread in self._threads if thread.ident is not None]

    @property
    def stuck(self) -> bool:
        """Whether a thread is still at work; of interest once they were asked to end."""
        return any(thread.is_alive() for thread in self._threads)

    def close(self, timeout: float) -> None:
        """End the threads, waiting for them until `timeout` s have passed."""
        for _ in self._threads:
            self._jobs.put(None)
        until = perf_counter() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - perf_counter()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, ended = job
            outcome = outcome_of(work)
            with suppress(RuntimeError):  # the loop is closed: nobody is there to hear of it
                self._loop.call_soon_threadsafe(self._end, ended, outcome)
            del job, work, ended, outcome  # a waiting thread must not keep tensors alive

    def _end(self, ended: Ended, outcome: Done[Any] | Failed) -> None:
        self._busy -= 1
        ended(outcome)


def outcome_of(work: Callable[[], Any]) -> Done[Any] | Failed:
    """Do the work right here, and say how it ended."""
    try:
        return Done(work())
    except Exception as error:  # a backend's code: what it raises is the answer
        return Failed(error)

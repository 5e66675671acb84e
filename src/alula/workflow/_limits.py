"""Time limits: an attempt at a task that takes too long is ended, as if its process had died.

The time begins with the body, however long the task waits for a worker before; so a worker that begins
such a task writes so, and the executor looks when the time might be over. What is not recorded has no
such row: its time begins when it is handed to the engine.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Final

from sqlalchemy import select, update

from .._core._ids import Key
from ..errors import StoreUnavailableError
from ..store import Store
from ._orders import Order
from ._patience import patiently
from ._rows import one_task
from ._site import Site
from ._tables import TASKS
from ._tasks import Task

__all__ = ["GRACE", "Limit", "note_start"]

GRACE: Final = 5.0
"""Seconds after which a task that was asked to end is killed with its process."""


def note_start(order: Order) -> None:
    """Write that the body of a task begins now."""
    store, owner = order.book.open(), order.book.owner
    begun = update(TASKS).where(one_task(owner.number, order.creator.key))

    def note() -> None:
        with store.transaction(owner) as connection:
            connection.execute(begun.values(started=store.clock.time()))

    patiently(note)


class Limit:
    """The time limit of one attempt.

    Attributes
    ----------
    exceeded
        Whether the attempt was told to end.
    """

    def __init__(self, site: Site, task: Task, seconds: float, end: Callable[[bool], None]) -> None:
        """Prepare to watch an attempt, before it is handed to the engine.

        Parameters
        ----------
        seconds
            How long it may take.
        end
            Ends it; told whether by force.
        """
        self.exceeded = False
        self._aside, self._clock, self._seconds, self._end = site.aside, site.store.clock, seconds, end
        self._row = _Row(site.store, site.journal.owner.number, task.key) if task.recorded else None
        # What an earlier attempt has left there.
        self._before = self._row.times() if self._row else (None, None)
        self._began: float | None = None if self._row else self._clock.time()
        self._lock = Lock()
        self._over = False
        self._give_up: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to watch, for it was handed over."""
        self._look_at(self._clock.time() + self._seconds)

    def stop(self) -> None:
        """Hear that the attempt has ended."""
        with self._lock:
            self._over = True
            give_up = self._give_up
        if give_up is not None:
            give_up()

    def _look_at(self, when: float) -> None:
        self._at(when, partial(self._aside.soon, self._look))

    def _look(self) -> None:
        now = self._clock.time()
        with suppress(StoreUnavailableError):  # then it is looked at again in a while
            if not self._has_begun(now):
                return
        due = (now if self._began is None else self._began) + self._seconds
        if due > now:
            self._look_at(due)
            return
        self.exceeded = True
        if not self._over:
            self._at(now + GRACE, partial(self._end, True))
            self._end(False)

    def _has_begun(self, now: float) -> bool:
        """See whether the body has begun; false if it has also ended, and only goes on in place."""
        if self._row is not None:
            started, ended = self._row.times()
            if ended is not None and ended != self._before[1]:
                return False
            if self._began is None and started is not None and started != self._before[0]:
                self._began = min(started, now)  # the clock there may be ahead
        return True

    def _at(self, when: float, then: Callable[[], None]) -> None:
        with self._lock:
            if not self._over:
                with suppress(RuntimeError):  # the executor is closed: it has let go of the task
                    self._give_up = self._aside.timers.at(when, then)


class _Row:
    """Where it is written when a task has begun and ended."""

    def __init__(self, store: Store, number: int, key: Key) -> None:
        self._store = store
        self._asked = select(TASKS.c.started, TASKS.c.ended).where(one_task(number, key))

    def times(self) -> tuple[float | None, float | None]:
        with self._store.reading() as connection:
            row = connection.execute(self._asked).one_or_none()
        return (None, None) if row is None else (row.started, row.ended)

"""The scheduler: looks after all schedules of a store for one executor that takes work from the queue."""

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from ..errors import StoreUnavailableError
from ..store import Store
from ._queue import QUEUE
from ._schedules import DUE, Fired, Schedules
from ._timers import Timers
from ._watch import TOPIC

__all__ = ["Scheduler"]

_AGAIN = 10.0  # seconds after which to look again when the store could not be used

_log = logging.getLogger("alula.workflow")


class Scheduler:
    """Fires what is due at its time, until it is closed."""

    def __init__(
        self, store: Store, schedules: Schedules, timers: Timers, door: Callable[[str], str]
    ) -> None:
        """Begin to look.

        Parameters
        ----------
        door
            Names the topic to ring for an executor that a workflow was taken from.
        """
        self._store, self._schedules, self._timers, self._door = store, schedules, timers, door
        self._changing = Lock()
        self._closed = False
        self._give_up: Callable[[], None] = lambda: None
        self._stop = store.listen(DUE, self._look)
        self._look()

    def close(self) -> None:
        """Look no more."""
        with self._changing:
            self._closed = True
            self._give_up()
        self._stop()

    def _look(self) -> None:
        with suppress(StoreUnavailableError):  # it was closed
            self._store.post(self._schedules.fire, self._looked)

    def _looked(self, fired: Fired | None, error: BaseException | None) -> None:
        if fired is None:
            _log.error("schedules could not be looked at, and will be in a while: %s", error)
            self._look_at(self._store.clock.time() + _AGAIN)
            return
        if fired.workflows:
            self._store.ring(QUEUE)
        for executor in fired.robbed:
            self._store.ring(self._door(executor))
            self._store.ring(TOPIC)
        if fired.wake is not None:
            self._look_at(fired.wake)

    def _look_at(self, when: float) -> None:
        with self._changing:
            if not self._closed:
                self._give_up()
                with suppress(RuntimeError):  # the executor is being closed
                    self._give_up = self._timers.at(when, self._look)

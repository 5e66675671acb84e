"""Ends what runs for too long: one thread that looks every now and then at all that runs.

A run only says that it begins and ends, which costs next to nothing. The thread is asleep while
nothing runs for long, and so may find a run a twentieth of its time late.
"""

import threading
import time
from collections.abc import Callable

__all__ = ["Deadlines"]


class Deadlines:
    """Calls an alarm for every run that is not over in time.

    Parameters
    ----------
    seconds
        How long a run may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[object, tuple[float, Callable[[], None]]] = {}
        self._awake = False
        self._begun = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self, alarm: Callable[[], None]) -> object:
        """Say that a run begins; give what `end` is told.

        Parameters
        ----------
        alarm
            Called once, from another thread, if the run takes too long.
        """
        mark = object()
        self._running[mark] = (time.monotonic() + self._seconds, alarm)
        if not self._awake:
            self._wake()
        return mark

    def end(self, mark: object) -> None:
        """Say that a run is over."""
        self._running.pop(mark, None)

    def _wake(self) -> None:
        with self._lock:
            self._awake = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="alula-deadlines", daemon=True)
                self._thread.start()
        self._begun.set()

    def _look(self) -> None:
        while True:
            time.sleep(self._seconds / 20)
            now = time.monotonic()
            for mark, (until, alarm) in list(self._running.items()):
                if now >= until and self._running.pop(mark, None) is not None:
                    alarm()
            if not self._running:
                self._sleep()

    def _sleep(self) -> None:
        """Wait until something runs. Whoever begins after the flag has fallen sets the event."""
        self._begun.clear()
        self._awake = False
        if not self._running:
            self._begun.wait()
        self._awake = True

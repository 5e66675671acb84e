"""A clock that stands still until a test moves it."""

from threading import Condition, Lock

__all__ = ["Clock"]


class Clock:
    """Time for one test: nothing passes by itself, so nothing depends on how fast the machine is.

    It goes wherever a layer takes a clock. Safe to use from any thread.

    Parameters
    ----------
    now
        UNIX time at which it stands, in seconds; 1 January 2030 by default.

    Examples
    --------
    >>> clock = Clock(now=100.0)
    >>> clock.advance(2.5)
    >>> clock.time(), clock.monotonic()
    (102.5, 2.5)
    """

    def __init__(self, now: float = 1_893_456_000.0) -> None:
        self._now = float(now)
        self._passed = 0.0
        self._lock = Lock()
        self._waiting: list[Condition] = []

    def time(self) -> float:
        """UNIX time in seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that have passed since the clock was made; jumps do not count."""
        return self._passed

    def wait(self, condition: Condition, until: float | None) -> None:
        """Wait on a condition that is held, until it is notified or somebody moves this clock."""
        with self._lock:
            if until is not None and until <= self._now:
                return
            self._waiting.append(condition)
        condition.wait()

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises
        ------
        ValueError
            If `seconds` is negative: `jump` sets the wall clock back, and nothing undoes what passed.
        """
        if seconds < 0:
            raise ValueError(f"time cannot pass by {seconds} s: use jump() to set the clock back")
        with self._lock:
            self._now += seconds
            self._passed += seconds
        self._wake()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back if negative, as an administrator does; no time passes."""
        with self._lock:
            self._now += seconds
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for condition in waiting:
            with condition:
                condition.notify_all()

    def __repr__(self) -> str:
        return f"<Clock at {self._now:.3f}, {self._passed:g} s passed>"

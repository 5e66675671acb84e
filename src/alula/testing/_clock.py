"""A clock that stands still until a test moves it."""

from threading import Lock

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

    def time(self) -> float:
        """UNIX time in seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that have passed since the clock was made; jumps do not count."""
        return self._passed

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

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back if negative, as an administrator does; no time passes."""
        with self._lock:
            self._now += seconds

    def __repr__(self) -> str:
        return f"<Clock at {self._now:.3f}, {self._passed:g} s passed>"

"""The clock as an argument, so that tests hold it still."""

import time
from threading import Condition
from typing import Protocol

__all__ = ["SYSTEM", "Clock"]


class Clock(Protocol):
    """Where a layer reads the time; `alula.testing.Clock` is the one that tests move by hand."""

    def time(self) -> float:
        """UNIX time in seconds: for people and records, may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment: for durations, never goes back."""
        ...

    def wait(self, condition: Condition, until: float | None) -> None:
        """Wait on a condition that is held, until it is notified or that UNIX time has come.

        It may return earlier, for a clock that was set is noticed only by looking again.
        """
        ...


_LOOK = 10.0  # seconds after which to look at the clock again, for somebody may have set it


class _System:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, condition: Condition, until: float | None) -> None:
        condition.wait(None if until is None else min(_LOOK, max(0.0, until - time.time())))


SYSTEM: Clock = _System()

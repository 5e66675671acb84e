"""The clock as an argument, so that tests hold it still."""

import time
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


class _System:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


SYSTEM: Clock = _System()

"""What tasks and actors do: as little as can be, so that what is measured is the engine.

Those that handle arrays are in `arrays`: a worker that imports this module does not import numpy.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "AsyncCounter",
    "Counter",
    "counted",
    "held",
    "more",
    "nothing",
    "numbers",
    "rest",
    "same",
]


def nothing(*args: Any) -> None:
    """Take anything and give None."""


def more(x: int) -> int:
    """Add one."""
    return x + 1


def same(x: Any) -> Any:
    """Give back what came."""
    return x


def rest(seconds: float) -> None:
    """Take time, and no processor."""
    time.sleep(seconds)


def counted(*values: Any) -> int:
    """Tell how many values came."""
    return len(values)


def held(path: str) -> None:
    """Wait until a file is there: what depends on this stays pending."""
    while not Path(path).exists():
        time.sleep(0.01)


def numbers(count: int) -> Iterator[int]:
    """Yield numbers."""
    yield from range(count)


class Counter:
    """An actor that counts its calls."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        """Count one more."""
        self.count += 1
        return self.count


class AsyncCounter:
    """The same in coroutines."""

    def __init__(self) -> None:
        self.count = 0

    async def add(self) -> int:
        """Count one more."""
        self.count += 1
        return self.count

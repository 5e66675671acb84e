"""What tasks and actors do: as little as can be, so that what is measured is the engine."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "AsyncCounter",
    "Counter",
    "add",
    "counted",
    "fallible",
    "filled",
    "first",
    "held",
    "more",
    "nothing",
    "numbers",
    "opened",
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


def filled(number: int, size: int) -> Any:
    """Make an array of `size` bytes."""
    return np.full(size // 8, float(number))


def add(left: Any, right: Any) -> Any:
    """Add two arrays."""
    return left + right


def first(array: Any) -> float:
    """Look at one element of an array."""
    return float(array[0])


def counted(*values: Any) -> int:
    """Tell how many values came."""
    return len(values)


def opened(refs: list[Any], get: Any) -> tuple[float, bool]:
    """Get a value inside a task: s that it took, and whether its bytes were left where they are."""
    start = time.perf_counter()
    array = get(refs[0])
    seconds = time.perf_counter() - start
    return seconds, not (array.flags.owndata or array.flags.writeable)


def held(path: str) -> None:
    """Wait until a file is there: what depends on this stays pending."""
    while not Path(path).exists():
        time.sleep(0.01)


def fallible(number: int, size: int, path: str) -> Any:
    """Give a number, or an array of `size` bytes full of it; who is given `path` first kills its worker."""
    if path and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return filled(number, size) if size else number


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

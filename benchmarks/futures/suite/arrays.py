"""What tasks do that handle arrays, and one that kills its worker."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["add", "fallible", "filled", "first", "opened"]


def filled(number: int, size: int) -> Any:
    """Make an array of `size` bytes."""
    return np.full(size // 8, float(number))


def add(left: Any, right: Any) -> Any:
    """Add two arrays."""
    return left + right


def first(array: Any) -> float:
    """Look at one element of an array."""
    return float(array[0])


def opened(refs: list[Any], get: Any) -> tuple[float, bool]:
    """Get a value inside a task: s that it took, and whether its bytes were left where they are."""
    start = time.perf_counter()
    array = get(refs[0])
    seconds = time.perf_counter() - start
    return seconds, not (array.flags.owndata or array.flags.writeable)


def fallible(number: int, size: int, path: str) -> Any:
    """Give a number, or an array of `size` bytes full of it; who is given `path` first kills its worker."""
    if path and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return filled(number, size) if size else number

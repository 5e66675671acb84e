"""How a case measures: repeated calls, their spread, and what a family of processes uses.

Every figure is a cost for one unit (s, bytes, a share), so that less is better and a ratio has one
meaning everywhere. Time and memory of processes are read from ``/proc``: Linux only.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, TypeAlias

__all__ = [
    "ENVIRONMENT",
    "FULL",
    "SIZES",
    "TINY",
    "Bench",
    "Figures",
    "Size",
    "Skipped",
    "costed",
    "family",
    "pss",
    "repeated",
    "spread",
    "timed",
    "used",
]

Figures: TypeAlias = dict[str, float]
"""Costs by name: s, bytes, or a share."""

ENVIRONMENT: Final = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""Of the processes that measure: byte code is kept, as that of a package which is installed."""


class Skipped(Exception):
    """A case that an engine cannot do; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything a case does.

    Attributes
    ----------
    samples, budget
        Times that a measured call is repeated in a round; fewer if they take longer than `budget` s.
    calls
        Round trips, one after the other.
    large, array, leaf, item
        Bytes: of a large value, of one that goes to a task and back, of a leaf of the tree, of a large
        result in the run that loses a worker.
    short, long
        s that tasks of the makespan take.
    """

    samples: int = 10
    budget: float = 10.0
    batch: int = 10_000
    calls: int = 2_000
    chain: int = 1_000
    deep: int = 10_000
    fan: int = 1_000
    nest: int = 100
    clients: int = 4
    pipelined: int = 1_000
    large: int = 100_000_000
    readers: int = 10
    array: int = 10_000_000
    leaves: int = 1_024
    leaf: int = 1_000_000
    million: int = 1_000_000
    tasks: int = 2_000
    short: float = 0.001
    long: float = 1.0
    lost: int = 10_000
    lost_large: int = 2_000
    item: int = 200_000
    borrowed: int = 5_000
    items: int = 5_000
    rows: int = 100_000
    fib: int = 10
    busy: float = 1.0
    idle: float = 1.0


FULL: Final = Size()
TINY: Final = Size(
    samples=2,
    budget=0.1,
    batch=20,
    calls=20,
    chain=10,
    deep=20,
    fan=10,
    nest=3,
    clients=2,
    pipelined=10,
    large=1_000_000,
    readers=2,
    array=200_000,
    leaves=8,
    leaf=150_000,
    million=50,
    tasks=20,
    long=0.002,
    lost=50,
    lost_large=10,
    borrowed=10,
    items=10,
    rows=100,
    fib=3,
    busy=0.01,
    idle=0.01,
)
SIZES: Final = {"full": FULL, "quick": replace(FULL, samples=3, budget=2.0, million=100_000), "tiny": TINY}


@dataclass(frozen=True, slots=True)
class Bench:
    """An engine that has been started, and how much is asked of it.

    Attributes
    ----------
    api
        Whatever has `remote`, `get` and perhaps `put`, as Ray has them; None for the floor.
    started
        s from the call that started it to the first value.
    """

    name: str
    api: Any
    size: Size
    started: float = 0.0


def timed(call: Callable[[], Any]) -> float:
    """Give the s that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def repeated(call: Callable[[], Any], size: Size, times: int | None = None) -> list[float]:
    """Give the s of each of some calls after a first one that does not count.

    They are `times`, or as many as `size` says: two at least, or one if the first took longer than all may.
    """
    least = times or (1 if timed(call) > size.budget else 2)
    found: list[float] = []
    while len(found) < least or (len(found) < (times or size.samples) and sum(found) < size.budget):
        found.append(timed(call))
    return found


def costed(name: str, call: Callable[[], Any], count: int, size: Size) -> Figures:
    """Give what each of the `count` units costs that a call handles: its time, and that of all processors."""
    before = used(family())
    seconds = repeated(call, size)
    processor = used(family()) - before
    return {name: median(seconds) / count, f"{name} cpu": processor / (len(seconds) + 1) / count}


def spread(name: str, seconds: list[float]) -> Figures:
    """Give the median and what 99 of 100 do not exceed."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {f"{name} p50": cuts[49], f"{name} p99": cuts[98]}


def family() -> set[int]:
    """Find this process and all that descend from it."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has just ended
                continue
    found = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def used(pids: Iterable[int]) -> float:
    """Give the s of processor time that the living threads of these processes have used."""
    total = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(thread.read_text().split()[0])
            except OSError:  # it has just ended
                continue
    return total / 1e9


def pss(pids: Iterable[int]) -> float:
    """Give the bytes that these processes have mapped, shared ones divided among those who share them."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it has just ended
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024.0

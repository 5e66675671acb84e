"""How much memory a session may hold: what was asked for, or a part of what the machine gives."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ._tally import Tally

__all__ = ["Share", "Usage", "budget", "installed"]

_PART = 0.3
_CGROUP_LIMITS = ("memory.max", "memory.limit_in_bytes")  # of the two versions


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What a process may use of its session's memory.

    Attributes
    ----------
    tally, slot
        Where it says how much it holds.
    budget
        Bytes that all processes of the session may hold.
    folder
        For values that leave memory.
    wake
        Wakes the loop, for `Memory.tidy` is due.
    """

    tally: Tally
    slot: int
    budget: int
    folder: Path
    wake: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process holds.

    Attributes
    ----------
    held
        Bytes of memory that count as its own, those that are kept warm among them.
    pooled
        Bytes that are kept warm.
    spilled
        Bytes of its values on disk.
    segments
        Large values that it can read.
    shared
        Those of them that other processes can see.
    budget, total
        Bytes that the session may hold, and that it holds.
    """

    held: int
    pooled: int
    spilled: int
    segments: int
    shared: int
    budget: int
    total: int


def budget(asked: int | None) -> int:
    """Give the bytes for large values: those asked for, or 30 %, and never more than there are."""
    there = installed()
    return int(_PART * there) if asked is None else min(asked, there)


def installed() -> int:
    """Give the bytes of memory that this process may use: of the machine, or of its control group if less."""
    return min((os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *_limits()))


def _limits() -> Iterator[int]:
    """Give the limits that control groups set for this process."""
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # another system
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        root = Path("/sys/fs/cgroup", "memory" if controllers else "")
        if controllers in ("", "memory"):
            group = root / path.lstrip("/")
            for folder in (group, *group.parents):
                if folder.is_relative_to(root):
                    yield from _limit(folder)


def _limit(folder: Path) -> Iterator[int]:
    for name in _CGROUP_LIMITS:
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue
        if text != "max":
            yield int(text)

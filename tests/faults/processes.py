"""What a test can know of other processes: that they have ended, and what they still hold."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

__all__ = [
    "LIMIT",
    "ROOT",
    "TREE",
    "Program",
    "ended",
    "eventually",
    "kill",
    "lines",
    "marked",
    "note",
    "program",
    "rows",
    "segments",
]

LIMIT = 150.0
"""Seconds after which something has failed; nothing that works takes nearly as long."""

ROOT = Path(__file__).parents[2]

TREE = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
"""The PYTHONPATH of a program of its own: it runs what stands beside these tests, not what is installed."""

Program: TypeAlias = "subprocess.Popen[str]"


def ended(pid: int, timeout: float = LIMIT) -> bool:
    """Tell whether a process has ended, waiting for it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)


def kill(pid: int) -> None:
    """Kill a process, and wait until it is dead."""
    with suppress(ProcessLookupError):  # it was faster
        os.kill(pid, signal.SIGKILL)
    assert ended(pid)


def eventually(fact: Callable[[], bool]) -> bool:
    """Tell whether a fact comes to hold, looking until it does."""
    deadline = monotonic() + LIMIT
    while not fact():
        if monotonic() > deadline:
            return False
        os.sched_yield()
    return True


def marked(name: str, value: str) -> list[int]:
    """Give the living processes that were started with this variable in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{name}={value}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def rows(engine: Any) -> dict[str, int]:
    """Count what a process of the embedded engine still keeps of references, tasks and actors."""
    peers = engine.peers.values()
    counts = {
        "tasks": len(engine._tasks._tasks),
        "promises": len(engine._promises),
        "lent": len(engine.parcels._lent),
        "lending": sum(len(peer.lending) for peer in peers),
        "borrowed": sum(len(peer.borrowed) for peer in peers),
        "streams": len(engine.streams._open),
        "actors": len(engine._actors._actors),
    }
    return {name: count for name, count in counts.items() if count}


def segments(pid: int | str = "self") -> int:
    """Count the descriptors and mappings of shared memory that a process has; one that has ended has none."""
    found = 0
    with suppress(OSError):  # it has just ended
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed while we looked, or the one that we look through
                found += "memfd:alula" in os.readlink(descriptor)
        return found + Path(f"/proc/{pid}/maps").read_text().count("memfd:alula")
    return 0


def family(pid: int) -> set[int]:
    """Find a process and all that descend from it."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has just ended
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def memory(pids: Iterable[int]) -> dict[int, int]:
    """Give the bytes of pages of each memory file with values that any of the processes has open."""
    found = {}
    for pid in pids:
        with suppress(OSError):  # it has just ended
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):  # closed while we looked
                    if "memfd:alula" in os.readlink(descriptor):
                        facts = os.stat(descriptor)
                        found[facts.st_ino] = facts.st_blocks * 512
    return found


def note(path: Path, line: object = "ran") -> int:
    """In a task: leave a line in a file; gives how many there are now."""
    pipe = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(pipe, f"{line}\n".encode())
    finally:
        os.close(pipe)
    return len(lines(path))


def lines(path: Path) -> list[str]:
    """All lines that were left, the oldest first."""
    return path.read_text().splitlines() if path.exists() else []


@contextmanager
def program(
    code: str, *args: object, environment: Mapping[str, str] | None = None, **options: object
) -> Iterator[Program]:
    """Run `code` as a program of its own; it is gone when the block ends."""
    command = [sys.executable, "-c", code, *map(str, args)]
    variables = {
        **(os.environ if environment is None else environment),
        "PYTHONPATH": TREE,
    }
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        command,
        text=True,
        env=variables,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        **options,  # type: ignore[call-overload]  # as given
    )
    with child:
        try:
            yield child
        finally:
            child.kill()

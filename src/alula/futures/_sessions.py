"""The sessions that run on this machine for this user, as seen from another program.

Each node process answers at a socket in the folder of the user's sockets. What it does not know, the
processor time and memory of each process, is read from the system, where that tells it (Linux).
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .._core._runtime import runtime_folder

__all__ = ["SessionFacts", "sessions"]

_TIMEOUT: Final = 3.0  # s; a node answers within one
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What a session does at a moment.

    Attributes
    ----------
    pid
        The driver, by which people name the session.
    program
        What the driver runs.
    facts
        In plain values, fit for JSON: ``now`` on the monotonic clock in s, ``total`` and ``free`` by
        resource, ``shared_memory`` in bytes, of which ``objects`` are values and room that is kept for more,
        and ``processes``: for each its ``pid``, ``kind`` (``"driver"``, ``"worker"``, ``"actor"``), what it
        has ``running`` ``since`` when, how many run ``at_once`` and wait ``behind``, its ``objects`` and
        those ``on_disk`` in bytes, and so on.
    """

    pid: int
    program: str
    facts: dict[str, Any]


def sessions(*, within: float = _TIMEOUT) -> list[SessionFacts]:
    """Look at every session of this user on this machine, the oldest first.

    Parameters
    ----------
    within
        Seconds in which each has to answer; one that does not is left out.
    """
    found: list[SessionFacts] = []
    with suppress(OSError):  # nobody has ever started one
        sockets = sorted((runtime_folder() / "sessions").iterdir(), key=_age)
        for path in sockets:
            pid = int(path.name.partition("-")[0])
            if (facts := _ask(path, within)) is not None:
                _add_what_the_system_knows(facts)
                found.append(SessionFacts(pid, _program(pid), facts))
    return found


def _age(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _ask(path: Path, within: float = _TIMEOUT) -> dict[str, Any] | None:
    import json  # here, for most programs look at no session

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(within)
            sock.connect(str(path))
            with sock.makefile("rb") as file:
                answer: dict[str, Any] = json.load(file)
                return answer
    except ConnectionRefusedError:  # it was killed, and left its socket
        with suppress(OSError):
            path.unlink()
    except (OSError, ValueError):  # it ends at this moment
        pass
    return None


def _add_what_the_system_knows(facts: dict[str, Any]) -> None:
    memory: dict[int, int] = {}
    for process in facts["processes"]:
        process |= _usage(process["pid"])
        memory.update(_shared(process["pid"]))
    facts["shared_memory"] = sum(memory.values())


def _usage(pid: int) -> dict[str, float]:
    """Give processor time and age in s, and resident memory in bytes; empty where that is not known."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return {
            "cpu_time": (int(fields[11]) + int(fields[12])) / _TICKS,
            "age": uptime - int(fields[19]) / _TICKS,
            "memory": int(fields[21]) * _PAGE,
        }
    return {}


def _shared(pid: int) -> Iterator[tuple[int, int]]:
    """Give the memory files that a process has open: number and bytes in use. One may be open in many."""
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.readlink(entry.path).startswith("/memfd:alula"):
                    status = os.stat(entry.path)
                    yield status.st_ino, status.st_blocks * 512


def _program(pid: int) -> str:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return " ".join(words).strip()
    return ""

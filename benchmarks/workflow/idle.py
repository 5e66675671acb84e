"""How much of a core `alula up` uses while nothing happens: all of its processes together.

    python benchmarks/workflow/idle.py                      20 s of `alula up`
    python benchmarks/workflow/idle.py --seconds 60 worker  of `alula worker`

Read from `/proc`, so Linux only. What the first second costs, in which it starts, does not count.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET = 0.01  # of a core
SETTLED = 3.0  # seconds after which nothing of the start is left to do


def family(pid: int) -> set[int]:
    """Find a process and all that descend from it."""
    parents = {
        int(folder.name): int(_stat(folder)[1]) for folder in Path("/proc").iterdir() if folder.name.isdigit()
    }
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def used(pids: set[int]) -> float:
    """Give the processor time that processes have used, in s."""
    ticks = sum(int(stat[11]) + int(stat[12]) for pid in pids if (stat := _stat(Path(f"/proc/{pid}"))))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(folder: Path) -> list[str]:
    """Give the fields of a process after its name: state, parent, ...; of one that has ended, zeros."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 50


def main() -> None:
    """Start the program, wait, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("program", nargs="?", choices=["up", "worker"], default="up")
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    port = ["--port", "0"] if given.program == "up" else []
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "alula", given.program, "--home", home, "--num-cpus", "2", *port]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            print(child.stdout.readline(), end="")
            time.sleep(SETTLED)
            pids = family(child.pid)
            before = used(pids)
            time.sleep(given.seconds)
            share = (used(pids) - before) / given.seconds
            child.send_signal(signal.SIGTERM)
            print(child.stdout.read(), end="")
    verdict = "reached" if share <= TARGET else f"missed by {share / TARGET:.1f}x"
    print(f"idle: {100 * share:.2f} % of a core, {len(pids)} processes; target {100 * TARGET:g} %: {verdict}")


if __name__ == "__main__":
    main()

"""How much of a core `alula up` uses while nothing happens: all of its processes together.

    python benchmarks/workflow/idle.py                      20 s of `alula up`, and again with 1,000 asleep
    python benchmarks/workflow/idle.py --seconds 60 worker  of `alula worker`

Read from `/proc`, so Linux only. What the first seconds cost, in which it starts, does not count. The last
line says the shares of a core as JSON.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from alula import workflow
from alula._core._settings import Settings
from alula.graph import Graph
from alula.workflow import Executor

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


def fill(home: str, count: int) -> None:
    """Leave workflows asleep, to be gone on with."""
    with redirect_stderr(StringIO()), Executor.open(Settings.load(home=Path(home))) as executor:
        for _ in range(count):
            executor.submit(Graph.of(workflow.sleep(86_400)))


def share(program: str, asleep: int, seconds: float) -> float:
    """Start the program, wait, and give what it uses of a core."""
    port = ["--port", "0", "--port-web", "0"] if program == "up" else []
    with tempfile.TemporaryDirectory() as home:
        fill(home, asleep)
        command = [sys.executable, "-m", "alula", program, "--home", home, "--num-cpus", "2", *port]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            assert child.stdout is not None
            print(child.stdout.readline(), end="")
            time.sleep(SETTLED)
            pids = family(child.pid)
            before = used(pids)
            time.sleep(seconds)
            found = (used(pids) - before) / seconds
            child.send_signal(signal.SIGTERM)
            print(child.stdout.read(), end="")
    verdict = "reached" if found <= TARGET else f"missed by {found / TARGET:.1f}x"
    print(
        f"{asleep} asleep: {100 * found:.2f} % of a core, {len(pids)} processes; "
        f"target {100 * TARGET:g} %: {verdict}"
    )
    return found


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("program", nargs="?", choices=["up", "worker"], default="up")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--asleep", type=int, default=1000)
    given = parser.parse_args()
    found = {
        "idle": share(given.program, 0, given.seconds),
        "idle asleep": share(given.program, given.asleep, given.seconds),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()

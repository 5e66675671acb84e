"""One case on Alula: prints its figures as JSON, in seconds; those of processors from `/proc`."""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import alula
from alula import workflow

LINKS, LOOSE = 5_000, 50_000


@alula.remote
def step(x: int) -> int:
    return x + 1


@alula.remote
def total(*xs: int) -> int:
    return sum(xs)


@alula.remote
def down(n: int) -> Any:
    return n if n == 0 else workflow.continuation(down.bind(n - 1))


@alula.remote
def inplace(n: int, checkpoint: bool) -> Any:
    if not n:
        return 0
    options = workflow.options(allow_inplace=True, checkpoint=checkpoint)
    return workflow.continuation(inplace.options(**options).bind(n - 1, checkpoint))


@alula.remote
def megabytes(n: int) -> bytes:
    return os.urandom(1 << 20) * n


def chain(n: int) -> Any:
    node = step.bind(0)
    for _ in range(n - 1):
        node = step.bind(node)
    return node


def timed(work: Callable[[], object], per: int = 1) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / per


def used() -> float:
    """Give the seconds of processor time that this process and all that descend from it have used."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has just ended
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    total = 0
    for pid in found:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                total += int(thread.read_text().split()[0])
    return total / 1e9


def costed(name: str, work: Callable[[], object], per: int = 1, times: int = 3) -> dict[str, float]:
    """Give the median time of some work, and the processor time of all processes, for one of its units."""
    before = used()
    taken = sorted(timed(work, per) for _ in range(times))
    return {name: taken[times // 2], f"{name} cpu": (used() - before) / times / per}


def large() -> dict[str, float]:
    unrecorded = megabytes.options(**workflow.options(checkpoint=False))
    figures = costed("large", lambda: workflow.run(megabytes.bind(10)), times=7)
    figures |= costed("unrecorded", lambda: workflow.run(unrecorded.bind(10)), times=7)
    return {**figures, "written": figures["large"] - figures["unrecorded"]}


def many() -> dict[str, float]:
    def run(count: int) -> None:
        alula.get([workflow.run_async(chain(10)) for _ in range(count)])

    run(20)
    figures: dict[str, float] = {}
    for count in (100, 300, 1000):
        figures |= costed(f"many {count}", partial(run, count), 10 * count, times=1)
    return figures


WORK: dict[str, Callable[[], dict[str, float]]] = {
    "chain": lambda: costed("chain", lambda: workflow.run(chain(200)), 200),
    "fan": lambda: costed(
        "fan", lambda: workflow.run(total.bind(*[step.bind(i) for i in range(1000)])), 1000
    ),
    "continuation": lambda: costed("continuation", lambda: workflow.run(down.bind(200)), 200),
    "inplace": lambda: costed("inplace", lambda: workflow.run(inplace.bind(LINKS, True)), LINKS, times=1),
    "loose": lambda: costed("loose", lambda: workflow.run(inplace.bind(LOOSE, False)), LOOSE, times=1),
    "large": large,
    "many": many,
}


def main() -> None:
    alula.init(num_cpus=2)
    workflow.run(chain(20))
    workflow.run(inplace.bind(5, True))
    print(json.dumps(WORK[sys.argv[1]]()))


if __name__ == "__main__":
    main()

"""Workflows asleep in one process that is killed: when they wake in the next, and what they cost.

    python benchmarks/workflow/asleep.py                    10,000 that sleep, 2,000 that wait for a signal
    python benchmarks/workflow/asleep.py --count 1000

One process submits them, and is killed with SIGKILL when all are asleep. The next opens the same store and
goes on with them, as `alula up` does. They wake one after the other, or all at one moment. How late one is
says its row: when it had ended, less when its sleep was to end. Prints figures as JSON: s, and bytes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from alula import workflow
from alula._core._settings import Settings
from alula.graph import Graph
from alula.workflow import Executor
from alula.workflow._tables import TASKS, WORKFLOWS
from alula.workflow._vault import Stored

SPREAD = 20.0  # s over which they wake
ADVANCE = 2.0  # times that submitting takes, after which the first of them wakes
START = 8.0  # s, and what the processes need to start
FIRST = 200  # workflows that tell how long submitting takes
LIMIT = 500.0  # s that any of this may take


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def opened(home: str, *, recover: bool = False) -> Executor:
    return Executor.open(Settings.load(home=Path(home)), recover=recover)


def ended(executor: Executor, kind: str) -> int:
    """Count the tasks of a kind that have ended."""
    asked = select(func.count()).where(TASKS.c.kind == kind, TASKS.c.digest.is_not(None))
    with executor._store.reading() as connection:
        return int(connection.scalar(asked) or 0)


def await_(what: Any, count: int) -> None:
    """Return when something that is asked for has reached a number."""
    until = time.time() + LIMIT
    while what() < count:
        if time.time() > until:
            raise TimeoutError(f"{what()} of {count} after {LIMIT:g} s")
        time.sleep(0.05)


def fall_asleep(home: str, count: int, spread: float) -> None:
    """Submit sleepers, and stay."""
    executor, began = opened(home), 0.0
    for i in range(2 * FIRST):
        if i == FIRST:
            began = time.time()
        executor.submit(Graph.of(workflow.sleep(10**6)), id=f"first {i}")
    rate = (time.time() - began) / FIRST
    for i in range(2 * FIRST):
        executor.cancel(f"first {i}")
    before, began, processor = memory(), time.time(), time.process_time()
    first = began + START + ADVANCE * rate * count
    for i in range(count):
        until = first + spread * i / count
        executor.submit(Graph.of(workflow.sleep(max(0.0, until - time.time()))), id=f"sleeper {i}")
    took = (time.time() - began) / count
    await_(lambda: ended(executor, "due") - 2 * FIRST, count)
    processor = (time.process_time() - processor) / count
    facts = {"submit": took, "submit cpu": processor, "bytes": (memory() - before) / count, "first": first}
    print(json.dumps(facts), flush=True)
    time.sleep(LIMIT)


def wake(home: str, count: int) -> None:
    """Go on with sleepers, and end when all have woken."""
    began, processor, before = time.time(), time.process_time(), memory()
    with opened(home, recover=True) as executor:
        took, processor = time.time() - began, time.process_time() - processor
        facts = {"restart": took, "restart cpu": processor, "restart bytes": (memory() - before) / count}
        facts["asleep again"] = time.time()
        await_(lambda: ended(executor, "sleep"), count)
    print(json.dumps(facts), flush=True)


def lateness(home: str) -> list[float]:
    """Give how late each sleeper was, the latest last."""
    with opened(home) as executor, executor._store.reading() as connection:
        asked = select(WORKFLOWS.c.ended, TASKS.c.digest, TASKS.c.value).where(
            WORKFLOWS.c.number == TASKS.c.workflow,
            TASKS.c.kind == "due",
            WORKFLOWS.c.status == "SUCCESSFUL",
        )
        rows = connection.execute(asked).all()
        return sorted(row.ended - executor.vault.unseal(Stored(row.digest, row.value)) for row in rows)


def wait_for_signals(home: str, count: int) -> None:
    """Submit workflows that wait for a signal, and stay."""
    executor = opened(home)
    for i in range(count):
        executor.submit(Graph.of(workflow.wait_for_signal("go")), id=f"waiter {i}")
    print("{}", flush=True)
    time.sleep(LIMIT)


def signal(home: str, count: int) -> None:
    """Go on with those that wait, and send each its signal."""
    with opened(home, recover=True) as executor:
        began, processor = time.time(), time.process_time()
        for i in range(count):
            executor.signal(f"waiter {i}", "go", i)
        await_(lambda: ended(executor, "signal"), count)
        took, processor = (time.time() - began) / count, (time.process_time() - processor) / count
        print(json.dumps({"signal": took, "signal cpu": processor}), flush=True)


def apart(*stage: object, kill: bool = False) -> dict[str, float]:
    """Run a stage in a process of its own; to kill it when it has told its figures."""
    command = [sys.executable, __file__, "--stage", *map(str, stage)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        if kill:
            child.kill()
    if not line:
        raise RuntimeError(f"{stage} ended with status {child.returncode}")
    figures: dict[str, float] = json.loads(line)
    return figures


def slept(count: int, spread: float) -> dict[str, float]:
    """Let sleepers fall asleep, die, and wake."""
    with tempfile.TemporaryDirectory() as home:
        figures = apart("fall", home, count, spread, kill=True) | apart("wake", home, count)
        late = lateness(home)
    assert len(late) == count, f"{len(late)} of {count} have woken"
    if figures.pop("asleep again") > figures.pop("first"):
        raise RuntimeError("the first was to wake before all were asleep again: this machine is too busy")
    return {**figures, "p50": late[count // 2], "p99": late[int(count * 0.99)], "last": late[-1]}


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--stage", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        name, home, count, *spread = given.stage
        stages = {"wake": wake, "wait": wait_for_signals, "signal": signal}
        if name == "fall":
            fall_asleep(home, int(count), float(spread[0]))
        else:
            stages[name](home, int(count))
        return
    figures = {f"asleep {name}": value for name, value in slept(given.count, SPREAD).items()}
    once = slept(given.count, 0.0)
    figures |= {f"asleep once {name}": once[name] for name in ("p50", "p99", "last")}
    waiters = given.count // 5
    with tempfile.TemporaryDirectory() as home:
        apart("wait", home, waiters, kill=True)
        told = apart("signal", home, waiters)
    print(json.dumps(figures | {f"asleep {name}": value for name, value in told.items()}))


if __name__ == "__main__":
    main()

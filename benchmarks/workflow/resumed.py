"""Resuming a workflow with many recorded tasks: how long until the first new task starts.

    python benchmarks/workflow/resumed.py --counts 1000,10000,50000

``chain``: each task reads the one before, and the last is to run again. ``wide``: it reads them all. The
time begins with the call of `resume`, in a process whose engine runs. Prints figures as JSON, in seconds.
"""

import argparse
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError


@alula.remote
def step(x: int) -> int:
    return x + 1


@alula.remote
def fail_once(flag: str, *xs: int) -> float:
    """Fail the first time; then tell when it began."""
    began = time.time()
    if not Path(flag).exists():
        Path(flag).touch()
        raise RuntimeError("the first time")
    return began


def chain(flag: str, count: int) -> Any:
    node = step.bind(0)
    for _ in range(count - 1):
        node = step.bind(node)
    return fail_once.bind(flag, node)


def wide(flag: str, count: int) -> Any:
    return fail_once.bind(flag, *[step.bind(i) for i in range(count)])


SHAPES = {"chain": chain, "wide": wide}


def resumed(shape: str, count: int) -> dict[str, float]:
    """Run all but the last task, begin anew, and resume."""
    name = f"{shape} {count}"
    with tempfile.TemporaryDirectory() as folder:
        with suppress(WorkflowExecutionError):
            workflow.run(SHAPES[shape](str(Path(folder, "flag")), count), workflow_id=name)
        workflow.reset_default_executor()
        workflow.default_executor()
        began, processor = time.time(), time.process_time()
        started: float = workflow.resume(name)
    return {f"resume {name}": started - began, f"resume {name} cpu": time.process_time() - processor}


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--counts", default="1000,10000")
    parser.add_argument("--shapes", default=",".join(SHAPES))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("ALULA_HOME", home)
        alula.init(num_cpus=2)
        found: dict[str, float] = {}
        for count in map(int, given.counts.split(",")):
            for shape in given.shapes.split(","):
                found |= resumed(shape, count)
        workflow.reset_default_executor()
        alula.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main()

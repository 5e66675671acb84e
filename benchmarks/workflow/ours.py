"""One case on Alula: prints its figures as JSON, in seconds."""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError

LINKS, LOOSE, RECORDED = 5_000, 50_000, 10_000


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


@alula.remote
def fail_once(flag: str, *xs: int) -> float:
    if not Path(flag).exists():
        Path(flag).touch()
        raise RuntimeError("the first time")
    return time.time()


def chain(n: int) -> Any:
    node = step.bind(0)
    for _ in range(n - 1):
        node = step.bind(node)
    return node


def timed(work: Callable[[], object], per: int = 1) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / per


def resumed() -> float:
    """Seconds from resume to the start of the one task that is left of 10,001."""
    flag = str(Path(os.environ["BENCH_HOME"]) / "flag")
    node = fail_once.bind(flag, *[step.bind(i) for i in range(RECORDED)])
    with suppress(WorkflowExecutionError):
        workflow.run(node, workflow_id="long")
    workflow.reset_default_executor()
    began = time.time()
    started: float = workflow.resume("long")
    return started - began


def many() -> None:
    refs = [workflow.run_async(chain(10)) for _ in range(200)]
    alula.get(refs)


WORK: dict[str, Callable[[], float]] = {
    "chain": lambda: timed(lambda: workflow.run(chain(200)), 200),
    "fan": lambda: timed(lambda: workflow.run(total.bind(*[step.bind(i) for i in range(1000)])), 1000),
    "continuation": lambda: timed(lambda: workflow.run(down.bind(200)), 200),
    "inplace": lambda: timed(lambda: workflow.run(inplace.bind(LINKS, True)), LINKS),
    "loose": lambda: timed(lambda: workflow.run(inplace.bind(LOOSE, False)), LOOSE),
    "large": lambda: timed(lambda: workflow.run(megabytes.bind(10))),
    "unrecorded": lambda: timed(
        lambda: workflow.run(megabytes.options(**workflow.options(checkpoint=False)).bind(10))
    ),
    "many": lambda: timed(many, 2000),
    "resume": resumed,
}


def main() -> None:
    case = sys.argv[1]
    alula.init(num_cpus=2)
    workflow.run(chain(20))
    workflow.run(inplace.bind(5, True))
    times = [WORK[case]() for _ in range(1 if case in ("resume", "loose", "many") else 3)]
    print(json.dumps({case: sorted(times)[len(times) // 2]}))


if __name__ == "__main__":
    main()

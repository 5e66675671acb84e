"""One case on Prefect 3 with its own server and results kept: prints its figures as JSON, in seconds."""

import json
import os
import sys
import time
from collections.abc import Callable

CASE = sys.argv[1]
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # this file has the library's name
os.environ.update(
    PREFECT_HOME=os.environ["BENCH_HOME"],
    PREFECT_LOGGING_LEVEL="ERROR",
    PREFECT_RESULTS_PERSIST_BY_DEFAULT="true",
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120",
)

from prefect import flow, task  # noqa: E402  # it reads the variables when it is imported


@task
def step(x: int) -> int:
    return x + 1


@flow
def chain(n: int) -> int:
    x = 0
    for _ in range(n):
        x = step(x)
    return x


@flow
def fan(n: int) -> int:
    return sum(future.result() for future in step.map(range(n)))


def timed(work: Callable[[], object], per: int = 1) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / per


WORK: dict[str, Callable[[], float]] = {
    "chain": lambda: timed(lambda: chain(200), 200),
    "fan": lambda: timed(lambda: fan(1000), 1000),
}


def main() -> None:
    chain(2)
    print("\n" + json.dumps({CASE: WORK[CASE]()} if CASE in WORK else {}), flush=True)


if __name__ == "__main__":
    main()

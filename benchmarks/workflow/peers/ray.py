"""One case on Ray Workflows (ray 2.47) with files on this disk: prints its figures as JSON, in seconds."""

import json
import os
import sys
import time
from collections.abc import Callable

sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # this file has the library's name
import ray  # as said
from ray import workflow

CASE = sys.argv[1]


@ray.remote
def step(x):
    return x + 1


@ray.remote
def total(*xs):
    return sum(xs)


@ray.remote
def down(n):
    return n if n == 0 else workflow.continuation(down.bind(n - 1))


@ray.remote
def megabytes(n):
    return os.urandom(1 << 20) * n


def chain(n):
    node = step.bind(0)
    for _ in range(n - 1):
        node = step.bind(node)
    return node


def timed(work: Callable[[], object], per: int = 1) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / per


def many(count: int) -> None:
    ray.get([workflow.run_async(chain(10)) for _ in range(count)])


def large(**options) -> float:
    return timed(lambda: workflow.run(megabytes.options(**workflow.options(**options)).bind(10)))


WORK: dict[str, Callable[[], dict[str, float]]] = {
    "chain": lambda: {"chain": timed(lambda: workflow.run(chain(200)), 200)},
    "fan": lambda: {
        "fan": timed(lambda: workflow.run(total.bind(*[step.bind(i) for i in range(1000)])), 1000)
    },
    "continuation": lambda: {"continuation": timed(lambda: workflow.run(down.bind(200)), 200)},
    "large": lambda: {"large": large(), "unrecorded": large(checkpoint=False)},
    "many": lambda: {"many 100": timed(lambda: many(100), 1000)},  # of 300 it takes a minute
}


def main() -> None:
    storage = f"file://{os.environ['BENCH_HOME']}/ray"
    ray.init("local", num_cpus=2, storage=storage, include_dashboard=False)
    workflow.init()
    workflow.run(chain(3))
    figures = WORK[CASE]() if CASE in WORK else {}
    ray.shutdown()
    print("\n" + json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()

"""Calls of actors, one at a time and many on their way at once, and the items of a generator."""

from typing import Any

from .bodies import AsyncCounter, Counter, numbers
from .measure import Bench, Figures, Skipped, costed, family, repeated, spread, used

__all__ = ["actor", "asynchronous", "generator", "pipelined"]


def _pipelined(bench: Bench, handle: Any, name: str) -> Figures:
    get, count = bench.api.get, bench.size.pipelined
    return costed(name, lambda: get([handle.add.remote() for _ in range(count)]), count, bench.size)


def actor(bench: Bench) -> Figures:
    """Call one method, and wait for its value."""
    handle, get, calls = bench.api.remote(Counter).remote(), bench.api.get, bench.size.calls
    repeated(lambda: get(handle.add.remote()), bench.size, calls // 10)
    pids = family()
    before = used(pids)
    seconds = repeated(lambda: get(handle.add.remote()), bench.size, calls)
    return {**spread("actor", seconds), "actor cpu": (used(pids) - before) / calls}


def pipelined(bench: Bench) -> Figures:
    """Make many calls of one method, then gather them."""
    return _pipelined(bench, bench.api.remote(Counter).remote(), "pipelined")


def asynchronous(bench: Bench) -> Figures:
    """Do both with a method that is a coroutine."""
    handle, get, calls = bench.api.remote(AsyncCounter).remote(), bench.api.get, bench.size.calls
    get(handle.add.remote())
    figures = spread("async", repeated(lambda: get(handle.add.remote()), bench.size, calls))
    return {**figures, **_pipelined(bench, handle, "async pipelined")}


def generator(bench: Bench) -> Figures:
    """Take the items of a generator task one after the other."""
    task, get, count = bench.api.remote(numbers), bench.api.get, bench.size.items
    if not hasattr(task.remote(1), "__next__"):
        raise Skipped("this engine's generator tasks do not stream yet")

    def run() -> None:
        assert [get(ref) for ref in task.remote(count)] == list(range(count))

    return costed("generator", run, count, bench.size)

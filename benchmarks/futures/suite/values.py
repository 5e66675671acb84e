"""Values that are large: kept, read in place, sent to tasks and back, lent on."""

from functools import partial
from statistics import median
from typing import Any, Final

import numpy as np

from .arrays import add, filled, first, opened
from .bodies import nothing, same
from .measure import Bench, Figures, repeated, timed

__all__ = ["SIZES", "array", "borrowing", "put", "reading", "sizes", "tree"]

SIZES: Final = {"1 KiB": 1 << 10, "100 KiB": 100 << 10, "1 MiB": 1 << 20, "100 MiB": 100 << 20}


def put(bench: Bench) -> Figures:
    """Keep a large array: in fresh memory each time, and in memory that was used and freed before."""
    api, value = bench.api, np.ones(bench.size.large // 8)
    api.put(np.ones(1))
    kept = [api.put(value)]  # the first one also starts whatever is started late
    cold = [timed(lambda: kept.append(api.put(value))) for _ in range(3)]
    kept.clear()
    return {"put warm": median(repeated(lambda: api.put(value), bench.size)), "put cold": median(cold)}


def reading(bench: Bench) -> Figures:
    """Get one large value inside each of several tasks."""
    api, size = bench.api, bench.size
    ref = api.put(np.ones(size.large // 8))

    def body(refs: list[Any]) -> tuple[float, bool]:
        return opened(refs, api.get)

    task = api.remote(body)
    found = [api.get([task.remote([ref]) for _ in range(size.readers)]) for _ in range(size.samples)]
    gets = [get for batch in found[1:] for get in batch]  # the first batch imports numpy
    copies = sum(not in_place for _, in_place in gets) / len(gets)
    return {"reading": median(seconds for seconds, _ in gets), "reading copies": copies}


def array(bench: Bench) -> Figures:
    """Send an array to a task, which gives it back."""
    task, get, value = bench.api.remote(same), bench.api.get, np.ones(bench.size.array // 8)
    return {"array": median(repeated(lambda: get(task.remote(value)), bench.size))}


def tree(bench: Bench) -> Figures:
    """Add up arrays that tasks have made, two at a time, by reference."""
    api, size = bench.api, bench.size
    leaf, plus, look = api.remote(filled), api.remote(add), api.remote(first)

    def run() -> None:
        layer = [leaf.remote(1, size.leaf) for _ in range(size.leaves)]
        while len(layer) > 1:
            layer = [plus.remote(*layer[i : i + 2]) for i in range(0, len(layer), 2)]
        assert api.get(look.remote(layer[0])) == size.leaves

    return {"tree": median(repeated(run, bench.size, min(3, size.samples)))}


def sizes(bench: Bench) -> Figures:
    """Keep values of several sizes and get them back."""
    api, most = bench.api, bench.size.large
    figures = {}
    for name, count in SIZES.items():
        run = partial(_back, api, np.zeros(min(count, most), np.uint8))
        figures[f"put and get of {name}"] = median(repeated(run, bench.size))
    return figures


def _back(api: Any, value: Any) -> None:
    api.get(api.put(value))


def borrowing(bench: Bench) -> Figures:
    """Submit tasks that take one value of a mebibyte: from its owner, and from those who were lent it."""
    api, count = bench.api, bench.size.borrowed
    ref, small = api.put(np.zeros(1 << 20, np.uint8)), api.remote(nothing)

    class Borrower:
        def run(self, refs: list[Any], count: int) -> None:
            api.get([small.remote(refs[0]) for _ in range(count)])

    borrowers = [api.remote(num_cpus=0)(Borrower).remote() for _ in range(2)]

    def through(n: int) -> float:

        def run() -> None:
            api.get([each.run.remote([ref], count // n) for each in borrowers[:n]])

        return timed(run) / count

    api.get([each.run.remote([ref], 1) for each in borrowers])
    owner = timed(lambda: api.get([small.remote(ref) for _ in range(count)])) / count
    return {"borrowing 0": owner, "borrowing 1": through(1), "borrowing 2": through(2)}

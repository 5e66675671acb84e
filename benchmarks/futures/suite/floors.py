"""What any engine would have to pay: moving the bytes, waking the other process, and nothing else."""

import mmap
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from typing import Final, TypeAlias

import numpy as np

from .arrays import add
from .bodies import nothing
from .engines import CORES
from .measure import Figures, Size, repeated, spread
from .tasks import durations
from .values import SIZES

__all__ = [
    "Floor",
    "array",
    "bare",
    "copies",
    "hops",
    "ideal",
    "mapping",
    "pickling",
    "round_trips",
    "sizes",
    "tree",
]

Floor: TypeAlias = Callable[[Size], dict[str, Figures]]
"""Measures floors: each by its name, with the figures of the case that it stands under."""

ONE: Final = "floor, one core"
TWO: Final = "floor, two cores"


def pickling(row: str) -> Floor:
    """Pickle each call and unpickle it; and, for comparison, only call it."""

    def measure(size: Size) -> dict[str, Figures]:
        def pickles() -> None:
            for _ in range(size.batch):
                pickle.loads(pickle.dumps((b"0123456789abcdef", (), {}), 5))

        def loop() -> None:
            for _ in range(size.batch):
                nothing()

        each = [median(repeated(run, size)) / size.batch for run in (pickles, loop)]
        return {"floor, pickling": {row: each[0]}, "a plain loop": {row: each[1]}}

    return measure


def round_trips(row: str) -> Floor:
    """Send a hundred bytes to another Python process and back, both on one core and each on its own."""

    def measure(size: Size) -> dict[str, Figures]:
        return {where: spread(row, _round_trips(size, where)) for where in (TWO, ONE)}

    return measure


def hops(row: str) -> Floor:
    """Let each step cost a round trip."""

    def measure(size: Size) -> dict[str, Figures]:
        return {where: {row: median(_round_trips(size, where))} for where in (TWO, ONE)}

    return measure


def _round_trips(size: Size, where: str) -> list[float]:
    cores = sorted(os.sched_getaffinity(0))
    other = cores[-1] if where == TWO else cores[0]
    ours, theirs = socket.socketpair()
    child = multiprocessing.get_context("fork").Process(target=_echo, args=(ours, theirs, other))
    child.start()
    theirs.close()
    os.sched_setaffinity(0, {cores[0]})

    def call() -> None:
        ours.send(b"." * 100)
        ours.recv(200)

    try:
        return repeated(call, size, size.calls)
    finally:
        os.sched_setaffinity(0, cores)
        ours.close()
        child.join()


def _echo(ours: socket.socket, theirs: socket.socket, core: int) -> None:
    os.sched_setaffinity(0, {core})
    ours.close()
    while data := theirs.recv(200):
        theirs.send(data)


def _copy(count: int, size: Size) -> tuple[float, float]:
    """Copy bytes to where there were some before, and to fresh memory."""
    source, target = np.ones(count, np.uint8), np.ones(count, np.uint8)
    warm = median(repeated(lambda: np.copyto(target, source), size))

    kept: list[mmap.mmap] = []  # memory that is given back is no longer fresh when it comes again

    def fresh() -> None:
        kept.append(mmap.mmap(-1, count))
        kept[-1].write(source)  # type: ignore[arg-type]  # an array is a buffer as well

    return warm, median(repeated(fresh, size, 3))


def copies(size: Size) -> dict[str, Figures]:
    """Copy the large value once, warm and cold."""
    warm, cold = _copy(size.large, size)
    return {"floor, memcpy": {"put warm": warm, "put cold": cold}}


def array(size: Size) -> dict[str, Figures]:
    """Copy the array twice, warm and cold."""
    warm, cold = _copy(size.array, size)
    return {"floor, two copies": {"array": 2 * warm}, "the same, cold": {"array": 2 * cold}}


def sizes(size: Size) -> dict[str, Figures]:
    """Copy a value of each size once, warm."""
    return {
        "floor, memcpy": {
            f"put and get of {name}": _copy(min(count, size.large), size)[0] for name, count in SIZES.items()
        }
    }


def mapping(size: Size) -> dict[str, Figures]:
    """Map as much memory as the large value takes, and look at its first page."""

    def run() -> None:
        with mmap.mmap(-1, size.large) as memory:
            memory[0]

    return {"floor, mapping": {"reading": median(repeated(run, size))}}


def tree(size: Size) -> dict[str, Figures]:
    """Make the leaves and add them up in place, divided among the cores."""

    def run() -> None:
        total = np.zeros(size.leaf // 8)
        for _ in range(size.leaves):
            total = add(total, np.full(size.leaf // 8, 1.0))

    return {"floor, a plain loop": {"tree": median(repeated(run, size, min(3, size.samples))) / CORES}}


def ideal(size: Size) -> dict[str, Figures]:
    """Keep every worker at work until the end."""
    each = durations(size)
    return {"ideal": {"makespan": max(sum(each) / CORES, size.long)}}


def bare(row: str) -> Floor:
    """Start a bare Python and end it; for a worker, fork this process."""

    def fork() -> None:
        if not (pid := os.fork()):
            os._exit(0)
        os.waitpid(pid, 0)

    def python() -> None:
        subprocess.run([sys.executable, "-c", ""], check=True)

    def measure(size: Size) -> dict[str, Figures]:
        name, run = ("a fork", fork) if row == "worker" else ("a bare Python", python)
        return {f"floor, {name}": {row: median(repeated(run, size, min(3, size.samples)))}}

    return measure

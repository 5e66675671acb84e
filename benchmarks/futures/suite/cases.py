"""Every case: what runs, on which engines, over which floor, and what is to be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from . import actors, floors, processes, tasks, values
from .measure import Bench, Figures, Size

__all__ = ["CASES", "Case", "Row", "Target", "Unit"]

Unit: TypeAlias = Literal["rate", "time", "bytes", "share"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a case: its name, what it is, and how it is shown; a rate is kept as s for one."""

    key: str
    title: str
    unit: Unit = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound on a figure, or on the ratio of two; each is named by who and row."""

    text: str
    over: tuple[str, str]
    under: tuple[str, str] | None = None
    bound: float
    least: bool = False  # it is to be at least that, rather than at most
    unit: Unit | None = None  # of a figure; none of a ratio

    def reached(self, value: float) -> bool:
        """Tell whether a value is good enough."""
        return value >= self.bound if self.least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and how it is put.

    Attributes
    ----------
    run
        Measures it on an engine.
    peers
        Those that can do it; all others are left out without a word.
    floor
        Measures what stands under it.
    bare
        Whether it starts engines of its own.
    """

    title: str
    run: Callable[[Bench], Figures]
    rows: tuple[Row, ...]
    peers: tuple[str, ...] = ("ray",)
    floor: Callable[[Size], dict[str, Figures]] | None = None
    targets: tuple[Target, ...] = ()
    bare: bool = False


def _beats(peer: str, row: str, times: float) -> Target:
    text = f"{row}: at least {times:g} of {peer}"
    return Target(text=text, over=(peer, row), under=("ours", row), bound=times, least=True)


def _within(times: float, row: str, floor: str, of: str = "") -> Target:
    text = f"{row}: at most {times:g} of {floor.removeprefix('floor, ')}"
    return Target(text=text, over=("ours", row), under=(floor, of or row), bound=times)


def _under(limit: float, row: str, shown: str, unit: Unit = "time") -> Target:
    return Target(text=f"{row}: at most {shown}", over=("ours", row), bound=limit, unit=unit)


def _costed(row: str, title: str) -> tuple[Row, Row]:
    return Row(row, title, "rate"), Row(f"{row} cpu", "processor")


_FUTURES: Final = ("ray", "dask")  # engines whose futures travel
_EACH: Final = ("ray", "dask", "pool", "joblib")

CASES: Final[dict[str, Case]] = {
    "noop": Case(
        "10,000 no-op tasks submitted, then gathered",
        tasks.noop,
        _costed("noop", "tasks"),
        _EACH,
        floors.pickling("noop"),
        (
            _beats("ray", "noop", 50),
            _beats("dask", "noop", 8),
            _beats("pool", "noop", 8),
            _beats("joblib", "noop", 0.8),
        ),
    ),
    "sync": Case(
        "one task, and its value",
        tasks.sync,
        (Row("sync p50", "median"), Row("sync p99", "99 of 100"), Row("sync cpu", "processor")),
        _EACH,
        floors.round_trips("sync"),
        (
            _beats("ray", "sync p50", 20),
            _within(4, "sync p50", floors.TWO),
            _within(3, "sync p99", floors.TWO),
        ),
    ),
    "chain": Case(
        "a chain of 1,000 tasks by reference",
        tasks.chain,
        _costed("chain", "tasks"),
        _FUTURES,
        floors.hops("chain"),
        (_beats("ray", "chain", 30),),
    ),
    "fan": Case(
        "1,000 tasks, then one that takes them all",
        tasks.fan,
        _costed("fan", "tasks"),
        _FUTURES,
        floors.pickling("fan"),
        (_beats("ray", "fan", 30),),
    ),
    "nested": Case(
        "100 tasks that submit 100 each",
        tasks.nested,
        _costed("nested", "tasks"),
        floor=floors.pickling("nested"),
        targets=(_beats("ray", "nested", 20),),
    ),
    "multi": Case(
        "4 actors that submit 10,000 tasks each",
        tasks.multi,
        _costed("multi", "tasks"),
        floor=floors.pickling("multi"),
        targets=(_beats("ray", "multi", 20),),
    ),
    "actor": Case(
        "one call of an actor, and its value",
        actors.actor,
        (Row("actor p50", "median"), Row("actor p99", "99 of 100"), Row("actor cpu", "processor")),
        _FUTURES,
        floors.round_trips("actor"),
        (_beats("ray", "actor p50", 10), _within(3, "actor p50", floors.TWO)),
    ),
    "pipelined": Case(
        "1,000 calls of an actor, then gathered",
        actors.pipelined,
        _costed("pipelined", "calls"),
        _FUTURES,
        floors.pickling("pipelined"),
        (_beats("ray", "pipelined", 20),),
    ),
    "async": Case(
        "an actor whose methods are coroutines",
        actors.asynchronous,
        (
            Row("async p50", "median"),
            Row("async p99", "99 of 100"),
            *_costed("async pipelined", "1,000 calls"),
        ),
        floor=floors.round_trips("async"),
        targets=(_beats("ray", "async p50", 10), _beats("ray", "async pipelined", 20)),
    ),
    "generator": Case(
        "items of a generator task",
        actors.generator,
        _costed("generator", "items"),
        floor=floors.pickling("generator"),
    ),
    "put": Case(
        "put of 100 MB",
        values.put,
        (Row("put warm", "warm"), Row("put cold", "cold")),
        floor=floors.copies,
        targets=(_within(1.3, "put warm", "floor, memcpy"), _within(1.2, "put cold", "floor, memcpy")),
    ),
    "reading": Case(
        "get of 100 MB inside each of 10 tasks",
        values.reading,
        (Row("reading", "each get"), Row("reading copies", "copied", "share")),
        floor=floors.mapping,
        targets=(_under(300e-6, "reading", "300 us"), _under(0, "reading copies", "0 %", "share")),
    ),
    "array": Case(
        "an array of 10 MB to a task and back",
        values.array,
        (Row("array", "there and back"),),
        _EACH,
        floors.array,
        (_within(2, "array", "floor, two copies"),),
    ),
    "tree": Case(
        "1,024 arrays of 1 MB, added up two by two",
        values.tree,
        (Row("tree", "the whole tree"),),
        _FUTURES,
        floors.tree,
        (_beats("ray", "tree", 3),),
    ),
    "sizes": Case(
        "put and get by size",
        values.sizes,
        tuple(Row(f"put and get of {name}", name) for name in values.SIZES),
        floor=floors.sizes,
    ),
    "borrowing": Case(
        "tasks that take one value of 1 MiB, submitted by",
        values.borrowing,
        (
            Row("borrowing 0", "its owner", "rate"),
            Row("borrowing 1", "one borrower", "rate"),
            Row("borrowing 2", "two borrowers", "rate"),
        ),
        floor=floors.pickling("borrowing 0"),
    ),
    "million": Case(
        "1,000,000 no-op tasks submitted, then gathered",
        tasks.million,
        (
            Row("million", "tasks", "rate"),
            Row("million batch", "in 10,000s", "rate"),
            Row("million pss", "all processes", "bytes"),
        ),
        (),
        floors.pickling("million"),
        (
            Target(
                text="million: at least 0.8 of the rate of 10,000",
                over=("ours", "million batch"),
                under=("ours", "million"),
                bound=0.8,
                least=True,
            ),
            _under(1e9, "million pss", "1 GB", "bytes"),
        ),
    ),
    "makespan": Case(
        "2,000 tasks of 1 ms, each hundredth of 1 s",
        tasks.makespan,
        (Row("makespan", "all of them"),),
        _EACH,
        floors.ideal,
        (_within(1.1, "makespan", "ideal"),),
    ),
    "deep": Case(
        "a chain of 10,000 tasks",
        tasks.deep,
        (Row("deep", "tasks", "rate"),),
        floor=floors.hops("deep"),
    ),
    "fib": Case("a tree of tasks that wait for tasks", tasks.fib, (Row("fib", "tasks", "rate"),)),
    "cold": Case(
        "start of a process to its first value",
        processes.cold,
        (Row("cold", "all of it"),),
        _EACH,
        floors.bare("cold"),
        (_under(0.3, "cold", "300 ms"),),
        bare=True,
    ),
    "init": Case(
        "init to the first value",
        processes.init,
        (Row("init", "all of it"),),
        _EACH,
        floors.bare("init"),
        (_under(0.15, "init", "150 ms"),),
    ),
    "worker": Case(
        "an actor in a new worker to its first value",
        processes.worker,
        (Row("worker", "all of it"),),
        floor=floors.bare("worker"),
        targets=(_under(0.03, "worker", "30 ms"),),
    ),
    "recovery": Case(
        "a worker is killed in the middle of a run: time added",
        processes.recovery,
        (Row("recovery small", "10,000 small"), Row("recovery large", "2,000 large")),
        targets=(_under(0.5, "recovery small", "500 ms"), _under(0.5, "recovery large", "500 ms")),
    ),
    "busy": Case(
        "1 s of tasks while their owner computes for 1 s: time left to wait",
        processes.busy,
        (Row("busy", "get"),),
        _EACH[:3],
    ),
    "memory": Case(
        "bytes in the owner",
        processes.memory,
        (Row("memory pending", "a pending task", "bytes"), Row("memory ref", "a reference", "bytes")),
        targets=(_under(700, "memory pending", "700 B", "bytes"),),
    ),
    "idle": Case(
        "an idle session",
        processes.idle,
        (Row("idle cpu", "of a core", "share"), Row("idle pss", "all processes", "bytes")),
        _EACH,
    ),
}

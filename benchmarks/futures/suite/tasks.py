"""Tasks that do nothing: how fast they are started, passed on, nested and gathered."""

from statistics import median
from typing import Any

from .bodies import counted, more, nothing, rest
from .measure import Bench, Figures, Size, costed, family, pss, repeated, spread, timed, used

__all__ = [
    "chain",
    "deep",
    "durations",
    "fan",
    "fib",
    "makespan",
    "million",
    "multi",
    "nested",
    "noop",
    "sync",
]


def noop(bench: Bench) -> Figures:
    """Submit a batch, then gather it."""
    task, get, count = bench.api.remote(nothing), bench.api.get, bench.size.batch
    get([task.remote() for _ in range(count // 10)])
    return costed("noop", lambda: get([task.remote() for _ in range(count)]), count, bench.size)


def sync(bench: Bench) -> Figures:
    """Ask for one task, and wait for its value."""
    task, get, calls = bench.api.remote(nothing), bench.api.get, bench.size.calls
    repeated(lambda: get(task.remote()), bench.size, calls // 10)
    pids = family()
    before = used(pids)
    seconds = repeated(lambda: get(task.remote()), bench.size, calls)
    return {**spread("sync", seconds), "sync cpu": (used(pids) - before) / calls}


def _linked(bench: Bench, length: int) -> None:
    task = bench.api.remote(more)
    ref = task.remote(0)
    for _ in range(length - 1):
        ref = task.remote(ref)
    assert bench.api.get(ref) == length


def chain(bench: Bench) -> Figures:
    """Give each task the reference of the one before."""
    length = bench.size.chain
    return costed("chain", lambda: _linked(bench, length), length, bench.size)


def deep(bench: Bench) -> Figures:
    """Make a chain so long that whatever recurses along it breaks."""
    length = bench.size.deep
    return {"deep": timed(lambda: _linked(bench, length)) / length}


def fan(bench: Bench) -> Figures:
    """Give the references of many tasks to one."""
    leaf, reduce, get, count = (
        bench.api.remote(more),
        bench.api.remote(counted),
        bench.api.get,
        bench.size.fan,
    )

    def run() -> None:
        assert get(reduce.remote(*[leaf.remote(i) for i in range(count)])) == count

    return costed("fan", run, count + 1, bench.size)


def nested(bench: Bench) -> Figures:
    """Let tasks submit tasks."""
    api, count = bench.api, bench.size.nest
    small = api.remote(nothing)

    def parent() -> None:
        api.get([small.remote() for _ in range(count)])

    task = api.remote(parent)

    def run() -> None:
        api.get([task.remote() for _ in range(count)])

    return costed("nested", run, count * count + count, bench.size)


def multi(bench: Bench) -> Figures:
    """Let several actors submit tasks at once."""
    api, size = bench.api, bench.size
    small = api.remote(nothing)

    class Client:
        def run(self, count: int) -> None:
            api.get([small.remote() for _ in range(count)])

    clients = [api.remote(num_cpus=0)(Client).remote() for _ in range(size.clients)]
    api.get([client.run.remote(10) for client in clients])

    def run() -> None:
        api.get([client.run.remote(size.batch) for client in clients])

    return costed("multi", run, size.clients * size.batch, size)


def million(bench: Bench) -> Figures:
    """Submit many more tasks than can run, and weigh all processes while they wait."""
    task, get, size = bench.api.remote(nothing), bench.api.get, bench.size
    batch = median(repeated(lambda: get([task.remote() for _ in range(size.batch)]), size)) / size.batch
    heaviest = 0.0
    weighing = 0.0

    def weigh() -> None:
        nonlocal heaviest
        heaviest = max(heaviest, pss(family()))

    def run() -> None:
        nonlocal weighing
        refs = [task.remote() for _ in range(size.million)]
        weighing = timed(weigh)
        get(refs)
        weighing += timed(weigh)

    seconds = timed(run) - weighing
    return {"million": seconds / size.million, "million batch": batch, "million pss": heaviest}


def durations(size: Size) -> list[float]:
    """Give how long each task of the makespan rests: one in a hundred is long."""
    return [size.long if i % 100 == 0 else size.short for i in range(size.tasks)]


def makespan(bench: Bench) -> Figures:
    """Mix short tasks with a few long ones: whatever queues behind a long one shows."""
    task, get = bench.api.remote(rest), bench.api.get
    get([task.remote(bench.size.short) for _ in range(20)])

    def run() -> None:
        get([task.remote(seconds) for seconds in durations(bench.size)])

    return {"makespan": timed(run)}


def fib(bench: Bench) -> Figures:
    """Grow a tree of tasks, each of which waits for its two children."""
    api = bench.api

    def body(n: int, self: Any) -> int:
        if n < 2:
            return 1
        return int(sum(api.get([self[0].remote(n - 1, self), self[0].remote(n - 2, self)])))

    task = api.remote(body)
    count = 2 * _fib(bench.size.fib) - 1

    def run() -> None:
        assert api.get(task.remote(bench.size.fib, [task])) == _fib(bench.size.fib)

    return {"fib": median(repeated(run, bench.size)) / count}


def _fib(n: int) -> int:
    return 1 if n < 2 else _fib(n - 1) + _fib(n - 2)

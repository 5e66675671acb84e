"""How fast are tasks, actors and values: the embedded engine beside its peers and the physical floor.

Each engine is measured in a process of its own, one after the other, round after round; the figures are
medians over the rounds. A floor is what any engine would have to pay: it is measured in the same rounds.

    python benchmarks/futures/bench.py                      all cases, three rounds
    python benchmarks/futures/bench.py noop sync --rounds 5
"""

import argparse
import json
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import numpy as np

CORES: Final = 2
BATCH: Final = 10_000  # no-op tasks submitted at once
CALLS: Final = 2_000  # round trips, one at a time
CHAIN: Final = 1_000
LARGE: Final = 100_000_000  # bytes
ARRAY: Final = 10_000_000  # bytes
SHORT, LONG = 0.001, 0.200  # s that tasks of the makespan case sleep
TASKS, EVERY = 1_000, 100  # of which each hundredth is long

Figures = dict[str, float]


# --------------------------------------------------------------------------------- what tasks do


def nothing(*args: Any) -> None:
    pass


def more(x: int) -> int:
    return x + 1


def same(x: Any) -> Any:
    return x


def rest(seconds: float) -> None:
    time.sleep(seconds)


class _Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def durations() -> list[float]:
    return [LONG if i % EVERY == 0 else SHORT for i in range(TASKS)]


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def each(call: Callable[[], Any], times: int) -> list[float]:
    for _ in range(times // 10):
        call()
    return [timed(call) for _ in range(times)]


def spread(name: str, seconds: list[float]) -> Figures:
    cuts = quantiles(seconds, n=100)
    return {f"{name} p50": cuts[49], f"{name} p99": cuts[98]}


# -------------------------------------------------------------------------------------- the engines


class _Futures:
    """Alula or Ray: the same calls."""

    def __init__(self, module: Any, **options: Any) -> None:
        self.api = module
        self.started = time.perf_counter()
        module.init(num_cpus=CORES, **options)
        self.tasks = {body: module.remote(body) for body in (nothing, more, same, rest)}
        module.get(self.tasks[nothing].remote())
        self.init_seconds = time.perf_counter() - self.started

    def init(self) -> Figures:
        return {"init": self.init_seconds}

    def noop(self) -> Figures:
        task, get = self.tasks[nothing], self.api.get
        get([task.remote() for _ in range(1000)])
        return {"noop": median(timed(lambda: get([task.remote() for _ in range(BATCH)])) for _ in range(3))}

    def sync(self) -> Figures:
        task, get = self.tasks[nothing], self.api.get
        return spread("sync", each(lambda: get(task.remote()), CALLS))

    def actor(self) -> Figures:
        counter = self.api.remote(_Counter).remote()
        return spread("actor", each(lambda: self.api.get(counter.add.remote()), CALLS))

    def chain(self) -> Figures:
        def run() -> None:
            ref = self.tasks[more].remote(0)
            for _ in range(CHAIN - 1):
                ref = self.tasks[more].remote(ref)
            assert self.api.get(ref) == CHAIN

        return {"chain": median(each(run, 3))}

    def put(self) -> Figures:
        array = np.ones(LARGE // 8)
        return {"put": median(each(lambda: self.api.put(array), 5))}

    def array(self) -> Figures:
        array = np.ones(ARRAY // 8)
        return {"array": median(each(lambda: self.api.get(self.tasks[same].remote(array)), 10))}

    def makespan(self) -> Figures:
        task = self.tasks[rest]
        self.api.get([task.remote(SHORT) for _ in range(20)])
        return {"makespan": timed(lambda: self.api.get([task.remote(seconds) for seconds in durations()]))}

    def idle(self) -> Figures:
        before, start = used(family()), time.perf_counter()
        time.sleep(1)
        return {"idle": (used(family()) - before) / (time.perf_counter() - start)}

    def close(self) -> None:
        self.api.shutdown()


class _Pool:
    """`concurrent.futures.ProcessPoolExecutor`, as far as it goes."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.pool = ProcessPoolExecutor(CORES)
        self.pool.submit(nothing).result()
        self.init_seconds = time.perf_counter() - self.started

    def init(self) -> Figures:
        return {"init": self.init_seconds}

    def noop(self) -> Figures:
        def run() -> None:
            for future in [self.pool.submit(nothing) for _ in range(BATCH)]:
                future.result()

        return {"noop": median(each(run, 1))}

    def sync(self) -> Figures:
        return spread("sync", each(lambda: self.pool.submit(nothing).result(), CALLS))

    def array(self) -> Figures:
        array = np.ones(ARRAY // 8)
        return {"array": median(each(lambda: self.pool.submit(same, array).result(), 10))}

    def makespan(self) -> Figures:
        def run() -> None:
            for future in [self.pool.submit(rest, seconds) for seconds in durations()]:
                future.result()

        return {"makespan": timed(run)}

    def idle(self) -> Figures:
        return _Futures.idle(self)  # type: ignore[arg-type]  # uses nothing of an instance

    def close(self) -> None:
        self.pool.shutdown()


class _Floor:
    """What it costs to move the bytes, and nothing else."""

    def noop(self) -> Figures:
        def run() -> None:
            for _ in range(BATCH):
                pickle.loads(pickle.dumps((b"0123456789abcdef", (), {}), 5))

        return {"noop": median(each(run, 10))}

    def sync(self) -> Figures:
        return spread("sync", self.round_trips())

    def actor(self) -> Figures:
        return spread("actor", self.round_trips())

    def chain(self) -> Figures:
        return {"chain": CHAIN * median(self.round_trips())}

    def put(self) -> Figures:
        return {"put": median(each(np.ones(LARGE // 8).copy, 5))}

    def array(self) -> Figures:
        return {"array": 2 * median(each(np.ones(ARRAY // 8).copy, 10)) + median(self.round_trips())}

    def makespan(self) -> Figures:
        return {"makespan": max(sum(durations()) / CORES, LONG)}

    def round_trips(self) -> list[float]:
        """A hundred bytes to another Python process and back."""
        ours, theirs = socket.socketpair()
        child = multiprocessing.get_context("fork").Process(target=_echo, args=(ours, theirs))
        child.start()
        theirs.close()

        def call() -> None:
            ours.send(b"." * 100)
            ours.recv(200)

        seconds = each(call, CALLS)
        ours.close()
        child.join()
        return seconds

    def close(self) -> None:
        pass


def _echo(ours: socket.socket, theirs: socket.socket) -> None:
    ours.close()
    while data := theirs.recv(200):
        theirs.send(data)


def family() -> set[int]:
    """Find this process and all that descend from it."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has just ended
                continue
    found = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def used(pids: Iterable[int]) -> float:
    """Give the s of processor time that these processes have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def made(engine: str) -> Any:
    if engine == "pool":
        return _Pool()
    if engine == "floor":
        return _Floor()
    if engine == "ray":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        return _Futures(ray, include_dashboard=False, log_to_driver=False, logging_level="error")
    import alula

    return _Futures(alula, engine="embedded")


# ------------------------------------------------------------------------------------------- rounds

COLD: Final = {
    "ours": "import alula; alula.init(num_cpus=2); alula.get(alula.remote(lambda: None).remote())",
    "ray": "import ray; ray.init(num_cpus=2, include_dashboard=False, logging_level='error'); "
    "ray.get(ray.remote(lambda: None).remote())",
    "pool": "from concurrent.futures import ProcessPoolExecutor as P; p = P(2); p.submit(int).result()",
    "floor": "",
}


def cold(engine: str) -> Figures:
    """Measure from the start of a process to the first result."""
    code = COLD[engine] + "; print('x', flush=True); import os; os._exit(0)"
    start = time.perf_counter()
    command = [sys.executable, "-c", code.removeprefix("; ")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        return {"cold": time.perf_counter() - start}


def measure(engine: str, cases: Iterable[str]) -> Figures:
    """In a process of its own: measure some cases on one engine."""
    subject = made(engine)
    figures: Figures = {}
    for case in cases:
        if hasattr(subject, case):
            figures |= getattr(subject, case)()
    subject.close()
    return figures


def one_round(engine: str, cases: list[str]) -> Figures:
    figures = cold(engine) if "cold" in cases else {}
    command = [sys.executable, __file__, *[case for case in cases if case != "cold"], "--measure", engine]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: Figures = json.loads(ran.stdout.splitlines()[-1])
    return figures | measured


def medians(rounds: list[Figures]) -> Figures:
    return {name: median(figures[name] for figures in rounds) for name in rounds[0]}


# -------------------------------------------------------------------------------------------- table

CASES: Final = {
    "noop": f"{BATCH:,} no-op tasks, per second",
    "sync p50": "one task and its value, median",
    "sync p99": "one task and its value, 99 of 100",
    "actor p50": "one call of an actor, median",
    "actor p99": "one call of an actor, 99 of 100",
    "chain": f"chain of {CHAIN:,} tasks by reference",
    "put": f"put of {LARGE // 1_000_000} MB",
    "array": f"array of {ARRAY // 1_000_000} MB to a task and back",
    "makespan": f"{TASKS:,} tasks of {SHORT * 1000:g} ms, each {EVERY}th {LONG * 1000:g} ms",
    "init": "init to the first value",
    "cold": "start of Python to the first value",
    "idle": "idle session, share of a core",
}
NAMES: Final = tuple(dict.fromkeys(name.split()[0] for name in CASES))
ENGINES: Final = ("ours", "ray", "pool", "floor")


def shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "noop":
        return f"{BATCH / value:,.0f}/s"
    if name == "idle":
        return f"{100 * value:.1f} %"
    for unit, factor in (("us", 1e6), ("ms", 1e3)):
        if value * factor < 1000:
            return f"{value * factor:.3g} {unit}"
    return f"{value:.3g} s"


def ratio(name: str, value: float | None, ours: float) -> str:
    """Give how many times as long as ours it takes."""
    return "-" if value is None or name == "idle" else f"{value / ours:.2f}"


def line(name: str, figures: Mapping[str, Figures]) -> str:
    ray, pool, ours, floor = (figures[e].get(name) for e in ("ray", "pool", "ours", "floor"))
    assert ours is not None
    values = [shown(name, value) for value in (ray, pool, ours, floor)]
    ratios = [ratio(name, ray, ours), ratio(name, pool, ours), "-" if not floor else f"{ours / floor:.2f}"]
    return f"{CASES[name]:<42}" + "".join(f"{text:>12}" for text in values + ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("cases", nargs="*", choices=[[], *NAMES], help="which; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument(
        "--without", action="append", default=[], choices=("ray", "pool"), help="leave out a peer"
    )
    given = parser.parse_args()
    cases = given.cases or list(NAMES)
    if given.measure:
        print(json.dumps(measure(given.measure, cases)))
        return
    engines = [engine for engine in ENGINES if engine not in given.without]
    if "ray" in engines and find_spec("ray") is None:
        print("Ray is not installed, so it is left out: pip install ray")
        engines.remove("ray")
    found: dict[str, list[Figures]] = {engine: [] for engine in engines}
    for _ in range(given.rounds):
        for engine in engines:
            found[engine].append(one_round(engine, cases))
    figures = {engine: medians(found[engine]) if engine in found else {} for engine in ENGINES}
    heads = ("ray", "pool", "alula", "floor", "ray/alula", "pool/alula", "alula/floor")
    print(f"{f'median of {given.rounds} rounds, {CORES} workers':<42}" + "".join(f"{h:>12}" for h in heads))
    for name in CASES:
        if name in figures["ours"]:
            print(line(name, figures))


if __name__ == "__main__":
    main()

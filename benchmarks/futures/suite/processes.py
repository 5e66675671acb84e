"""Processes: their start, their loss in the middle of a run, what they cost while nothing happens."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from .arrays import fallible
from .bodies import Counter, held, nothing, rest
from .measure import Bench, Figures, family, pss, timed, used

__all__ = ["busy", "cold", "idle", "init", "memory", "recovery", "worker"]

_FIRST: Final = {
    "ours": "import alula; alula.init(num_cpus=2, engine='embedded'); "
    "alula.get(alula.remote(lambda: None).remote())",
    "ray": "import ray; ray.init('local', num_cpus=2, include_dashboard=False, logging_level='error'); "
    "ray.get(ray.remote(lambda: None).remote())",
    "dask": "from distributed import Client\nif __name__ == '__main__': "
    "Client(n_workers=2, threads_per_worker=1, dashboard_address=None).submit(int).result()",
    "pool": "from concurrent.futures import ProcessPoolExecutor as P; p = P(2); p.submit(int).result()",
    "joblib": "import joblib; joblib.Parallel(n_jobs=2)([joblib.delayed(int)()])",
    "floor": "",
}


def cold(bench: Bench) -> Figures:
    """Start a process, and wait for the first value that it gets from its engine."""
    code = f"{_FIRST[bench.name]}\nprint('x', flush=True)"
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        return {"cold": time.perf_counter() - start}


def init(bench: Bench) -> Figures:
    """Tell how long the engine of this process took."""
    return {"init": bench.started}


def worker(bench: Bench) -> Figures:
    """Start actors until there are more than workers in stock, each to its first answer."""
    api, actors = bench.api, []

    def start() -> None:
        actors.append(api.remote(num_cpus=0)(Counter).remote())
        api.get(actors[-1].add.remote())

    return {"worker": median([timed(start) for _ in range(4 + bench.size.samples)][4:])}


def recovery(bench: Bench) -> Figures:
    """Lose a worker in the middle of a run: what it adds to the time of the same run without."""
    size = bench.size
    return {
        "recovery small": _added(bench, size.lost, 0),
        "recovery large": _added(bench, size.lost_large, size.item),
    }


def _added(bench: Bench, count: int, item: int) -> float:
    task, get = bench.api.remote(fallible), bench.api.get

    def run(path: str) -> None:
        refs = [task.remote(i, item, path if i == count // 2 else "") for i in range(count)]
        for i, value in enumerate(get(refs)):
            assert (value[0] if item else value) == i, "a wrong answer"

    with tempfile.TemporaryDirectory() as folder:
        run("")
        without = median(timed(lambda: run("")) for _ in range(2))
        return timed(lambda: run(str(Path(folder, "killed")))) - without


def busy(bench: Bench) -> Figures:
    """Let the owner compute, holding the interpreter, while its tasks run: what is left to wait for."""
    task, get, size = bench.api.remote(rest), bench.api.get, bench.size
    get([task.remote(size.short) for _ in range(20)])
    refs = [task.remote(size.short) for _ in range(int(size.busy / size.short))]
    end = time.perf_counter() + size.busy
    while time.perf_counter() < end:
        pass
    return {"busy": timed(lambda: get(refs))}


def idle(bench: Bench) -> Figures:
    """Do nothing for a while."""
    pids = family()
    before, start = used(pids), time.perf_counter()
    time.sleep(bench.size.idle)
    share = (used(pids) - before) / (time.perf_counter() - start)
    return {"idle cpu": share, "idle pss": pss(family())}


def memory(bench: Bench) -> Figures:
    """Weigh this process with tasks that cannot start, and with references to values."""
    api, rows = bench.api, bench.size.rows
    task, ourselves = api.remote(nothing), [os.getpid()]

    def grown(make: Any) -> float:
        before = pss(ourselves)
        kept = [make() for _ in range(rows)]
        return (pss(ourselves) - before) / len(kept)

    api.get([task.remote() for _ in range(100)])
    values = grown(lambda: api.put(0))
    with tempfile.TemporaryDirectory() as folder:
        end = Path(folder, "end")
        first = api.remote(held).remote(str(end))
        pending = grown(lambda: task.remote(first))
        end.touch()
        api.get(first)
    return {"memory pending": pending, "memory ref": values}

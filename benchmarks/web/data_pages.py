"""How long the dashboard's pages about data take: experiments, objects, schedules and servers.

    python benchmarks/web/data_pages.py                      1,000 runs, 5,000 objects of each kind
    python benchmarks/web/data_pages.py --runs 5000 --objects 20000

A real `alula api` is asked by one client, one page after the other; the time is that from a request to the
end of its answer. Each run has 10 metrics of 100 steps and 10 parameters; a metric of one run has 100,000
rows, and one dataset a million rows of 20 columns. The last line says the slowest page's median, in seconds,
as JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from statistics import median
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from sqlalchemy import insert, select

import alula as om
from alula import workflow
from alula.objects import _rows as objects
from alula.runtime._experiments._tables import ROWS, RUNS

TARGET = 0.200  # seconds
BEGIN = 1_767_225_600.0
METRICS = tuple(f"m{n}" for n in range(10))
PAGES = {
    "experiments": "/experiments",
    "runs": "/experiment/big",
    "runs, by a metric": "/experiment/big?sort=-metrics.m0&metric=m1",
    "runs, searched": "/experiment/big?where=metrics.m0+%3E+.3+and+params.p1+%3E+50&sort=metrics.m1",
    "runs, the last page": "/experiment/big?from=950",
    "20 runs compared": "/compare/big?" + "&".join(f"run={n}" for n in range(2, 22)),
    "a run": "/run/500/big",
    "a run with 100,000 rows": "/run/1/big",
    "datasets": "/datasets",
    "datasets, searched": "/datasets?name=4321",
    "a dataset of a million rows": "/dataset/large",
    "models": "/models",
    "a model": "/model/object-00017",
    "notebooks": "/jobs",
    "schedules": "/schedules",
    "server": "/server",
}


@om.remote
def nothing() -> None:
    """Be repeated."""


def fill_runs(count: int) -> None:
    """Write an experiment straight into its tables."""
    experiment = om.runtime.experiment("big").number
    with om.runtime.default().store.transaction() as connection:
        made = [
            {
                "experiment": experiment,
                "number": n,
                "node": "host",
                "userid": "user",
                "started": BEGIN + 60 * n,
            }
            | {"status": "FAILED" if n % 9 == 0 else "STOPPED", "ended": BEGIN + 60 * n + 30}
            for n in range(1, count + 1)
        ]
        connection.execute(insert(RUNS), made)
        ids = connection.execute(select(RUNS.c.id, RUNS.c.number).where(RUNS.c.experiment == experiment))
        for run, number in list(ids):
            connection.execute(insert(ROWS), list(rows(run, number, 100_000 if number == 1 else 0)))


def rows(run: int, number: int, long: int) -> Iterator[dict[str, Any]]:
    """Make what a run has logged."""

    def row(event: str, key: str, value: float, step: int | None) -> dict[str, Any]:
        at = BEGIN + 60 * number + (step or 0) / 100
        found = {"run": run, "event": event, "key": key, "value": str(value), "number": value, "step": step}
        return {**found, "dt": at, "node": "host", "userid": "user"}

    for n in range(10):
        yield row("param", f"p{n}", float(number % (10 * n + 7)), None)
    for step in range(100):
        for key in METRICS:
            yield row("metric", key, (number % 97) / 100 + 1 / (step + 1), step)
    for step in range(long):
        yield row("metric", "long", float(np.sin(step / 1000)), step)


def fill_objects(count: int) -> None:
    """Write objects straight into their tables, and one large dataset as anybody does."""
    frame = pd.DataFrame(
        np.random.default_rng(0).random((1_000_000, 20)), columns=[f"c{n}" for n in range(20)]
    )
    om.datasets.put(frame, "large")
    facts = {"columns": list(frame.columns), "types": dict.fromkeys(frame.columns, "double"), "rows": 10}
    kinds = {"data/": "pandas.dfrows", "models/": "sklearn.joblib", "jobs/": "script.ipynb"}
    with om.runtime.default().store.transaction() as connection:
        for prefix, kind in kinds.items():
            for n in range(count):
                ending = ".ipynb" if prefix == "jobs/" else ""
                new = objects.New(kind=kind, digests=[], size=1000, facts=facts, attributes={}, now=BEGIN + n)
                place = (om.runtime.default().bucket, prefix, f"object-{n:05}{ending}")
                objects.add_version(connection, place, None, new, append=False)


def ask(address: str, path: str) -> float:
    """Get a page; give the seconds that it took."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    start = perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    taken = perf_counter() - start
    connection.close()
    assert answer.status == 200, (path, answer.status, body[-500:])
    return taken


def measure(address: str, rounds: int) -> float:
    """Print the table; give the slowest median."""
    slowest = 0.0
    for name, path in PAGES.items():
        taken = [ask(address, path) for _ in range(rounds + 1)][1:]
        middle = median(taken)
        verdict = "reached" if middle <= TARGET else f"missed by {middle / TARGET:.1f}x"
        print(f"{name:<30}{middle * 1e3:>8.1f} ms{max(taken) * 1e3:>10.1f} ms at most   {verdict}")
        slowest = max(slowest, middle)
    return slowest


def main() -> None:
    """Read the command line, fill a store, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ALULA_HOME"] = folder
        fill_runs(given.runs)
        fill_objects(given.objects)
        for n in range(given.schedules):
            workflow.schedule(f"schedule {n}", "0 * * * *", nothing)
        om.runtime.close_default()
        command = [sys.executable, "-m", "alula", "api", "--port", "0", "--server", "redis://127.0.0.1:1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            print(f"{given.runs:,} runs, {given.objects:,} objects of each kind; to be reached: 200 ms")
            slowest = measure(line.split()[1].removesuffix("/api/v1"), given.rounds)
            print(json.dumps({"data pages slowest": slowest}))
            process.terminate()


if __name__ == "__main__":
    main()

"""Experiments: a metric logged by itself, many in one commit, and a key of one run among a million rows."""

import json
import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable

import alula as om

PEER = os.environ.pop("ALULA_BENCH_MLFLOW", "")  # which is no setting
CALLS = 5000
KEYS, RUNS, STEPS = 10, 10, 10_000

MLFLOW = """
import sys, time
from mlflow import MlflowClient
client = MlflowClient(f"sqlite:///{sys.argv[1]}/mlflow.db")
run = client.create_run(client.create_experiment("x")).info.run_id
began = time.perf_counter()
for i in range(200):
    client.log_metric(run, "acc", i, step=i)
print((time.perf_counter() - began) / 200)
"""


def timed(work: Callable[[], object], times: int = 1) -> float:
    """Give the seconds that one of so many takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / times


def floor() -> float:
    """Give the seconds of a commit of one row by hand."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(f"{folder}/floor.db", isolation_level=None)
        connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE rows (id INTEGER PRIMARY KEY, run INT, step INT, key TEXT, value REAL, dt REAL);"
            "CREATE INDEX rows_by_key ON rows (run, key)"
        )

        def work() -> None:
            for i in range(CALLS):
                connection.execute("BEGIN IMMEDIATE")
                row = (1, i, "acc", float(i), time.time())
                connection.execute("INSERT INTO rows (run, step, key, value, dt) VALUES (?, ?, ?, ?, ?)", row)
                connection.execute("COMMIT")

        return timed(work, CALLS)


def peer(figures: dict[str, float]) -> None:
    """Measure MLflow's client, if there is one."""
    if PEER:
        with tempfile.TemporaryDirectory() as folder:
            told = subprocess.run(
                [PEER, "-c", MLFLOW, folder], capture_output=True, text=True, check=True, cwd=folder
            )
        figures["mlflow log_metric"] = float(told.stdout.split()[-1])


def main() -> None:
    """Print the figures of this process."""
    exp = om.runtime.experiment("bench")
    exp.start()
    exp.log_metric("warm", 1)

    def single() -> None:
        for i in range(CALLS):
            exp.log_metric("acc", i, step=i)

    figures = {"log_metric": timed(single, CALLS), "commit by hand": floor()}
    exp.stop()
    steps = list(range(STEPS))

    def many() -> None:
        for _ in range(RUNS):
            with exp:
                for key in range(KEYS):
                    exp.log_events("metric", f"k{key}", steps, step=steps)

    figures["a million rows, each of them"] = timed(many, KEYS * RUNS * STEPS)
    figures["one key of one run"] = timed(lambda: exp.data(5, key="k3", raw=True))
    figures["one step of one key"] = timed(lambda: exp.data(5, key="k3", step=77, raw=True))
    figures["compare 11 runs"] = timed(exp.compare)
    peer(figures)
    targets = [
        ["log_metric in seconds", "log_metric", 1 / 5000, None],
        ["one key of one run in seconds", "one key of one run", 0.2, None],
    ]
    print(json.dumps({"figures": figures, "targets": targets}), flush=True)
    om.runtime.close_default()


if __name__ == "__main__":
    main()

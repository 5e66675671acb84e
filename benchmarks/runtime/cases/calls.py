"""Calls of an identity model by name, warm: one after the other, and all at once."""

import json
import os
import socket
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

import alula as om

CALLS = 1000
PEERS = Path(__file__).parents[1] / "peers"


class Identity(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Gives what it is given."""

    def fit(self, X: Any, y: Any = None) -> "Identity":
        """Learn nothing."""
        return self

    def predict(self, X: Any) -> Any:
        """Give what is given."""
        return X


def main() -> None:
    """Print the figures of this process."""
    om.models.put(Identity(), "identity")
    model = om.runtime.model("identity")
    for result in [model.predict([[1.0]]) for _ in range(200)]:  # in all workers, as Celery's are
        result.get()
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        model.predict([[1.0]]).get()
        took.append(time.perf_counter() - began)
    began = time.perf_counter()
    results = [model.predict([[1.0]]) for _ in range(CALLS)]
    for result in results:
        result.get()
    pipelined = (time.perf_counter() - began) / CALLS
    took.sort()
    figures = {
        **celery(),
        "sync p50": statistics.median(took),
        "sync p99": took[int(0.99 * CALLS)],
        "pipelined": pipelined,
    }
    targets = [
        ["sync p50 in seconds", "sync p50", 0.005, None],
        ["pipelined against Celery's, at least three times as quick", "pipelined", 1 / 3, "celery pipelined"],
    ]
    print(json.dumps({"figures": figures, "targets": targets}), flush=True)
    om.runtime.close_default()
    os._exit(0)


def celery() -> dict[str, float]:
    """Measure Celery, if there is a Python that has it, with a Redis of its own."""
    python = os.environ.get("BENCH_CELERY")
    if not python:
        return {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", ""]
    redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        done = subprocess.run(
            [python, "celery_calls.py"],
            cwd=PEERS,
            env={"CELERY_CALLS_URL": f"redis://127.0.0.1:{port}/0", "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    finally:
        redis.terminate()
        redis.wait()
    return {f"celery {name}": value for name, value in json.loads(done.stdout).items()}


if __name__ == "__main__":
    main()

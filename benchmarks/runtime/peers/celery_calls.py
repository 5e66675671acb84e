"""The calls of ``cases/calls.py`` by Celery with Redis: run by a Python that has both, prints JSON."""

import json
import os
import statistics
import subprocess
import sys
import time

from celery import Celery

CALLS = 1000
URL = os.environ["CELERY_CALLS_URL"]

app = Celery("celery_calls", broker=URL, backend=URL)
app.conf.update(task_serializer="pickle", result_serializer="pickle", accept_content=["pickle"])
app.conf.update(worker_prefetch_multiplier=64, task_acks_late=True)


@app.task(name="identity")
def identity(x):
    """Give what is given."""
    return x


def main() -> None:
    """Start a worker, call it, and print the figures."""
    program = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "celery_calls",
        "-b",
        URL,
        "worker",
        "--concurrency",
        "2",
    ]
    worker = subprocess.Popen(
        [*program, "--without-gossip", "--without-mingle", "--loglevel", "ERROR"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"CELERY_CALLS_URL": URL, "PATH": "/usr/bin:/bin", "PYTHONPATH": ".", "C_FORCE_ROOT": "1"},
    )
    try:
        identity.delay([[1.0]]).get(timeout=60)
        took = []
        for _ in range(CALLS):
            began = time.perf_counter()
            identity.delay([[1.0]]).get()
            took.append(time.perf_counter() - began)
        began = time.perf_counter()
        for result in [identity.delay([[1.0]]) for _ in range(CALLS)]:
            result.get()
        pipelined = (time.perf_counter() - began) / CALLS
    finally:
        worker.terminate()
        worker.wait()
    print(json.dumps({"sync p50": statistics.median(took), "pipelined": pipelined}), flush=True)


if __name__ == "__main__":
    main()

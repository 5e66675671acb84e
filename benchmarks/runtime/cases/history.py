"""Looking at a store with 100,000 tasks in its history: first pages of lists, one status, the workers."""

import json
import os
import sqlite3
import statistics
import time
from collections.abc import Callable

import alula as om

TASKS = 100_000
ROUNDS = 20


def main() -> None:
    """Print the figures of this process."""
    result = om.runtime.ping(wait=False)
    result.get()
    fill()
    looks: dict[str, Callable[[], object]] = {
        "first page of all": om.runtime.tasks,
        "first page of the failed": om.runtime.failed,
        "page in the middle": lambda: om.runtime.tasks(after=f"copy-{TASKS // 2}"),
        "status of one": lambda: om.runtime.result(result.id, wait=False).status,
        "workers": om.runtime.workers,
        "status of the workers": om.runtime.status,
        "queues": om.runtime.queues,
    }
    figures = {name: median(look) for name, look in looks.items()}
    targets = [[f"{name} in seconds", name, 0.05, None] for name in looks]
    print(json.dumps({"figures": figures, "targets": targets}), flush=True)
    om.runtime.close_default()
    os._exit(0)


def fill() -> None:
    """Copy the one task into the records, over and over, every hundredth as one that has failed."""
    with sqlite3.connect(f"{os.environ['ALULA_HOME']}/alula.db", timeout=60) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(workflows)")]
        copied = {"number": "NULL", "id": "'copy-' || n", "created": "created + n * 1e-6"}
        copied["status"] = "CASE WHEN n % 100 THEN status ELSE 'FAILED' END"
        made = ", ".join([copied.get(name, name) for name in columns])
        database.execute(
            f"WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {TASKS}) "
            f"INSERT INTO workflows SELECT {made} FROM workflows, counted WHERE workflows.number = 1"
        )


def median(look: Callable[[], object]) -> float:
    """Give the median of the seconds that a look takes, after one that does not count."""
    look()
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        look()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


if __name__ == "__main__":
    main()

"""How long the server takes for the pages about workflows, with very many of them in the store.

    python benchmarks/web/pages.py            100,000 workflows, most of them ended, some of each kind

Rows are copied in the store from one workflow that was really run, so that there is something to show behind
each of them. A page is fetched over HTTP from a real `alula api`, some times, and the median counts; the
target is 200 ms.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.request import urlopen

from sqlalchemy import insert, select

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.store import Store
from alula.workflow._tables import TASKS, WORKFLOWS

TARGET: Final = 0.2  # s
_AT_ONCE: Final = 5000  # rows in one statement
_STATUSES: Final = ("SUCCESSFUL",) * 90 + ("FAILED",) * 5 + ("CANCELED",) * 3 + ("PENDING",) * 2
_PAGES: Final = {
    "now": "/",
    "workflows": "/workflows",
    "workflows, failed": "/workflows?status=FAILED",
    "workflows, resumable": "/workflows?status=RESUMABLE",
    "workflows, by id": "/workflows?id=copy-00099",
    "workflows, by label": "/workflows?label=gpu",
    "workflows, page 1,000": "/workflows?after=copy-050000",
    "one workflow": "/workflow/original",
    "one workflow, timeline": "/workflow/original?part=timeline",
    "one workflow, tasks": "/workflow/original?part=tasks",
    "one workflow, values": "/workflow/original?part=values",
    "a chain of 1,000 tasks": "/workflow/chain",
    "one task of it": "/workflow/chain?part=tasks",
}


@alula.remote
def add(*terms: int) -> int:
    """Give a sum."""
    return sum(terms)


@alula.remote
def count(n: int) -> Any:
    """Give 0, after so many tasks."""
    return 0 if n == 0 else workflow.continuation(count.bind(n - 1))


def fill(number: int) -> None:
    """Run two workflows, and copy the first so often."""
    workflow.run(add.bind(*[add.bind(i, i) for i in range(20)]), workflow_id="original")
    workflow.run(count.bind(1000), workflow_id="chain")
    store = Store.open(Settings.load().store)
    with store.transaction() as connection:
        mine = connection.execute(select(WORKFLOWS).where(WORKFLOWS.c.id == "original"))
        first = {str(name): value for name, value in mine.mappings().one().items()}
        tasks = connection.execute(select(TASKS).where(TASKS.c.workflow == first["number"])).mappings().all()
        [entry] = [dict(task) for task in tasks if task["key"] == first["entry"]]
        base = first["number"] + 10
        now = time.time()
        for begin in range(0, number, _AT_ONCE):
            rows = [
                _copy(first, base + i, i, now - (number - i) * 0.05)
                for i in range(begin, min(number, begin + _AT_ONCE))
            ]
            connection.execute(insert(WORKFLOWS), rows)
            ended = [{**entry, "workflow": row["number"], "ended": row["created"] + 0.01} for row in rows]
            connection.execute(insert(TASKS), ended)
    store.close()


def _copy(first: Mapping[str, Any], number: int, i: int, created: float) -> dict[str, Any]:
    status = _STATUSES[i % len(_STATUSES)]
    over = status != "PENDING"
    return {
        **first,
        "number": number,
        "id": f"copy-{i:06}",
        "status": status,
        "labels": "default" if i % 10 else "default,gpu",
        "created": created,
        "started": created if over else None,
        "ended": created + 0.02 if over else None,
        "executor": None,
        "epoch": None,
    }


@contextmanager
def serving() -> Iterator[str]:
    """Run the server; give its address."""
    command = [sys.executable, "-m", "alula", "api", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1].removesuffix("/api/v1")
        process.terminate()


def measured(url: str, rounds: int) -> float:
    """Give the median of so many times, in s, the first left out."""
    took = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        with urlopen(url) as answer:
            answer.read()
        took.append(time.perf_counter() - begin)
    return statistics.median(took[1:])


def main() -> int:
    """Print a row for each page; give 1 if one takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workflows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["ALULA_HOME"] = home
        fill(asked.workflows)
        workflow.reset_default_executor()
        with serving() as base:
            for name, path in _PAGES.items():
                seconds = measured(base + path, asked.rounds)
                missed += seconds > TARGET
                print(
                    f"{name:<26} {seconds * 1e3:7.1f} ms {'' if seconds <= TARGET else '  over the target'}"
                )
    alula.shutdown()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

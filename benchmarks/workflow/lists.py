"""How long a page of the list of workflows takes, in a store of many finished ones.

    python benchmarks/workflow/lists.py                     100,000 workflows, pages of 50
    python benchmarks/workflow/lists.py --count 1000000

The floor is one look at one row by its id. Medians of several rounds; the whole list is read once. Its last
line says the slowest page, the median and the floor in seconds, as JSON.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

from sqlalchemy import insert, select

from alula.store import Store
from alula.workflow import Search, WorkflowStatus
from alula.workflow._tables import METADATA, VERSION, WORKFLOWS

TARGET = 0.050  # seconds
MONTH = 30 * 86_400.0
SHOWN = {
    "first page": Search(limit=50),
    "newest first": Search(limit=50, newest_first=True),
    "by a frequent status": Search(limit=50, statuses=frozenset([WorkflowStatus.SUCCESSFUL])),
    "by a rare status": Search(limit=50, statuses=frozenset([WorkflowStatus.CANCELED])),
    "by two statuses": Search(limit=50, statuses=frozenset([WorkflowStatus.CANCELED, WorkflowStatus.FAILED])),
    "what may be resumed": Search(limit=50, statuses=frozenset([WorkflowStatus.RESUMABLE])),
    "by a rare prefix": Search(limit=50, id_prefix="nightly"),
    "by a prefix of none": Search(limit=50, id_prefix="none"),
    "by a rare label": Search(limit=50, labels=("gpu",)),
    "by a frequent label": Search(limit=50, labels=("default",)),
    "by an hour": Search(limit=50, created_after=MONTH / 2, created_before=MONTH / 2 + 3600),
    "the middle page": Search(limit=50, after="middle"),
    "status, newest first": Search(limit=50, statuses=frozenset([WorkflowStatus.FAILED]), newest_first=True),
}


def rows(count: int) -> Iterator[dict[str, object]]:
    """Make workflows over a month: 1 in 100 failed, 1 in 10,000 was cancelled."""
    for i in range(count):
        created = MONTH * i / count
        status = "CANCELED" if i % 10_000 == 7 else "FAILED" if i % 100 == 3 else "SUCCESSFUL"
        special = {0: "nightly", count // 2: "middle"}
        yield {
            "id": special.get(i, f"{i * 2654435761 % 2**32:08x}-4f6e-4d2a-9b1c-1f2e3d4c5b6a.{i:020d}"),
            "status": status,
            "entry": "0" * 20,
            "labels": "default,gpu" if i % 9_000 == 5 else "default",
            "metadata": "{}",
            "shape": "0" * 20,
            "python": "3.11",
            "requeue": False,
            "created": created,
            "started": created,
            "ended": created + 1,
            "executor": "alula@host",
            "epoch": 1,
            "attempt": 1,
        }


def fill(store: Store, count: int) -> None:
    """Write the workflows."""
    made = rows(count)
    while batch := [row for row, _ in zip(made, range(10_000), strict=False)]:
        with store.transaction() as connection:
            connection.execute(insert(WORKFLOWS), batch)


def timed(work: Callable[[], object], rounds: int) -> float:
    """Give the median time of some work, in seconds."""
    taken = []
    for _ in range(rounds):
        start = perf_counter()
        work()
        taken.append(perf_counter() - start)
    return median(taken)


def measure(store: Store, rounds: int) -> dict[str, float]:
    """Print the table; give the slowest of it, and the median."""

    def floor() -> None:
        with store.reading() as connection:
            connection.execute(select(WORKFLOWS.c.status).where(WORKFLOWS.c.id == "middle")).one()

    def page(search: Search) -> list[tuple[str, WorkflowStatus]]:
        with store.reading() as connection:
            return search.page(connection, lambda row: WorkflowStatus(row.status))

    least, found = timed(floor, rounds), []
    print(f"{'floor: one row by its id':<28}{least * 1e3:>10.2f} ms")
    for name, search in SHOWN.items():
        taken = timed(lambda search=search: page(search), rounds)  # type: ignore[misc]  # bound at once
        found.append(taken)
        verdict = "reached" if taken <= TARGET else f"missed by {taken / TARGET:.1f}x"
        print(f"{name:<28}{taken * 1e3:>10.2f} ms{taken / least:>8.0f}x the floor   {verdict}")
    print(f"{'all of them':<28}{timed(lambda: page(Search()), 1) * 1e3:>10.2f} ms")
    return {"lists slowest": max(found), "lists middle": median(found), "lists floor": least}


def main() -> None:
    """Read the command line, fill a store, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'alula.db'}")
        try:
            store.ensure("workflow", VERSION, METADATA)
            fill(store, given.count)
            print(f"{given.count:,} finished workflows, pages of 50; to be reached: {TARGET * 1e3:.0f} ms")
            print(json.dumps(measure(store, given.rounds)))
        finally:
            store.close()


if __name__ == "__main__":
    main()

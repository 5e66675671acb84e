"""What any durable workflow would have to pay here: prints figures as JSON, in seconds."""

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import psycopg

import alula
from alula import workflow

HOME = Path(os.environ["BENCH_HOME"])


@alula.remote
def nothing(n: int) -> int:
    return n


def median(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2]


def commit(durability: str) -> float:
    """One row in a transaction of its own, with the database as the store sets it."""
    if store := os.environ.get("BENCH_STORE"):
        return commit_on_server(store)
    connection = sqlite3.connect(HOME / "floor.db", isolation_level=None)
    connection.executescript(
        f"PRAGMA journal_mode=WAL; PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'};"
        "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB)"
    )

    def one() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (v) VALUES (?)", (b"x" * 300,))
        connection.execute("COMMIT")

    try:
        return median(one, 1000)
    finally:
        connection.close()


def commit_on_server(store: str) -> float:
    with psycopg.connect(store, autocommit=True) as connection:
        connection.execute("CREATE TABLE floor (k serial PRIMARY KEY, v bytea)")
        return median(lambda: connection.execute("INSERT INTO floor (v) VALUES (%s)", (b"x" * 300,)), 1000)


def trip() -> float:
    alula.init(num_cpus=2)
    alula.get(nothing.remote(0))
    return median(lambda: alula.get(nothing.remote(1)), 2000)


def bind() -> float:
    options = {"allow_inplace": True, "checkpoint": False}
    return median(lambda: nothing.options(**workflow.options(**options)).bind(1), 5000)


def written(durability: str) -> float:
    """10 MB into a new file: pages that were just given back would be warm."""
    data, names = os.urandom(1 << 20) * 10, count()

    def one() -> None:
        with (HOME / f"bytes{next(names)}").open("xb", buffering=0) as file:
            file.write(data)
            if durability == "full":
                os.fsync(file.fileno())

    return median(one, 15)


def main() -> None:
    durability = sys.argv[2]
    print(
        json.dumps(
            {"commit": commit(durability), "trip": trip(), "bind": bind(), "bytes": written(durability)}
        )
    )


if __name__ == "__main__":
    main()

"""One case on DBOS, with SQLite or Postgres: prints its figures as JSON, in seconds."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # this file has the library's name
from dbos import DBOS  # as said
from sqlalchemy import create_engine, event

CASE, DURABILITY = sys.argv[1:]
STORE = os.environ.get("BENCH_STORE", "").replace("postgresql://", "postgresql+psycopg://")
engine = create_engine(STORE or f"sqlite:///{Path(os.environ['BENCH_HOME']) / 'dbos.sqlite'}")


@event.listens_for(engine, "connect")
def prepare(connection, _) -> None:
    level = "FULL" if DURABILITY == "full" else "NORMAL"
    if not STORE:
        connection.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous={level}; PRAGMA busy_timeout=10000;"
        )


DBOS(
    config={
        "name": "bench",
        "system_database_engine": engine,
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
def step(x: int) -> int:
    return x + 1


@DBOS.step()
async def step_async(x: int) -> int:
    return x + 1


@DBOS.workflow()
def chain(n: int) -> int:
    x = 0
    for _ in range(n):
        x = step(x)
    return x


@DBOS.workflow()
async def fan(n: int) -> int:
    import asyncio

    return sum(await asyncio.gather(*[step_async(i) for i in range(n)]))


@DBOS.step()
def megabytes(n: int) -> bytes:
    return os.urandom(1 << 20) * n


@DBOS.workflow()
def large() -> int:
    return len(megabytes(10))


def timed(work: Callable[[], object], per: int = 1) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / per


def many(count: int) -> None:
    handles = [DBOS.start_workflow(chain, 10) for _ in range(count)]
    for handle in handles:
        handle.get_result()


def run_fan() -> None:
    import asyncio

    asyncio.run(fan(1000))


WORK: dict[str, Callable[[], float]] = {
    "chain": lambda: timed(lambda: chain(200), 200),
    "fan": lambda: timed(run_fan, 1000),
    "large": lambda: timed(large),
}


def main() -> None:
    DBOS.launch()
    chain(20)
    figures = {}
    if CASE == "many":
        figures = {f"many {n}": timed(lambda n=n: many(n), 10 * n) for n in (100, 300, 1000)}
    elif CASE in WORK:
        times = [WORK[CASE]() for _ in range(3)]
        figures[CASE] = sorted(times)[len(times) // 2]
    DBOS.destroy()
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()

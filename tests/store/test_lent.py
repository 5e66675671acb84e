"""Transactions that are lent to the code of others."""

import resource
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from alula import objects, runtime, workflow
from alula.errors import FencedError, StoreUnavailableError, TransactionError
from alula.store import Isolation, Store, _metadata, _postgres, _sqlite
from alula.store._lent import RESERVED
from alula.testing import faults
from tests.postgres import Postgres
from tests.store.conftest import ON_A_FILE

TABLES = MetaData()
NUMBERS = Table("numbers", TABLES, Column("n", Integer, primary_key=True))
ON_POSTGRES = pytest.mark.parametrize("url", ["postgres"], indirect=True)


@pytest.fixture
def numbers(store: Store) -> Store:
    store.ensure("test", 1, TABLES)
    return store


def kept(store: Store) -> list[int]:
    with store.reading() as connection:
        return list(connection.scalars(select(NUMBERS.c.n).order_by(NUMBERS.c.n)))


def adding(n: int) -> Callable[..., int]:
    def add(connection: Connection, *_: Any) -> int:
        connection.execute(insert(NUMBERS).values(n=n))
        return n

    return add


def free(connection: Connection) -> None:
    pass


def test_what_was_done_and_its_record_are_one_commit(numbers: Store) -> None:
    assert numbers.lend(adding(1), adding(2), fence=free) == 1
    assert kept(numbers) == [1, 2]


@pytest.mark.parametrize("where", ["body", "record", "fence"])
def test_what_fails_anywhere_leaves_nothing(numbers: Store, where: str) -> None:
    def fail(*_: Any) -> None:
        raise FencedError("w", 3)

    parts: dict[str, Any] = {"body": adding(1), "record": adding(2), "fence": free, where: fail}
    with pytest.raises(FencedError):
        numbers.lend(**parts)
    assert kept(numbers) == []


def session_rolls_back(connection: Connection) -> None:
    with Session(connection) as session:
        session.execute(text("SELECT 1"))
        session.rollback()


ENDS: list[Callable[[Connection], Any]] = [
    lambda c: c.commit(),
    lambda c: c.rollback(),
    lambda c: c.close(),
    lambda c: c.execute(text("COMMIT")),
    lambda c: c.execute(text("-- now\n /* or */ rollback")),
    lambda c: c.execute(text("END")),
    session_rolls_back,
]


@pytest.mark.parametrize("swallows", [False, True])
def test_it_may_not_be_ended(numbers: Store, swallows: bool) -> None:
    def body(end: Callable[[Connection], Any], connection: Connection) -> None:
        adding(1)(connection)
        try:
            end(connection)
        except TransactionError:
            if not swallows:
                raise

    for end in ENDS:
        with pytest.raises(TransactionError, match="its code may not"):
            numbers.lend(partial(body, end), adding(2), fence=free)
        assert kept(numbers) == []
    numbers.lend(adding(3), adding(4), fence=free)
    assert kept(numbers) == [3, 4]


PAST_ALL_THAT: list[Callable[[Connection], Any]] = [
    lambda c: c.connection.cursor().execute("COMMIT"),
    lambda c: c.connection.commit(),
    lambda c: c.invalidate(),
]


def test_one_that_was_ended_past_all_of_that_is_not_recorded(numbers: Store) -> None:
    for end in PAST_ALL_THAT:
        with pytest.raises(TransactionError, match="ended by its own code"):
            numbers.lend(end, adding(2), fence=free)
        assert kept(numbers) == []
    numbers.lend(adding(3), adding(4), fence=free)
    assert kept(numbers) == [3, 4]


def test_a_part_may_be_undone(numbers: Store) -> None:
    def body(connection: Connection) -> None:
        adding(1)(connection)
        with pytest.raises(IntegrityError), connection.begin_nested():
            adding(1)(connection)
        connection.execute(text("SAVEPOINT mine"))
        adding(2)(connection)
        connection.execute(text("ROLLBACK TO SAVEPOINT mine"))

    numbers.lend(body, adding(3), fence=free)
    assert kept(numbers) == [1, 3]


@ON_A_FILE
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE workflows SET status = 'FAILED'",
        "delete from workflow_tasks",
        'INSERT INTO "executors" (name) VALUES (1)',
        "INSERT OR REPLACE INTO layers VALUES (1, 2)",
        "CREATE TABLE IF NOT EXISTS objects (n INTEGER)",
        "drop table if exists Writers",
    ],
)
def test_the_stores_own_tables_are_not_touched(store: Store, statement: str) -> None:
    with pytest.raises(TransactionError, match="is Alula's own; give yours another name"):
        store.lend(lambda c: c.execute(text(statement)), lambda *_: None, fence=free)


@ON_A_FILE
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE writers_of_mine (n INTEGER)",
        "CREATE TEMP TABLE mine AS SELECT * FROM layers",
        "INSERT INTO numbers SELECT version FROM layers WHERE layer = 'none'",
    ],
)
def test_others_are_and_all_may_be_read(numbers: Store, statement: str) -> None:
    numbers.lend(lambda c: c.execute(text(statement)).close(), adding(1), fence=free)


def test_all_tables_that_there_are_are_known() -> None:
    # The keyspace of the tensor server is a file of its own.
    ours = [m for n, m in sys.modules.items() if n.startswith("alula.") and not n.startswith("alula.server.")]
    found = {value.name for module in ours for value in vars(module).values() if isinstance(value, Table)}
    assert {objects, runtime, workflow} < {*ours}
    assert found - {"numbers"} == RESERVED


def test_a_wrong_statement_is_the_users(store: Store) -> None:
    with pytest.raises((OperationalError, ProgrammingError)):
        store.lend(lambda c: c.execute(text("SELECT * FROM nowhere")), lambda *_: None, fence=free)


@ON_POSTGRES
def test_so_is_what_it_may_not_do(store: Store, postgres: Postgres) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        store.lend(
            lambda c: c.execute(text("SET LOCAL ROLE pg_monitor; CREATE TABLE mine (n INTEGER)")),
            lambda *_: None,
            fence=free,
        )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds the store busy knows it at once."""
    monkeypatch.setattr(_sqlite, "BUSY", 0.01)
    monkeypatch.setattr(_postgres, "_SETTINGS", "SET lock_timeout = '10ms'")


def test_one_in_whose_way_another_was_is_begun_anew(
    impatient: None, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Store.open(url), Store.open(url)
    one.ensure("test", 1, TABLES)
    decision = other.transaction()
    decision.__enter__()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        decision.__exit__(None, None, None)

    monkeypatch.setattr(_metadata, "sleep", pause)
    assert one.lend(adding(1), adding(2), fence=free) == 1
    assert len(pauses) == 1
    assert kept(one) == [1, 2]
    one.close()
    other.close()


def test_it_is_not_begun_anew_for_ever(impatient: None, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_metadata, "_PATIENCE", 0.05)
    one, other = Store.open(url), Store.open(url)
    with other.transaction(), pytest.raises(StoreUnavailableError, match="another process has been writing"):
        one.lend(lambda c: None, lambda *_: None, fence=free)
    one.close()
    other.close()


def test_nor_what_two_bodies_want_and_that_is_told_in_sqlalchemys_words(
    impatient: None, numbers: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_metadata, "_PATIENCE", 0.05)
    other = Store.open(url)

    def nested(connection: Connection) -> None:
        adding(1)(connection)
        other.lend(adding(1), adding(2), fence=free)  # waits for the row of the other; on a file, for its end

    with pytest.raises((DBAPIError, StoreUnavailableError)) as caught:
        numbers.lend(nested, adding(3), fence=free)
    assert ("LockNotAvailable" in repr(caught.value)) is url.startswith("postgresql")
    assert kept(numbers) == []
    other.close()


@ON_A_FILE
def test_a_full_disk_is_the_stores_trouble(numbers: Store) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StoreUnavailableError, match="full"):
            numbers.lend(adding(1), adding(2), fence=free)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert kept(numbers) == []


def test_a_record_that_was_decided_by_an_old_view_is_made_anew(numbers: Store) -> None:
    tries: list[int] = []

    def record(connection: Connection, _: int) -> None:
        tries.append(1)
        adding(1 if len(tries) == 1 else 2)(connection)

    assert numbers.lend(adding(1), record, fence=free) == 1
    assert len(tries) == 2
    assert kept(numbers) == [1, 2]


@ON_POSTGRES
def test_others_write_meanwhile(numbers: Store, url: str) -> None:
    other = Store.open(url)

    def body(connection: Connection) -> int:
        with other.transaction() as decision:
            adding(1)(decision)
        with other.transaction(free) as result:
            adding(2)(result)
        return adding(3)(connection)

    numbers.lend(body, adding(4), fence=free)
    assert kept(numbers) == [1, 2, 3, 4]
    other.close()


@ON_POSTGRES
@pytest.mark.parametrize(("isolation", "runs"), [("SERIALIZABLE", 2), ("READ COMMITTED", 1)])
def test_what_it_sees_of_others_is_as_it_says(
    numbers: Store, url: str, isolation: Isolation, runs: int
) -> None:
    other, seen = Store.open(url), list[int]()

    def body(connection: Connection) -> int:
        seen.append(len(list(connection.scalars(select(NUMBERS.c.n)))))
        if len(seen) == 1:
            other.lend(lambda c: len(list(c.scalars(select(NUMBERS.c.n)))), adding(1), fence=free)
        return adding(2)(connection)

    numbers.lend(body, lambda *_: None, fence=free, isolation=isolation)
    assert len(seen) == runs
    assert kept(numbers) == [1, 2]
    other.close()


@ON_POSTGRES
@pytest.mark.parametrize(("gate", "runs"), [("store.lent", 2), ("store.before_commit", 2)])
def test_one_whose_connection_is_lost_is_begun_anew(numbers: Store, gate: str, runs: int) -> None:
    seen: list[int] = []

    def body(connection: Connection) -> int:
        seen.append(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
        return adding(1)(connection)

    def cut() -> None:
        if len(seen) == 1:
            with numbers._database.beside() as connection:  # type: ignore[attr-defined]  # it is one of Postgres
                connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": seen[0]})

    with faults({gate: cut}):
        assert numbers.lend(body, adding(2), fence=free) == 1
    assert len(seen) == runs
    assert kept(numbers) == [1, 2]

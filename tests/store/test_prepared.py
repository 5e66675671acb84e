from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError, ProgrammingError

from alula.errors import StoreUnavailableError
from alula.store import Prepared, Store
from alula.store._prepared import say
from tests.store.conftest import ON_A_FILE
from tests.store.numbers import NUMBERS, add, kept

INSERT = Prepared(insert(NUMBERS), "n")
CHANGE = Prepared(update(NUMBERS).where(NUMBERS.c.n == bindparam("old")), "n")
FIND = Prepared(select(NUMBERS.c.n).where(NUMBERS.c.n == bindparam("n")))


def test_a_prepared_statement_does_what_it_says(numbers: Store) -> None:
    with numbers.transaction() as connection:
        INSERT.many(connection, [{"n": 1}, {"n": 2}])
        assert CHANGE(connection, {"old": 2, "n": 3}).rowcount == 1
        assert CHANGE(connection, {"old": 2, "n": 4}).rowcount == 0
        assert FIND(connection, {"n": 3}).fetchone() == (3,)
        assert FIND(connection, {"n": 2}).fetchone() is None
    assert kept(numbers) == [1, 3]


def test_its_errors_are_those_of_sqlalchemy(numbers: Store) -> None:
    with pytest.raises(IntegrityError) as refused, numbers.transaction() as connection:
        INSERT.many(connection, [{"n": 1}, {"n": 1}])
    assert refused.value.orig is refused.value.__cause__
    assert kept(numbers) == []


@ON_A_FILE
def test_an_error_that_is_the_stores_names_it(numbers: Store) -> None:
    with pytest.raises(StoreUnavailableError, match="no such table"), numbers.transaction() as connection:
        say(connection, "SELECT * FROM nowhere")


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_an_error_about_the_statement_is_not_the_stores(numbers: Store) -> None:
    with pytest.raises(ProgrammingError, match="nowhere"), numbers.transaction() as connection:
        say(connection, "SELECT * FROM nowhere")


def test_a_transaction_that_fails_leaves_nothing_to_the_next(numbers: Store) -> None:
    """Both are made on one connection."""

    def half(connection: Connection) -> None:
        add(connection, 1)
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), numbers.transaction() as connection:
            half(connection)
        with pytest.raises(IntegrityError), numbers.transaction() as connection:
            add(connection, 2, 2)
    with numbers.transaction() as connection:
        add(connection, 3)
    assert kept(numbers) == [3]


def test_more_threads_read_at_once_than_connections_are_kept(numbers: Store) -> None:
    together = Barrier(12)

    def read(_: int) -> object:
        with numbers.reading() as connection:
            together.wait(150)
            return connection.scalar(text("SELECT 1"))

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(read, range(12))) == [1] * 12


def test_a_connection_that_is_lent_when_the_store_closes_is_closed_after_it(url: str) -> None:
    store = Store.open(url)
    reading = store.reading()
    connection = reading.__enter__()
    store.close()
    assert connection.scalar(text("SELECT 1")) == 1
    reading.__exit__(None, None, None)
    assert connection.closed

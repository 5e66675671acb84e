"""A table of numbers that tests write to, and what is in it."""

from collections.abc import Callable

from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select

from alula.store import Store

TABLES = MetaData()
NUMBERS = Table("numbers", TABLES, Column("n", Integer, primary_key=True))


def add(connection: Connection, *values: int) -> None:
    for n in values:
        connection.execute(insert(NUMBERS).values(n=n))


def adding(n: int) -> Callable[[Connection], int]:
    """Give work for a transaction: it adds the number, and gives it."""

    def work(connection: Connection) -> int:
        add(connection, n)
        return n

    return work


def kept(store: Store) -> list[int]:
    with store.reading() as connection:
        return list(connection.scalars(select(NUMBERS.c.n).order_by(NUMBERS.c.n)))

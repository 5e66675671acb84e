"""The ledger: what a worker records of the chain that runs in it.

It writes behind the fence of the workflow's owner, like that owner's own journal, but each link at once
and in its own thread: the chain has nothing else to do until its link is durable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from .._core._ids import Key
from .._core._settings import Durability
from ..store import Store
from ._names import Names
from ._owner import Owner
from ._patience import patiently
from ._rows import insert_tasks, read_names, write_error, write_first_pointer, write_pointer, write_value
from ._tasks import Span, Task
from ._vault import Stored

__all__ = ["Book", "Ledger"]


@dataclass(frozen=True, slots=True)
class Book:
    """Where a worker records, and in whose name; sent with every task, so it is only names.

    Attributes
    ----------
    store, durability
        The records.
    owner
        Who owns the workflow.
    """

    store: str
    durability: Durability
    owner: Owner

    def open(self) -> Store:
        """Give the store, opened once in this process."""
        return patiently(self.reach)

    def reach(self) -> Store:
        """Give the store, if it can be opened at once; else `StoreUnavailableError`."""
        return _store(self.store, self.durability)


class Ledger:
    """Writes links of one workflow.

    Attributes
    ----------
    store
        Where to.
    """

    _names: Names | None = None  # read from the records when the first link is written

    def __init__(self, book: Book, store: Store | None = None) -> None:
        """Write for a book; into its store, opened patiently unless it is given."""
        self._owner, self.store = book.owner, store or book.open()

    def link(self, key: Key, task: Task, head: bytes, span: Span, moved: Key | None) -> None:
        """Record that a task goes on with another one.

        Parameters
        ----------
        key
            Of the task that has returned it.
        task, head
            What it returned, and its sealed options.
        span
            When `key` ran.
        moved
            The first link of the chain, if it is another: it is to point to the newest.
        """

        def work(connection: Connection) -> None:
            number = self._owner.number
            if self._names is None:
                self._names = read_names(connection, number)
            insert_tasks(connection, number, [task], [head], self._names, started=span.ended)
            if not write_first_pointer(connection, number, key, task.key, span):
                raise self._owner.refused()
            if moved is not None:
                write_pointer(connection, number, moved, task.key)

        self._write(work)

    def end(self, key: Key, value: Stored, span: Span, error: bytes | None = None) -> None:
        """Record the value of a link, and the sealed error that is a part of it; the chain has ended."""

        def work(connection: Connection) -> None:
            if error is not None:
                write_error(connection, self._owner.number, key, error, span)
            if not write_value(connection, self._owner.number, key, value, span):
                raise self._owner.refused()

        self._write(work)

    def _write(self, work: Callable[[Connection], None]) -> None:
        try:
            self._transact(work)
        except IntegrityError:  # the executor has given the same task id to another task meanwhile
            self._names = None
            self._transact(work)

    def _transact(self, work: Callable[[Connection], None]) -> None:
        patiently(lambda: self._once(work))

    def _once(self, work: Callable[[Connection], None]) -> None:
        with self.store.transaction(self._owner.afterwards) as connection:
            work(connection)


@lru_cache(maxsize=8)
def _store(url: str, durability: Durability) -> Store:
    return Store.open(url, durability=durability)

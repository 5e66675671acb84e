"""Attempts: who runs the body of a task now, written by the worker that does.

A workflow's record says who owns a task and how it ended; between the two it may wait for a worker, run,
or wait for another attempt. One row for each task tells these apart, for any process that asks.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from ..errors import StoreUnavailableError
from ..store import Prepared, Store
from ..workflow import ensure_tables, owner_of
from ._lookout import looked_for

__all__ = ["Attempt", "Attempts", "Ending"]

Ending: TypeAlias = Callable[[Connection], None]
"""Writes what it has to write at the end of an attempt."""

_VERSION: Final = 1
_METADATA = MetaData()
_ATTEMPTS = Table(
    "runtime_attempts",
    _METADATA,
    Column("task", String(255), primary_key=True),
    Column("number", Integer, nullable=False),  # of the last attempt, from 1
    Column("executor", String(255), nullable=False),
    Column("pid", Integer, nullable=False),  # of the worker process
    Column("started", Double, nullable=False),
    Column("failed", Double),
)
# Every task passes through these: to build a statement costs more than to execute it.
_FACTS: Final = ("task", "number", "executor", "pid", "started", "failed")
_MINE: Final = _ATTEMPTS.c.task == bindparam("of_task")
_NUMBER: Final = Prepared(select(_ATTEMPTS.c.number).where(_MINE))
_FIRST: Final = Prepared(insert(_ATTEMPTS), *_FACTS)
_NEXT: Final = Prepared(update(_ATTEMPTS).where(_MINE), *_FACTS)
_CHUNK: Final = 500  # tasks in one query, well below what any database allows


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a task.

    Attributes
    ----------
    task
        Its id.
    number
        From 1; grows with each attempt, whoever makes it.
    executor
        The name of the executor that owns the task; empty for a task of a larger workflow.
    pid
        Of the worker process.
    started
        UNIX time in seconds.
    failed
        When its body raised, if it did. One that succeeded or died has nothing here.
    """

    task: str
    number: int
    executor: str
    pid: int
    started: float
    failed: float | None = None


class Attempts:
    """The attempts at the tasks of one store; safe to use from any thread and process."""

    def __init__(self, store: Store) -> None:
        ensure_tables(store)
        store.ensure("runtime", _VERSION, _METADATA)
        self._store = store

    @contextmanager
    def running(self, task: str, last: Sequence[Ending] = (), *, soon: bool = False) -> Iterator[Attempt]:
        """Say, while inside, that this process runs the body of a task.

        Nothing is written when the body has succeeded, for the record of its value says so; unless there is
        something to write at the last, which is then looked at.

        Parameters
        ----------
        last
            What else is to be written in the transaction that ends the attempt.
        soon
            Whether a body that succeeds within a moment need not be said to run at all: one that stores
            nothing, and may run again unnoticed.
        """
        if not soon:
            with self._store.transaction() as connection:
                attempt = self._begin(connection, task)
            with self._ending(attempt, last):
                yield attempt
            return
        with self._store.reading() as connection:
            attempt = self._next(connection, task)
        with looked_for(partial(self._write, attempt)) as over, self._ending(attempt, last, over):
            yield attempt

    @contextmanager
    def _ending(
        self, attempt: Attempt, last: Sequence[Ending], over: Callable[[], bool] = lambda: True
    ) -> Iterator[None]:
        """Note how an attempt ends; `over` tells whether it was said to have begun."""
        try:
            yield
        except BaseException:  # whatever ends a body, an interrupt included
            known = over()
            with self._store.transaction() as connection:
                if not known:
                    self._note(connection, attempt)
                failed = update(_ATTEMPTS).where(_ATTEMPTS.c.task == attempt.task)
                connection.execute(failed.values(failed=self._store.clock.time()))
                _write(connection, last)
            raise
        if last:
            with self._store.transaction() as connection:
                _write(connection, last)

    def _write(self, attempt: Attempt) -> None:
        with suppress(StoreUnavailableError), self._store.transaction() as connection:
            self._note(connection, attempt)

    def last(self, tasks: Sequence[str]) -> list[Attempt]:
        """Give the last attempt at each of the tasks that had one, in the order in which they began."""
        found: list[Attempt] = []
        with self._store.reading() as connection:
            for i in range(0, len(tasks), _CHUNK):
                asked = select(_ATTEMPTS).where(_ATTEMPTS.c.task.in_(tasks[i : i + _CHUNK]))
                found += [Attempt(**row._asdict()) for row in connection.execute(asked)]
        return sorted(found, key=lambda attempt: attempt.started)

    def forget(self, tasks: Sequence[str]) -> None:
        """Remove what is kept of tasks that are gone."""
        with self._store.transaction() as connection:
            for i in range(0, len(tasks), _CHUNK):
                connection.execute(delete(_ATTEMPTS).where(_ATTEMPTS.c.task.in_(tasks[i : i + _CHUNK])))

    def _begin(self, connection: Connection, task: str) -> Attempt:
        attempt = self._next(connection, task)
        self._note(connection, attempt)
        return attempt

    def _next(self, connection: Connection, task: str) -> Attempt:
        executor = owner_of(connection, task) or ""
        before = _NUMBER(connection, {"of_task": task}).fetchone()
        number = 1 if before is None else before[0] + 1
        return Attempt(task, number, executor, os.getpid(), self._store.clock.time())

    def _note(self, connection: Connection, attempt: Attempt) -> None:
        known = _NUMBER(connection, {"of_task": attempt.task}).fetchone() is not None
        facts = {name: getattr(attempt, name) for name in _FACTS}
        (_NEXT if known else _FIRST)(connection, {"of_task": attempt.task, **facts})


def _write(connection: Connection, last: Sequence[Ending]) -> None:
    for work in last:
        work(connection)

"""The ledger: experiments, their runs, and rows that are committed as they are logged.

Whatever a call has returned from is written: a process that dies loses nothing. Numbers of runs are
given out by the database, one writer at a time; rows are added side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...store import Prepared, Store
from ._tables import EXPERIMENTS, LOGGED, ROWS, RUNS, TABLES, VERSION

__all__ = ["Entry", "Ledger", "NoLedger", "Row", "Run", "RunStatus", "StoredLedger", "add_rows", "end_run"]

RunStatus: TypeAlias = Literal["STARTED", "STOPPED", "FAILED"]
Facts: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]
_ADD: Final = Prepared(insert(ROWS), *LOGGED)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger knows of an experiment."""

    id: int
    provider: str
    autotrack: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of an experiment.

    Attributes
    ----------
    id
        Of its row.
    number
        From 1, in its experiment.
    parent
        The number of the run inside which it began, if there was one.
    status
        ``STARTED`` until somebody stops it; then ``STOPPED``, or ``FAILED`` with the error.
    started, ended
        UNIX time in seconds.
    error
        What ended it, if it failed: the class and the text.
    node, userid
        The host and the user that began it.
    """

    id: int
    number: int
    parent: int | None = None
    status: RunStatus = "STARTED"
    started: float
    ended: float | None = None
    error: str | None = None
    node: str
    userid: str


class Ledger(Protocol):
    """Where an experiment writes."""

    def begin(self, number: int | None, parent: int | None, facts: Facts, first: Row) -> Run:
        """Begin a run under the next number, or under one that is free, with its first row.

        Raises
        ------
        ValueError
            If there is a run of that number.
        """
        ...

    def end(self, run: Run, status: RunStatus, error: str | None, last: Row) -> None:
        """Note that a run has ended, and write its last row, unless somebody has done so before."""
        ...

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none; they are there when this returns.

        Raises
        ------
        ValueError
            If their run is gone.
        """
        ...

    def runs(self) -> list[Run]:
        """Give all runs, by number."""
        ...

    def clear(self) -> None:
        """Remove all runs, and all that was logged to them."""
        ...


class StoredLedger:
    """The ledger of one experiment in a store; safe to use from any thread and process."""

    def __init__(self, store: Store, entry: Entry) -> None:
        self._store, self._experiment = store, entry.id

    @classmethod
    def enter(cls, store: Store, place: tuple[str, str], card: float, given: Mapping[str, Any]) -> Entry:
        """Give the entry of an experiment, making it if there is none of that card.

        Parameters
        ----------
        place
            Bucket and name.
        card
            When its object among the models was made. If that was dropped and made again, what was logged
            before goes now.
        given
            What is to be noted of it: ``provider``, ``autotrack``; None leaves what is.
        """
        store.ensure("experiments", VERSION, TABLES)
        with store.reading() as connection:
            found = _entry(connection, place, card)
        if found is not None and all(v in (None, getattr(found, name)) for name, v in given.items()):
            return found
        with store.transaction() as connection:
            return _entered(connection, place, card, given)

    @staticmethod
    def forget(store: Store, place: tuple[str, str]) -> None:
        """Remove an experiment, by bucket and name, with all that was logged to it."""
        store.ensure("experiments", VERSION, TABLES)
        bucket, name = place
        mine = (EXPERIMENTS.c.bucket == bucket) & (EXPERIMENTS.c.name == name)
        with store.transaction() as connection:
            connection.execute(delete(EXPERIMENTS).where(mine))

    def begin(self, number: int | None, parent: int | None, facts: Facts, first: Row) -> Run:
        """Begin a run; see `Ledger`."""
        mine = RUNS.c.experiment == self._experiment
        with self._store.transaction() as connection:
            if number is None:
                number = (connection.scalar(select(func.max(RUNS.c.number)).where(mine)) or 0) + 1
            elif connection.scalar(select(RUNS.c.id).where(mine, RUNS.c.number == number)) is not None:
                raise ValueError(f"there is a run {number} already: use({number}) goes on with it")
            values = {**facts, "number": number, "parent": parent}
            made = connection.execute(
                insert(RUNS).values(experiment=self._experiment, status="STARTED", **values)
            ).inserted_primary_key
            assert made is not None
            run = Run(id=int(made[0]), **values)
            _ADD(connection, {**first, "run": run.id, "value": str(number), "number": float(number)})
            return run

    def end(self, run: Run, status: RunStatus, error: str | None, last: Row) -> None:
        """Note that a run has ended; see `Ledger`."""
        with self._store.transaction(_beside) as connection:
            end_run(connection, run, status, error, last)

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows; see `Ledger`."""
        try:
            with self._store.transaction(_beside) as connection:
                add_rows(connection, rows)
        except IntegrityError as error:
            raise ValueError("the run is gone: its experiment was cleared or dropped") from error

    def runs(self) -> list[Run]:
        """Give all runs, by number."""
        columns = [column for column in RUNS.columns if column.name != "experiment"]
        asked = select(*columns).where(RUNS.c.experiment == self._experiment).order_by(RUNS.c.number)
        with self._store.reading() as connection:
            return [Run(**row._asdict()) for row in connection.execute(asked)]

    def begun_by(self, task: str) -> int | None:
        """Give the number of the run that goes on and that an earlier attempt at a task has begun."""
        mine = (ROWS.c.task == task) & (ROWS.c.event == "start") & (RUNS.c.status == "STARTED")
        asked = select(RUNS.c.number).join_from(ROWS, RUNS, RUNS.c.id == ROWS.c.run)
        with self._store.reading() as connection:
            found: int | None = connection.scalar(asked.where(mine, RUNS.c.experiment == self._experiment))
            return found

    def clear(self) -> None:
        """Remove all runs, and all that was logged to them."""
        with self._store.transaction() as connection:
            connection.execute(delete(RUNS).where(RUNS.c.experiment == self._experiment))


def end_run(connection: Connection, run: Run, status: RunStatus, error: str | None, last: Row) -> None:
    """Note that a run has ended, and write its last row, unless somebody has done so before."""
    mine = (RUNS.c.id == run.id) & (RUNS.c.status == "STARTED")
    ended = update(RUNS).where(mine).values(status=status, ended=last["dt"], error=error)
    if connection.execute(ended).rowcount:
        _ADD(connection, last)


def add_rows(connection: Connection, rows: Sequence[Row]) -> None:
    """Write rows."""
    if len(rows) == 1:
        _ADD(connection, rows[0])
    elif rows:
        _ADD.many(connection, rows)


class NoLedger:
    """A ledger that keeps nothing: for work that is not tracked, written as if it were."""

    def begin(self, number: int | None, parent: int | None, facts: Facts, first: Row) -> Run:
        """Give a run that is nowhere."""
        return Run(id=0, number=number or 0, parent=parent, **facts)

    def end(self, run: Run, status: RunStatus, error: str | None, last: Row) -> None:
        """Do nothing."""

    def add(self, rows: Sequence[Row]) -> None:
        """Do nothing."""

    def runs(self) -> list[Run]:
        """Give none."""
        return []

    def clear(self) -> None:
        """Do nothing."""


def _beside(connection: Connection) -> None:
    """Let others write at the same time: rows that are added are in nobody's way."""


def _find(place: tuple[str, str]) -> Select[Any]:
    bucket, name = place
    return select(EXPERIMENTS).where(EXPERIMENTS.c.bucket == bucket, EXPERIMENTS.c.name == name)


def _entry(connection: Connection, place: tuple[str, str], card: float) -> Entry | None:
    row = connection.execute(_find(place)).one_or_none()
    return None if row is None or row.card != card else Entry(row.id, row.provider, row.autotrack)


def _entered(connection: Connection, place: tuple[str, str], card: float, given: Mapping[str, Any]) -> Entry:
    row = connection.execute(_find(place)).one_or_none()
    values = {name: value for name, value in given.items() if value is not None}
    if row is not None and row.card == card:
        if values:
            connection.execute(update(EXPERIMENTS).where(EXPERIMENTS.c.id == row.id).values(values))
    else:
        if row is not None:  # that one was dropped with its card
            connection.execute(delete(EXPERIMENTS).where(EXPERIMENTS.c.id == row.id))
        values = {"provider": "default", "autotrack": False, **values}
        bucket, name = place
        connection.execute(insert(EXPERIMENTS).values(bucket=bucket, name=name, card=card, **values))
    found = _entry(connection, place, card)
    assert found is not None
    return found

"""Executors: who runs durable work on this store, and whether it still lives.

Each holds a row (name, labels, epoch) and a lock. The epoch grows with each holder of the name, so a
write can tell an earlier holder from the present one. What the lock is depends on the database: on one
machine it ends with its process, across machines it has to be renewed.
"""

import os
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    select,
)
from sqlalchemy.engine import Row

from ..errors import ExecutorAliveError, FencedError
from ._metadata import Store
from ._prepared import Prepared

__all__ = ["ExecutorInfo", "Executors", "Lease"]

_VERSION: Final = 1
_METADATA = MetaData()
_EXECUTORS = Table(
    "executors",
    _METADATA,
    Column("name", String(255), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("labels", String(1024), nullable=False),  # separated by commas, which no label contains
    Column("claims", Boolean, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Double, nullable=False),
)

# Every workflow that begins passes through these.
_EPOCH: Final = Prepared(select(_EXECUTORS.c.epoch).where(_EXECUTORS.c.name == bindparam("of_name")))
_CLAIMING: Final = Prepared(
    select(_EXECUTORS.c.name, _EXECUTORS.c.epoch, _EXECUTORS.c.labels).where(_EXECUTORS.c.claims)
)


@dataclass(frozen=True, slots=True)
class Lease:
    """What an executor holds while it lives.

    Attributes
    ----------
    name
        Its name; at most one living executor has it.
    epoch
        Grows by one with each holder of the name, from 1; what it writes carries it.
    labels
        What it can do.
    """

    name: str
    epoch: int
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorInfo:
    """What is known of an executor.

    Attributes
    ----------
    name, epoch, labels
        As in its lease.
    claims
        Whether it takes work from the queue, or only runs what its own process submits.
    host, pid
        Where it runs, or ran.
    started
        UNIX time in seconds.
    alive
        Whether it lives.
    """

    name: str
    epoch: int
    labels: tuple[str, ...]
    claims: bool
    host: str
    pid: int
    started: float
    alive: bool


class Executors:
    """The executors of one store; safe to use from any thread."""

    def __init__(self, store: Store) -> None:
        store.ensure("executors", _VERSION, _METADATA)
        self._store = store
        self._locks = store.locks

    def register(self, labels: Sequence[str], *, name: str | None = None, claims: bool = False) -> Lease:
        """Become an executor, until `release` or the end of this process.

        Parameters
        ----------
        labels
            What this executor can do; at least one, without commas.
        name
            By default the first of ``alula@<host>``, ``alula-2@<host>``, ... whose holder is dead.
        claims
            Whether it will take work from the queue.

        Raises
        ------
        ExecutorAliveError
            If the given name belongs to an executor that lives.
        StoreUnavailableError
            If the store cannot be written.
        """
        if not labels or any("," in label or not label.strip() for label in labels):
            raise ValueError(
                f"an executor has at least one label, and none is empty or has commas: {labels!r}"
            )
        with ExitStack() as undo:
            with self._store.transaction() as connection:  # of two that register at once, one waits here
                name, epoch = self._free_name(connection, name)
                lease = Lease(name, epoch, tuple(labels))
                self._locks.take(connection, name, epoch)  # before the row, whose readers find it alive
                undo.callback(self._locks.give_back, name, epoch)
                connection.execute(_EXECUTORS.delete().where(_EXECUTORS.c.name == name))
                connection.execute(_EXECUTORS.insert().values(self._row(lease, claims)))
            undo.pop_all()
        self._locks.forget(name, epoch - 1)
        return lease

    def check(self, connection: Connection, lease: Lease) -> None:
        """Refuse an executor whose name is another's by now: it was away for so long that it passed for dead.

        Raises
        ------
        FencedError
            If the name has a later holder.
        """
        row = _EPOCH(connection, {"of_name": lease.name}).fetchone()
        if row is None or row[0] != lease.epoch:
            raise FencedError(f"executor {lease.name!r}", lease.epoch)

    def release(self, lease: Lease) -> None:
        """Stop being an executor. The name keeps its epoch, so this lease never counts again."""
        self._locks.give_back(lease.name, lease.epoch)

    def alive(self) -> list[ExecutorInfo]:
        """Give those that live, by name."""
        return [info for info in self.list() if info.alive]

    def list(self) -> list[ExecutorInfo]:
        """Give the last holder of each name, dead or alive, by name."""
        with self._store.reading() as connection:
            rows = connection.execute(select(_EXECUTORS).order_by(_EXECUTORS.c.name)).all()
        return [self._info(row) for row in rows]

    def claims(self, labels: Collection[str]) -> bool:
        """Tell whether one that lives takes work for all of some labels from the queue."""
        with self._store.reading() as connection:
            rows = _CLAIMING(connection, {}).fetchall()
        fits = (each for each in rows if set(labels) <= set(each[2].split(",")))
        return any(self.is_alive(name, epoch) for name, epoch, _ in fits)

    def is_alive(self, name: str, epoch: int) -> bool:
        """Tell whether this very holder of the name lives."""
        return self._locks.taken(name, epoch)

    def _free_name(self, connection: Connection, wanted: str | None) -> tuple[str, int]:
        """Find a name without a living holder, and the epoch of its next one."""
        for name in (wanted,) if wanted else _names():
            row = connection.execute(select(_EXECUTORS).where(_EXECUTORS.c.name == name)).one_or_none()
            if row is None:
                return name, 1
            if not self.is_alive(name, row.epoch):
                return name, row.epoch + 1
            if wanted:
                raise ExecutorAliveError(name, row.host, row.pid)
        raise AssertionError("the default names never end")

    def _row(self, lease: Lease, claims: bool) -> dict[str, object]:
        return {
            "name": lease.name,
            "epoch": lease.epoch,
            "labels": ",".join(lease.labels),
            "claims": claims,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self._store.clock.time(),
        }

    def _info(self, row: Row[tuple[object, ...]]) -> ExecutorInfo:
        facts = row._asdict() | {"labels": tuple(row.labels.split(","))}
        return ExecutorInfo(**facts, alive=self.is_alive(row.name, row.epoch))


def _names() -> Iterator[str]:
    host = socket.gethostname()
    yield f"alula@{host}"
    yield from (f"alula-{number}@{host}" for number in count(2))

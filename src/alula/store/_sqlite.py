"""SQLite as the store of many processes on one machine: how it is opened, and what its errors mean.

Write-ahead logging lets readers and one writer go on side by side. A transaction that will write takes
the write lock when it begins, so it never fails half-way because another was faster.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import QueuePool

from .._core._settings import Durability
from ..errors import StoreUnavailableError

__all__ = ["BEGIN", "BUSY", "WRITE", "database_file", "open_sqlite"]

BUSY: Final = 10.0
"""Seconds that a writer waits for another one before it gives up."""

BEGIN: Final = "alula_begin"
"""The execution option that says how a connection's transactions begin."""

WRITE: Final = "BEGIN IMMEDIATE"

_SYNCHRONOUS: Final[dict[Durability, str]] = {"normal": "NORMAL", "full": "FULL"}

_REASONS: Final = {
    "SQLITE_BUSY": f"another process has been writing to it for more than {BUSY:g} s",
    "SQLITE_CANTOPEN": "the file cannot be opened; set ALULA_HOME to a folder that can be written",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a copy",
    "SQLITE_FULL": "the disk is full; free some space, or set ALULA_HOME to another folder",
    "SQLITE_IOERR": "the disk refuses: it is full, over quota, or failing",
    "SQLITE_NOTADB": "the file is not an SQLite database; move it away, or name another file",
    "SQLITE_READONLY": "it is read-only; set ALULA_HOME to a folder that can be written",
}


def database_file(url: URL) -> Path:
    """Give the absolute path of an SQLite URL's file.

    Raises
    ------
    StoreUnavailableError
        If the URL has none: a database in memory cannot be seen by other processes.
    """
    if not url.database or url.database.startswith((":", "file:")):
        raise StoreUnavailableError(str(url), "it must be a file, such as sqlite:////home/me/alula.db")
    return Path(url.database).expanduser().resolve()


def open_sqlite(url: URL, durability: Durability) -> Engine:
    """Make the folder, the file in write-ahead mode, and the engine.

    Raises
    ------
    StoreUnavailableError
        If the file cannot be opened; says which and why.
    """
    file = database_file(url)
    # Threads beyond the pool's size get a connection of their own rather than wait for one.
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=8, max_overflow=-1, connect_args={"timeout": BUSY}
    )
    _listen(engine, str(file), _SYNCHRONOUS[durability])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _log_ahead(engine, file.parent)
    except OSError as error:
        raise StoreUnavailableError(str(file), f"{error.filename}: {error.strerror}") from error
    except StoreUnavailableError:
        engine.dispose()
        raise
    return engine


def _listen(engine: Engine, where: str, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # else the driver begins transactions of its own accord
        connection.executescript(f"PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON;")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if statement := connection.get_execution_options().get(BEGIN, "BEGIN"):
            connection.exec_driver_sql(statement)

    @event.listens_for(engine, "handle_error", retval=True)
    def translate(context: ExceptionContext) -> BaseException | None:
        error = context.original_exception
        # IntegrityError and its siblings are heirs of DatabaseError, and speak about the data.
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            return StoreUnavailableError(where, _reason(error))
        return None


def _reason(error: sqlite3.DatabaseError) -> str:
    code: str = getattr(error, "sqlite_errorname", "")  # errors of the driver itself have none
    name = "_".join(code.split("_")[:2])  # SQLITE_IOERR_WRITE is one kind of SQLITE_IOERR
    return f"{_REASONS[name]} ({error})" if name in _REASONS else str(error)


def _log_ahead(engine: Engine, folder: Path) -> None:
    """Switch the file to write-ahead logging, for good."""
    with engine.connect().execution_options(**{BEGIN: ""}) as connection:
        if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
            # SQLite does not wait when two processes switch at once, so they take turns.
            with _alone(folder):
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

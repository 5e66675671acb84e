"""SQLite as the store of many processes on one machine: how it is opened, and what its errors mean.

Write-ahead logging lets readers and one writer go on side by side. A transaction that will write takes
the write lock when it begins, so it never fails half-way because another was faster.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from .._core._settings import Durability
from ..errors import StoreUnavailableError
from ._database import BUSY, Database
from ._doorbell import SocketDoorbell
from ._file_locks import FileLocks
from ._lent import Isolation
from ._prepared import say

__all__ = ["SQLite"]

_SYNCHRONOUS: Final[dict[Durability, str]] = {"normal": "NORMAL", "full": "FULL"}

# Pages in the log, 16 MiB, before they are copied into the file: that makes whoever commits then wait for the
# disk, and is the cheaper the more often the same pages were written meanwhile.
_LOG: Final = 4000

_REASONS: Final = {
    "SQLITE_BUSY": f"another process has been writing to it for more than {BUSY:g} s",
    "SQLITE_CANTOPEN": "the file cannot be opened; set ALULA_HOME to a folder that can be written",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a copy",
    "SQLITE_FULL": "the disk is full; free some space, or set ALULA_HOME to another folder",
    "SQLITE_IOERR": "the disk refuses: it is full, over quota, or failing",
    "SQLITE_NOTADB": "the file is not an SQLite database; move it away, or name another file",
    "SQLITE_READONLY": "it is read-only; set ALULA_HOME to a folder that can be written",
}


class SQLite(Database):
    """A file that many processes of a machine read, and one at a time writes.

    Attributes
    ----------
    file
        Its absolute path; what belongs to it and is no table lies beside it.
    """

    shared = False

    def __init__(self, url: URL, durability: Durability) -> None:
        """Make the folder, the file in write-ahead mode, and the engine.

        Raises
        ------
        StoreUnavailableError
            If the file cannot be opened; says which and why.
        """
        self.file = _file(url)
        super().__init__(f"sqlite:///{self.file}", str(self.file), _engine(self.file, durability))
        self._log_ahead()
        self._inode = self.file.stat().st_ino

    def reading(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that reads one state of the file."""
        self._check()
        return self._transaction("BEGIN")

    def writing(self, *, alone: bool) -> AbstractContextManager[Connection]:
        """Begin a transaction that writes: there is never more than one."""
        self._check()
        return self._transaction("BEGIN IMMEDIATE")

    def lending(self, isolation: Isolation) -> AbstractContextManager[Connection]:
        """Begin a transaction that writes: nobody else writes before it has ended."""
        self._check()
        return self._transaction("BEGIN IMMEDIATE", lent=True)

    def told(self, error: BaseException) -> StoreUnavailableError | None:
        """Say so if an error is one of the file, rather than of a statement."""
        return self._explain(error) if _kind(error) in _REASONS else None

    def is_busy(self, error: StoreUnavailableError) -> bool:
        """Tell whether another writer held the lock for too long."""
        return _kind(error.__cause__) in ("SQLITE_BUSY", "SQLITE_LOCKED")

    def reason(self, error: BaseException) -> str | None:
        """Say why the store cannot be used; None if an error of the driver is about data or statement."""
        # IntegrityError and its siblings are heirs of DatabaseError, and speak about the data.
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            return None
        name = _kind(error)
        return f"{_REASONS[name]} ({error})" if name in _REASONS else str(error)

    def doorbell(self) -> SocketDoorbell:
        """Make a doorbell for the processes of this user."""
        return SocketDoorbell(self.url)

    def locks(self) -> FileLocks:
        """Make the locks of executors: files beside the database."""
        return FileLocks(self.file.with_name(self.file.name + "-executors"))

    def _log_ahead(self) -> None:
        """Make the folder and the file, and switch that to write-ahead logging, for good."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            connection = self._engine.connect()
            try:
                if say(connection, "PRAGMA journal_mode").fetchone() != ("wal",):
                    # SQLite does not wait when two processes switch at once, so they take turns.
                    with _alone(self.file.parent):
                        say(connection, "PRAGMA journal_mode=WAL")
            except BaseException:
                connection.close()
                raise
        except OSError as error:
            raise self.unavailable(f"{error.filename}: {error.strerror}") from error
        # Were it closed, being the last one, SQLite would do away with the log.
        self._keep(connection, self._idle)

    def _check(self) -> None:
        # SQLite would go on writing into a file that has no name any more, and never say a word.
        try:
            inode = self.file.stat().st_ino
        except OSError as error:
            raise self.unavailable(f"it is gone ({error.strerror})") from error
        if inode != self._inode:
            raise self.unavailable("the file was replaced by another while it was open")


def _kind(error: BaseException | None) -> str:
    code: str = getattr(error, "sqlite_errorname", "")  # errors of the driver itself have none
    return "_".join(code.split("_")[:2])  # SQLITE_IOERR_WRITE is one kind of SQLITE_IOERR


def _file(url: URL) -> Path:
    """Give the absolute path of a URL's file: a database in memory cannot be seen by other processes."""
    if not url.database or url.database.startswith((":", "file:")):
        raise StoreUnavailableError(str(url), "it must be a file, such as sqlite:////home/me/alula.db")
    return Path(url.database).expanduser().resolve()


def _engine(file: Path, durability: Durability) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(file)), poolclass=NullPool, connect_args={"timeout": BUSY}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # else the driver begins transactions of its own accord
        connection.executescript(
            f"PRAGMA synchronous={_SYNCHRONOUS[durability]}; PRAGMA foreign_keys=ON; "
            f"PRAGMA wal_autocheckpoint={_LOG}"
        )

    return engine


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""The file of a keyspace that lasts: one row for each key, and one server that has it open.

What values are is left to others: here they are bytes with a time at which they expire.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Final, Literal, Self, TypeAlias

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, MetaData, Table, bindparam, delete, select
from sqlalchemy import update as update_rows
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from ...errors import StoreUnavailableError
from ...store import Prepared, Store

__all__ = ["Entries", "Fsync", "Row", "kept_rows"]

_log = logging.getLogger("alula.server")

Fsync: TypeAlias = Literal["always", "everysec", "no"]
"""When the disk has what was committed, as Redis' ``appendfsync`` says it. The death of the process loses
nothing with any of them; a power cut loses nothing with ``always``, what was acknowledged in the last
second with ``everysec``, and what the system has not written yet with ``no``."""

Row: TypeAlias = tuple[bytes, bytes, int | None]
"""A key, its value, and when it expires, a UNIX time in ms."""

_VERSION: Final = 1
_METADATA = MetaData()
_ENTRIES = Table(
    "entries",
    _METADATA,
    Column("key", LargeBinary, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("expires", BigInteger),
)
_insert = insert(_ENTRIES)
_PUT: Final = Prepared(
    _insert.on_conflict_do_update(
        index_elements=[_ENTRIES.c.key],
        set_={"value": _insert.excluded.value, "expires": _insert.excluded.expires},
    ),
    *("key", "value", "expires"),
)
_EXPIRE: Final = Prepared(update_rows(_ENTRIES).where(_ENTRIES.c.key == bindparam("at_key")), "expires")
_DELETE: Final = delete(_ENTRIES).where(_ENTRIES.c.key == bindparam("at_key"))
_SECOND: Final = 1.0


class Entries:
    """An open file; used from one thread.

    Attributes
    ----------
    file
        Its path.
    fsync
        When the disk has what was committed; may be set at any time.
    """

    def __init__(self, file: Path, store: Store, lock: int, fsync: Fsync) -> None:
        self.file, self.fsync = file, fsync
        self._store, self._lock = store, lock
        self._syncs = _Syncs(file.with_name(file.name + "-wal"))

    @classmethod
    def open(cls, file: Path, fsync: Fsync) -> Self:
        """Open a file, making it if there is none.

        Raises
        ------
        StoreUnavailableError
            If another server has it open, which is named; or it cannot be opened and written.
        """
        file = file.expanduser().resolve()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = _own(file)
        except OSError as error:
            raise StoreUnavailableError(str(file), f"{error.filename}: {error.strerror}") from error
        try:
            store = Store.open(f"sqlite:///{file}")
            store.ensure("keyspace", _VERSION, _METADATA)
        except BaseException:
            os.close(lock)
            raise
        return cls(file, store, lock, fsync)

    def rows(self) -> Iterator[Row]:
        """Give everything."""
        with self._store.reading() as connection:
            for row in connection.execute(select(_ENTRIES)):
                yield row[0], row[1], row[2]

    def find(self, keys: Iterable[bytes]) -> Iterator[Row]:
        """Give the rows of some keys, of those that there are."""
        asked = select(_ENTRIES).where(_ENTRIES.c.key == bindparam("at_key"))
        with self._store.reading() as connection:
            for key in keys:
                for row in connection.execute(asked, {"at_key": key}):
                    yield row[0], row[1], row[2]

    def commit(
        self,
        *,
        clear: bool,
        put: Sequence[Row],
        expire: Mapping[bytes, int | None],
        gone: Sequence[bytes],
    ) -> None:
        """Write in one transaction: all of it is there when this returns, or nothing if it raises.

        Parameters
        ----------
        clear
            Whether everything is removed first.
        put
            Rows that are to be as given.
        expire
            Keys of which only the time changes at which they expire.
        gone
            Keys that are removed.

        Raises
        ------
        StoreUnavailableError
            If the file cannot be written, or a value is larger than a file can hold.
        """
        try:
            with self._store.transaction() as connection:
                self._write(connection, clear, put, expire, gone)
        except SQLAlchemyError as error:  # of the data, not of the file: there is nothing else it could be
            why = f"a value is larger than can be kept ({error.__cause__ or error})"
            raise StoreUnavailableError(str(self.file), why) from error
        if self.fsync == "always":
            self._syncs.now()
        elif self.fsync == "everysec":
            self._syncs.soon()

    def _write(
        self,
        connection: Connection,
        clear: bool,
        put: Sequence[Row],
        expire: Mapping[bytes, int | None],
        gone: Sequence[bytes],
    ) -> None:
        if clear:
            connection.execute(delete(_ENTRIES))
        if gone:
            connection.execute(_DELETE, [{"at_key": key} for key in gone])
        if put:
            _PUT.many(connection, [{"key": key, "value": v, "expires": at} for key, v, at in put])
        if expire:
            _EXPIRE.many(connection, [{"at_key": key, "expires": at} for key, at in expire.items()])

    def shrink(self) -> None:
        """Have the disk take everything, in the file itself, and empty SQLite's log.

        Raises
        ------
        StoreUnavailableError
            If the disk refuses, or somebody has been reading the file for a second.
        """
        connection = sqlite3.connect(self.file, timeout=_SECOND)
        try:
            ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise StoreUnavailableError(str(self.file), f"the disk refuses: {error}") from error
        finally:
            connection.close()
        if busy:
            raise StoreUnavailableError(str(self.file), "another process is reading it")

    def close(self) -> None:
        """Let the disk have everything, and let go of the file."""
        self._syncs.close()
        self._store.close()
        os.close(self._lock)


def _own(file: Path) -> int:
    """Lock a file for this process, and say in the lock who that is."""
    lock = os.open(file.with_name(file.name + "-server"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.read(lock, 100).decode(errors="replace") or "another process"
        os.close(lock)
        why = f"the tensor server of {owner} has it open; stop that one, or choose another file"
        raise StoreUnavailableError(str(file), why) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"process {os.getpid()}".encode(), 0)
    return lock


def kept_rows(file: Path) -> Iterator[Row]:
    """Give all that a file holds, as of one moment, also while a server has it open.

    Raises
    ------
    StoreUnavailableError
        If it cannot be read, or is no such file.
    """
    try:
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
        with closing(connection):
            yield from connection.execute("SELECT key, value, expires FROM entries ORDER BY key")
    except sqlite3.Error as error:
        raise StoreUnavailableError(str(file), f"it cannot be read: {error}") from error


class _Syncs:
    """Has the disk take what was committed: SQLite's log, which the file itself is made from again.

    That is all that SQLite would do for a commit that must survive a loss of power.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._wanted, self._over = Event(), Event()
        self._thread: Thread | None = None

    def now(self) -> None:
        """Return when the disk has it; raises `StoreUnavailableError` if the disk refuses."""
        try:
            descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # everything is in the file
            return
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            raise StoreUnavailableError(str(self._log), f"the disk refuses: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def soon(self) -> None:
        """Have it done within a second, beside whatever is done here."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="alula-fsync", daemon=True)
            self._thread.start()
        self._wanted.set()

    def close(self) -> None:
        """End, when the disk has everything."""
        self._over.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        self._try()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wanted.wait()
            self._over.wait(_SECOND)
            self._wanted.clear()
            self._try()

    def _try(self) -> None:
        try:
            self.now()
        except StoreUnavailableError as error:
            _log.error("%s", error)

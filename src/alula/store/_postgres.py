"""Postgres as the store of many machines: how it is reached, and what its errors mean.

One advisory lock keeps the order that SQLite's write lock keeps: whoever decides something writes alone,
whoever writes behind a fence shares the lock with others who do. So what a fence has seen stays true until
its commit, and two decisions never cross. A server that goes away and comes back is waited for; where the
answer to a commit was lost with the connection, a row that the transaction has signed tells how it went.
"""

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import chain, count, repeat
from time import monotonic
from typing import Any, Final

from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.pool import NullPool

from .._core._settings import Durability
from ..errors import MissingExtraError, StoreUnavailableError
from ._beats import Beats
from ._database import BUSY, Database
from ._lent import Isolation
from ._notify import NotifyDoorbell

__all__ = ["Postgres"]

_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_BESIDE: Final = "BEGIN; SET LOCAL synchronous_commit = off"
_LOCK: Final = 0x616C756C61  # "alula": the one advisory lock of a database
_SHARE: Final = f"SELECT pg_advisory_xact_lock_shared({_LOCK})"
_SHARED: Final = f"BEGIN; {_SHARE}"
_ALONE: Final = f"BEGIN; SELECT pg_advisory_xact_lock({_LOCK})"

_TRIES: Final = (0.0, 0.05, 0.1, 0.2, 0.4)  # seconds between attempts to reach a server; the last goes on
_NETWORK: Final = {  # a machine that vanishes without a word is missed after half a minute
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "alula",
}
_SETTINGS: Final = f"SET lock_timeout = '{BUSY:g}s'"
_FULL: Final = """
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local')
"""

_GONE: Final = ("08", "57P01", "57P02", "57P03")  # the connection failed, or the server ends or begins
_CROSSED: Final = ("40001", "40P01")  # two transactions were in each other's way

_LOCKED: Final = "55P03"
_OF_STATEMENTS: Final = ("28", "3D", "42", "57014")  # they may be wrong, or take longer than they say

_REASONS: Final = {
    "25006": "it is read-only: name the primary server in ALULA_STORE, not a standby",
    "28": "the server does not let this user in: correct user and password in ALULA_STORE",
    "3D000": "there is no such database: make it with createdb, or correct ALULA_STORE",
    "40": "another writer was in the way: try again",
    "42501": "this user may not do that: grant it CREATE on the schema",
    "53100": "the server's disk is full: free some space there",
    "53300": "the server has too many connections: raise max_connections",
    "55P03": f"another process has been writing to it for more than {BUSY:g} s",
    "53": "the server has run out of something",
    "57": "the server ended the connection",
    "58": "the server's disk refuses: it is full or failing",
    "XX": "the server found its data damaged: restore them from a copy",
}
_AT_THE_DOOR: Final = {  # a connection that is refused comes without a code; what stands first counts
    "too many": "53300",
    "remaining connection slots": "53300",
    "permission denied": "42501",
    "password": "28",
    "authentication": "28",
    "no pg_hba.conf entry": "28",
    'role "': "28",
    'database "': "3D000",
}

_TABLES = MetaData()
_WRITERS = Table(
    "writers",
    _TABLES,
    Column("writer", String(32), primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
_MINE = insert(_WRITERS).values(writer=bindparam("w"), batch=bindparam("n"), at=func.now())
_SIGN: Final = _MINE.on_conflict_do_update(
    index_elements=[_WRITERS.c.writer], set_={"batch": bindparam("n"), "at": func.now()}
)
_SIGNED: Final = select(_WRITERS.c.batch).where(_WRITERS.c.writer == bindparam("w"))
_OLD: Final = delete(_WRITERS).where(_WRITERS.c.at < func.now() - text("interval '1 day'"))


class Postgres(Database):
    """A database of a server."""

    shared = True

    def __init__(self, url: URL, durability: Durability) -> None:
        """Connect once, so that a place that is wrong is named at once.

        Raises
        ------
        StoreUnavailableError
            If it cannot be reached; says where and why.
        MissingExtraError
            If the driver is not installed.
        """
        url = url.set(drivername="postgresql+psycopg")
        # Parameters of a URL may hold secrets as well as the password does.
        shown = url.set(drivername="postgresql", query={}).render_as_string()
        super().__init__(url.render_as_string(hide_password=False), shown, _open(url, durability))
        self._writer, self._batches, self._signed = secrets.token_hex(8), count(1), False
        self._keep(self._engine.connect(), self._idle)

    def reason(self, error: BaseException) -> str | None:
        """Say why the store cannot be used; None if an error of the driver is about data or statement."""
        code, said = _code(error), str(error).strip().partition("\n")[0]
        if code.startswith("08"):
            return f"no server answers there: start it, or correct ALULA_STORE ({said})"
        known = next((why for prefix, why in _REASONS.items() if code.startswith(prefix)), None)
        return known and f"{known} ({said})"

    def reading(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that reads one state of the database."""
        return self._transaction(_READ)

    def writing(self, *, alone: bool) -> AbstractContextManager[Connection]:
        """Begin a transaction that writes, alone or beside others that are not."""
        return self._transaction(_ALONE if alone else _SHARED)

    def lending(self, isolation: Isolation) -> AbstractContextManager[Connection]:
        """Begin a transaction in which nothing of the store's is locked."""
        return self._transaction(f"BEGIN ISOLATION LEVEL {isolation}", lent=True)

    def told(self, error: BaseException) -> StoreUnavailableError | None:
        """Say so if an error is one of the server, or of another transaction, rather than of a statement."""
        return None if _code(error).startswith(_OF_STATEMENTS) else self._explain(error)

    def settle(self, connection: Connection) -> None:
        """Share the store's lock with others that stand behind fences, from here to the commit."""
        connection.exec_driver_sql(_SHARE)

    def beside(self) -> AbstractContextManager[Connection]:
        """Begin a small transaction that touches nothing of the store's: it waits for no writer or disk."""
        return self._transaction(_BESIDE)

    def connect(self) -> Any:
        """Give a connection of the driver that is nobody else's, to be closed by the caller."""
        with self.translated():
            pooled = self._engine.raw_connection()
            connection = pooled.dbapi_connection
            pooled.detach()
            return connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of a connection on which no statement is SQLAlchemy's."""
        try:
            yield
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise self.unavailable(self.reason(error) or str(error)) from error

    def prepare(self, connection: Connection) -> None:
        """Make the tables of writers and of living executors."""
        _TABLES.create_all(connection)
        Beats.tables.create_all(connection)
        connection.execute(_OLD)

    def doorbell(self) -> NotifyDoorbell:
        """Make a doorbell for all who are connected to this database."""
        return NotifyDoorbell(self)

    def locks(self) -> Beats:
        """Make the locks of executors: rows that expire."""
        return Beats(self.beside)

    def sign(self, connection: Connection) -> int:
        """Write the number of this transaction into this process's row."""
        number, self._signed = next(self._batches), True
        connection.execute(_SIGN, {"w": self._writer, "n": number})
        return number

    def kept(self, signature: int) -> bool:
        """Look into this process's row, when the transaction that was lost on the way has ended."""
        with self.writing(alone=True) as connection:  # it holds the lock as long as it lives
            return bool(connection.scalar(_SIGNED, {"w": self._writer}) == signature)

    def is_passing(self, error: StoreUnavailableError) -> bool:
        """Tell whether the connection was lost, or two writers crossed."""
        return _code(error.__cause__).startswith((*_GONE, *_CROSSED))

    def is_busy(self, error: StoreUnavailableError) -> bool:
        """Tell whether another transaction was in the way, or held a lock for too long."""
        return _code(error.__cause__).startswith((*_CROSSED, _LOCKED))

    def close(self) -> None:
        """Let go of all connections; the row of this process goes as well, if the server is there."""
        self._closing.set()
        if self._signed:
            with suppress(StoreUnavailableError), self.beside() as connection:
                connection.execute(delete(_WRITERS).where(_WRITERS.c.writer == self._writer))
        super().close()

    def after_fork(self) -> None:
        """Begin anew in a forked child, under a name of its own."""
        super().after_fork()
        self._writer, self._signed = secrets.token_hex(8), False

    def _begun(self, begin: str, idle: list[Connection]) -> Connection:
        """Begin a transaction; nothing is done yet, so a server that is away may be waited for."""
        until = monotonic() + BUSY
        for pause in chain(_TRIES, repeat(_TRIES[-1])):
            try:
                return super()._begun(begin, idle)
            except StoreUnavailableError as error:
                gone = _code(error.__cause__).startswith(_GONE)
                self._drop_idle()  # they are of the same server
                if not gone or monotonic() > until or self._closing.wait(pause):
                    raise
        raise AssertionError("the attempts never end")


def _open(url: URL, durability: Durability) -> Engine:
    given = {name: value for name, value in _NETWORK.items() if name not in url.query}
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args=given)
    except ModuleNotFoundError as error:
        raise MissingExtraError("psycopg", "postgres", "a store on Postgres") from error
    settings = f"{_SETTINGS}; {_FULL}" if durability == "full" else _SETTINGS

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.autocommit = True  # else the driver begins transactions of its own accord
        connection.execute(settings)

    return engine


def _code(error: BaseException | None) -> str:
    """Give the SQLSTATE of an error, 08000 for a connection that was lost or not to be had."""
    code = getattr(error, "sqlstate", None)
    if code or type(error).__name__ != "OperationalError":  # the driver's own, and none of its heirs
        return code or ""
    refusal = str(error).partition("FATAL:")[2]
    return next((code for word, code in _AT_THE_DOOR.items() if word in refusal), "08000")

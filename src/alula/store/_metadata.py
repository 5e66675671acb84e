"""The store of metadata and records: transactions, group commit, and a doorbell.

It knows nothing of what it keeps: each layer brings its own tables. Large values stand beside it in
`Artifacts`, who may write what is the business of a fence.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain, repeat
from random import uniform
from threading import Lock, get_ident
from time import monotonic, sleep
from typing import Final, TypeVar
from weakref import WeakSet

from sqlalchemy import URL, Column, Connection, Integer, MetaData, String, Table, insert, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from .._core._clock import SYSTEM, Clock
from .._core._gates import gate
from .._core._settings import Durability
from .._core._shield import Shield
from ..errors import StoreUnavailableError
from ._database import BUSY, Database, Doorbell, Locks
from ._lent import Isolation, lent
from ._postgres import Postgres
from ._sqlite import SQLite
from ._writer import Fence, Piece, Writer

__all__ = ["Store"]

R = TypeVar("R")

_METADATA = MetaData()
_LAYERS = Table(
    "layers",
    _METADATA,
    Column("layer", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
)


_KINDS: Final[dict[str, Callable[[URL, Durability], Database]]] = {
    "postgres": Postgres,
    "postgresql": Postgres,
    "sqlite": SQLite,
}
_PATIENCE: Final = (
    20.0  # seconds for which a transaction that was lent is begun anew, others being in its way
)
_PAUSES: Final = (
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.5,
)  # seconds between these attempts, at most; the last goes on

_TRIES: Final = 5  # times that a write is begun anew because the connection was lost on the way


class Store:
    """Tables that many processes read and write; safe to use from any thread.

    Attributes
    ----------
    url
        SQLAlchemy URL, good for opening the same store in another process; may hold a password.
    clock
        Where those who use the store read the time of their records.
    locks
        By which living executors are told from dead ones.
    shared
        Whether other machines can reach it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.url, self.clock, self.shared = database.url, clock, database.shared
        self._database = database
        self._closed = False
        self._ensured: dict[str, int] = {}
        self._begin_life()
        _opened.add(self)

    @classmethod
    def open(cls, url: str, *, durability: Durability = "normal", clock: Clock = SYSTEM) -> "Store":
        """Open a store, making its tables, and a file's folder, if there are none.

        Parameters
        ----------
        url
            SQLAlchemy URL of a file, ``sqlite:////home/me/alula.db``, or of a database on a Postgres
            server, ``postgresql://user:password@host/name``.
        durability
            ``"normal"``: a commit survives the death of any process; ``"full"``: also loss of power. On
            Postgres, ``"normal"`` leaves both to the server's ``synchronous_commit``, which is on unless
            somebody turned it off, and ``"full"`` turns it on.

        Raises
        ------
        StoreUnavailableError
            If it cannot be opened and written: read-only, disk full, not a database, no folder, no
            server. The message names the place and what to do.
        MissingExtraError
            If it needs a driver that is not installed.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise StoreUnavailableError(url, "that is no database URL, such as sqlite:////a/b.db") from error
        kind = _KINDS.get(parsed.get_backend_name())
        if kind is None:
            raise StoreUnavailableError(str(parsed), "only sqlite: and postgresql: URLs can be used")
        store = cls(kind(parsed, durability), clock)
        try:
            with store.transaction() as connection:  # proves that it can be written, not only read
                _METADATA.create_all(connection)
                store._database.prepare(connection)
        except StoreUnavailableError:
            store.close()
            raise
        return store

    def ensure(self, layer: str, version: int, tables: MetaData) -> None:
        """Make a layer's tables at the first use of this store, and note their version.

        Raises
        ------
        StoreUnavailableError
            If the store has this layer in another version than this program knows.
        """
        if self._ensured.get(layer) == version:
            return
        asked = select(_LAYERS.c.version).where(_LAYERS.c.layer == layer)
        with self.reading() as connection:
            found = connection.scalar(asked)
        if found is None:
            with self.transaction() as connection:
                found = connection.scalar(asked)  # another process may have been faster
                if found is None:
                    tables.create_all(connection)
                    connection.execute(insert(_LAYERS).values(layer=layer, version=version))
                    found = version
        if found > version:
            raise self._unavailable(
                f"a newer Alula wrote its {layer} (format {found}, this one knows {version}): upgrade alula"
            )
        if found < version:
            raise self._unavailable(
                f"its {layer} has the old format {found}, and this Alula needs {version}: start a new store"
            )
        self._ensured[layer] = version  # as it will be for as long as this process has the store open

    @contextmanager
    def transaction(self, fence: Fence | None = None) -> Iterator[Connection]:
        """Write: all that is done with the connection is kept when the block ends, or nothing.

        Without a fence, nobody else writes meanwhile, in any process. Ctrl-C waits for the end of the block.

        Parameters
        ----------
        fence
            Asked first; what it raises ends the transaction before it has begun its work. Others that
            have a fence may write at the same time, so it has to lock what it reads, and nothing may be
            touched but what it guards.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be written, or another writer has held it for 10 s.
        FencedError
            From the fence.
        RuntimeError
            If this thread is inside a transaction of this store already.
        """
        begin = partial(self._database.writing, alone=fence is None)
        with Shield(), self._transaction(begin) as connection:
            if fence is not None:
                fence(connection)
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read: all that is asked in the block is answered from one state of the store.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be read.
        """
        self._check()
        with self._database.reading() as connection:
            yield connection

    def post(
        self,
        work: Callable[[Connection], R],
        then: Callable[[R | None, BaseException | None], None],
        *,
        fence: Fence | None = None,
        lasting: bool = False,
        patient: bool = False,
    ) -> None:
        """Write soon, together with what others post; return at once.

        Parameters
        ----------
        work
            Called in the writer's thread inside a transaction. If it or the fence raises, what it did
            is undone and nobody else is affected. It may be called again, when what it did was undone
            because another's work failed or the connection was lost: the last call counts.
        then
            Called in the order of posting, in the writer's thread, when the write is durable: with
            what `work` returned and None; or with None and the error. Must not block.
        fence
            Asked before `work`, in the same transaction; as in `transaction`.
        lasting
            Whether what `work` changes is nothing that `fence` asks for. Of such writes that come to stand
            behind each other in one transaction, with fences that are equal, only the first is asked.
        patient
            Whether it may wait two milliseconds for other writes to be made in the same transaction.

        Raises
        ------
        StoreUnavailableError
            If the store is closed; then nothing was queued.
        """
        if not self._writer.post(Piece(work, then, fence, lasting, patient)):
            raise self._unavailable("it was closed in this process")

    def lend(
        self,
        body: Callable[[Connection], R],
        record: Callable[[Connection, R], object],
        *,
        fence: Fence,
        isolation: Isolation = "SERIALIZABLE",
    ) -> R:
        """Let the code of others work in a transaction, and record in the same one what came of it.

        On SQLite nobody else writes from the beginning to the end. On Postgres others do, and wait only for
        what `body` itself has locked.

        Parameters
        ----------
        body
            Does what it likes with the connection, but neither ends its transaction nor changes the store's
            tables. It is called again, after what it did was undone, when another transaction was in
            its way or the connection was lost; for twenty seconds.
        record
            Told what `body` has returned, when the fence has agreed; may be called again with it.
        fence
            Asked when `body` has returned; as in `transaction`.
        isolation
            What it sees of others on Postgres.

        Raises
        ------
        TransactionError
            If `body` has ended the transaction, or tried to.
        DBAPIError
            SQLAlchemy's, from `body`; also in the end if others were in its way for too long.
        FencedError
            From the fence.
        StoreUnavailableError
            If the store cannot be written.
        RuntimeError
            If this thread is inside a transaction of this store already.
        """
        until = monotonic() + _PATIENCE
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            try:
                return self._lend(body, record, fence, isolation)
            except (StoreUnavailableError, DBAPIError) as error:
                if monotonic() > until or not self._is_beginning_anew(error):
                    raise
            sleep(uniform(0, pause))
        raise AssertionError("the attempts never end")

    def ring(self, topic: str) -> None:
        """Wake those who listen to a topic, in all processes of the store; never blocks, never fails."""
        self._doorbell.ring(topic)

    def listen(self, topic: str, then: Callable[[], None]) -> Callable[[], None]:
        """Call `then` after each ring of a topic, until the function that is returned is called.

        It runs in a thread of its own; rings that come while it runs are answered by one more call.
        A ring from before is not heard, so look into the store once after this.

        Raises
        ------
        StoreUnavailableError
            If this user has no folder for sockets.
        """
        return self._doorbell.listen(topic, then)

    def is_told_by(self, error: StoreUnavailableError) -> bool:
        """Tell whether an error is about this store, rather than about another or the artifacts."""
        return error.where == self._unavailable("").where

    def close(self) -> None:
        """Write what is posted, tell those who posted it, and let go of the database."""
        self._writer.close()
        self._closed = True
        self._doorbell.close()
        self._database.close()

    # ------------------------------------------------------------------------------------- inside

    def _begin_life(self) -> None:
        self._turn, self._writes_now = Lock(), 0
        self._doorbell: Doorbell = self._database.doorbell()
        self.locks: Locks = self._database.locks()
        self._writer: Writer = Writer(self._certainly)

    def _check(self) -> None:
        if self._closed:
            raise self._unavailable("it was closed in this process")

    def _unavailable(self, why: str) -> StoreUnavailableError:
        return self._database.unavailable(why)

    @contextmanager
    def _transaction(self, begin: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        with self._take_turn():
            self._check()
            with begin() as connection:
                yield connection
                gate("store.before_commit")
            gate("store.committed")

    def _lend(
        self,
        body: Callable[[Connection], R],
        record: Callable[[Connection, R], object],
        fence: Fence,
        isolation: Isolation,
    ) -> R:
        with self._transaction(partial(self._database.lending, isolation)) as connection:
            try:
                with lent(connection, self._told):
                    done = body(connection)
            except DBAPIError as error:
                told = self._told(error)
                if told is None or self._database.is_busy(told):  # two want the same
                    raise
                raise told from error.orig
            self._database.settle(connection)
            fence(connection)
            try:
                record(connection, done)
            except IntegrityError as error:
                why = "what other writers have decided was in the way again and again"
                raise _CrossedError(self._unavailable("").where, why) from error
            gate("store.lent")
        return done

    def _is_beginning_anew(self, error: StoreUnavailableError | DBAPIError) -> bool:
        """Tell whether a transaction that was lent may well go better the next time."""
        told = error if isinstance(error, StoreUnavailableError) else self._told(error)
        if told is None or told.of_task:
            return False
        is_crossed = isinstance(told, _CrossedError)
        return is_crossed or self._database.is_passing(told) or self._database.is_busy(told)

    def _told(self, error: DBAPIError) -> StoreUnavailableError | None:
        told = None if error.orig is None else self._database.told(error.orig)
        if told is not None:
            told.__cause__ = error.orig
        return told

    def _certainly(self, work: Callable[[Connection], R], *, alone: bool) -> R:
        """Do some work in a transaction, and again if that was lost on its way, but never twice."""
        for last in (*[False] * _TRIES, True):
            begun, signed = False, 0
            try:
                with self._transaction(partial(self._database.writing, alone=alone)) as connection:
                    begun = True
                    done = work(connection)
                    signed = self._database.sign(connection)
            except StoreUnavailableError as error:
                if last or not begun or not self._database.is_passing(error):
                    raise
                if signed and self._database.kept(signed):
                    return done
            else:
                return done
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _take_turn(self) -> Iterator[None]:
        """Queue the writers of this process on a lock, where the database would let them sleep and retry."""
        if self._writes_now == get_ident():
            raise RuntimeError("this thread is in a transaction of this store: hand its connection on")
        if not self._turn.acquire(timeout=BUSY):
            raise self._unavailable(f"another thread has been writing for more than {BUSY:g} s")
        self._writes_now = get_ident()
        try:
            yield
        finally:
            self._writes_now = 0
            self._turn.release()

    def _after_fork(self) -> None:
        """Begin anew in a forked child, for which the parent's connections must stay untouched."""
        self._database.after_fork()
        self._doorbell.forget()
        if not self._closed:
            self._begin_life()


class _CrossedError(StoreUnavailableError):
    """What is recorded was decided by a view of the store that others have changed."""


_opened: WeakSet[Store] = WeakSet()


def _renew_all() -> None:
    for store in _opened:
        store._after_fork()


os.register_at_fork(after_in_child=_renew_all)

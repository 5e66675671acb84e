"""The store of metadata and records: transactions, group commit, and a doorbell.

It knows nothing of what it keeps: each layer brings its own tables. Large values stand beside it in
`Artifacts`, who may write what is the business of a fence.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident
from typing import TypeVar
from weakref import WeakSet

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, insert, make_url, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import Pool

from .._core._clock import SYSTEM, Clock
from .._core._gates import gate
from .._core._settings import Durability
from ..errors import StoreUnavailableError
from ._doorbell import Doorbell
from ._sqlite import BEGIN, BUSY, WRITE, database_file, open_sqlite
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


class Store:
    """Tables that many processes of a machine read and write; safe to use from any thread.

    Attributes
    ----------
    url
        Absolute SQLAlchemy URL, good for opening the same store in another process.
    clock
        Where those who use the store read the time of their records.
    file
        The database; what belongs to it and is no table lies beside it.
    """

    def __init__(self, engine: Engine, file: Path, clock: Clock) -> None:
        self.url, self.clock, self.file = f"sqlite:///{file}", clock, file
        self._engine = engine
        self._writing = engine.execution_options(**{BEGIN: WRITE})
        self._inode = file.stat().st_ino
        self._closed = False
        self._begin_life()
        _opened.add(self)

    @classmethod
    def open(cls, url: str, *, durability: Durability = "normal", clock: Clock = SYSTEM) -> "Store":
        """Open a store, making its folder and file if there are none.

        Parameters
        ----------
        url
            SQLAlchemy URL of a file: ``sqlite:////home/me/alula.db``.
        durability
            ``"normal"``: a commit survives the death of any process; ``"full"``: also loss of power.

        Raises
        ------
        StoreUnavailableError
            If it cannot be opened and written: read-only, disk full, not a database, no folder. The
            message names the place and what to do.
        """
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise StoreUnavailableError(url, "that is no database URL, such as sqlite:////a/b.db") from error
        if parsed.get_backend_name() != "sqlite":
            raise StoreUnavailableError(str(parsed), "only sqlite: URLs can be used in this version")
        file = database_file(parsed)
        store = cls(open_sqlite(parsed.set(database=str(file)), durability), file, clock)
        try:
            with store.transaction() as connection:  # proves that it can be written, not only read
                _METADATA.create_all(connection)
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
        asked = select(_LAYERS.c.version).where(_LAYERS.c.layer == layer)
        with self.reading() as connection:
            found = connection.scalar(asked)
        if found is None:
            with self.transaction() as connection:
                found = connection.scalar(asked)  # another process may have been faster
                if found is None:
                    tables.create_all(connection)
                    connection.execute(insert(_LAYERS).values(layer=layer, version=version))
                    return
        if found > version:
            raise self._unavailable(
                f"a newer Alula wrote its {layer} (format {found}, this one knows {version}): upgrade alula"
            )
        if found < version:
            raise self._unavailable(
                f"its {layer} has the old format {found}, and this Alula needs {version}: start a new store"
            )

    @contextmanager
    def transaction(self, fence: Fence | None = None) -> Iterator[Connection]:
        """Write: all that is done with the connection is kept when the block ends, or nothing.

        Parameters
        ----------
        fence
            Asked first; what it raises ends the transaction before it has begun its work.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be written, or another writer has held it for 10 s.
        FencedError
            From the fence.
        RuntimeError
            If this thread is inside a transaction of this store already.
        """
        with self._take_turn():
            with self._connect(self._writing) as connection, connection.begin():
                if fence is not None:
                    fence(connection)
                yield connection
                gate("store.before_commit")
            gate("store.committed")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read: all that is asked in the block is answered from one state of the store.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be read.
        """
        with self._connect(self._engine) as connection, connection.begin():
            yield connection

    def post(
        self,
        work: Callable[[Connection], R],
        then: Callable[[R | None, BaseException | None], None],
        *,
        fence: Fence | None = None,
    ) -> None:
        """Write soon, together with what others post; return at once.

        Parameters
        ----------
        work
            Called in the writer's thread inside a transaction. If it or the fence raises, what it did
            is undone and nobody else is affected.
        then
            Called in the order of posting, in the writer's thread, when the write is durable: with
            what `work` returned and None; or with None and the error. Must not block.
        fence
            Asked before `work`, in the same transaction.

        Raises
        ------
        StoreUnavailableError
            If the store is closed; then nothing was queued.
        """
        if not self._writer.post(Piece(work, then, fence)):
            raise self._unavailable("it was closed in this process")

    def ring(self, topic: str) -> None:
        """Wake those who listen to a topic, in all processes of this user; never blocks, never fails."""
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

    def close(self) -> None:
        """Write what is posted, tell those who posted it, and let go of the database."""
        self._writer.close()
        self._closed = True
        self._doorbell.close()
        self._engine.dispose()

    # ------------------------------------------------------------------------------------- inside

    def _begin_life(self) -> None:
        self._turn, self._writes_now = Lock(), 0
        self._doorbell: Doorbell = Doorbell(self.url)
        self._writer: Writer = Writer(self.transaction)

    def _connect(self, engine: Engine) -> Connection:
        if self._closed:
            raise self._unavailable("it was closed in this process")
        # SQLite would go on writing into a file that has no name any more, and never say a word.
        try:
            inode = self.file.stat().st_ino
        except OSError as error:
            raise self._unavailable(f"it is gone ({error.strerror})") from error
        if inode != self._inode:
            raise self._unavailable("the file was replaced by another while it was open")
        return engine.connect()

    def _unavailable(self, why: str) -> StoreUnavailableError:
        return StoreUnavailableError(str(self.file), why)

    @contextmanager
    def _take_turn(self) -> Iterator[None]:
        """Queue the writers of this process on a lock, where SQLite would let them sleep and retry."""
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
        """Begin anew in a forked child, for which SQLite's connections must stay untouched."""
        _inherited.append(self._engine.pool)
        self._engine.dispose(close=False)
        self._doorbell.forget()
        if not self._closed:
            self._begin_life()


_opened: WeakSet[Store] = WeakSet()
_inherited: list[Pool] = []  # never freed: to close the parent's connections here would end its locks


def _renew_all() -> None:
    for store in _opened:
        store._after_fork()


os.register_at_fork(after_in_child=_renew_all)

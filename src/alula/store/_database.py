"""What differs between the databases that a store can stand on, and nothing else.

`SQLite` is a file that the processes of one machine share; `Postgres` is a server that many machines
reach. Each says how a transaction begins, what its errors mean, how a ring gets around, and how a
living executor is told from a dead one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Event
from typing import ClassVar, Final, Protocol, cast

from sqlalchemy import Connection, Engine, RootTransaction, event
from sqlalchemy.engine import ExceptionContext

from ..errors import StoreUnavailableError
from ._lent import Isolation, is_lent
from ._prepared import EXPLAIN, say

__all__ = ["BUSY", "Database", "Doorbell", "Locks"]

BUSY: Final = 10.0
"""Seconds that a writer waits for another one, or for a server that is away, before it gives up."""


class Doorbell(Protocol):
    """Wakes those who wait for news in other processes."""

    def ring(self, topic: str) -> None:
        """Wake every listener of a topic; never blocks, never fails."""
        ...

    def listen(self, topic: str, then: Callable[[], None]) -> Callable[[], None]:
        """Call `then` in a thread of its own after each ring; give the function that ends this."""
        ...

    def close(self) -> None:
        """End all listeners; what was rung before has been sent."""
        ...

    def forget(self) -> None:
        """Let go, in a forked child, of what is the parent's."""
        ...


class Locks(Protocol):
    """Tells living executors from dead ones: one lock for each holder of a name."""

    def take(self, connection: Connection, name: str, epoch: int) -> None:
        """Lock, until `give_back` or the end of this process; what is written is written by `connection`.

        Raises
        ------
        StoreUnavailableError
            If somebody has that lock.
        """
        ...

    def taken(self, name: str, epoch: int) -> bool:
        """Tell whether its holder lives."""
        ...

    def give_back(self, name: str, epoch: int) -> None:
        """Unlock, if this process holds it."""
        ...

    def forget(self, name: str, epoch: int) -> None:
        """Remove what a dead holder has left."""
        ...


class Database(ABC):
    """One open database; safe to use from any thread.

    Attributes
    ----------
    url
        Good for opening it in another process; may hold a password.
    where
        Its name for people, without the password.
    shared
        Whether other machines can reach it.
    """

    url: str
    where: str
    shared: ClassVar[bool]

    def __init__(self, url: str, where: str, engine: Engine) -> None:
        self.url, self.where, self._engine = url, where, engine
        self._idle: list[Connection] = []
        self._lent: list[Connection] = []  # idle ones, whose settings others may have changed
        self._closing = Event()
        engine.update_execution_options(**{EXPLAIN: self._explain})
        event.listen(engine, "handle_error", self._translate, retval=True)

    @abstractmethod
    def reason(self, error: BaseException) -> str | None:
        """Say why the store cannot be used; None if an error of the driver is about data or statement."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that reads one state of the database."""

    @abstractmethod
    def writing(self, *, alone: bool) -> AbstractContextManager[Connection]:
        """Begin a transaction that writes; it is committed when the block ends.

        Parameters
        ----------
        alone
            Whether no other process may write meanwhile; else those that are not alone may.
        """

    @abstractmethod
    def lending(self, isolation: Isolation) -> AbstractContextManager[Connection]:
        """Begin a transaction for the code of others; it is committed when the block ends.

        What that code's statements do wrong is told in the words of SQLAlchemy.
        """

    @abstractmethod
    def told(self, error: BaseException) -> StoreUnavailableError | None:
        """Say so if an error of the driver is one of the store; None if it is one of others' statement."""

    def settle(self, connection: Connection) -> None:
        """Go over, in a transaction that was lent, to what else is written behind a fence."""
        return None

    def prepare(self, connection: Connection) -> None:
        """Make the tables that this kind of database needs for itself."""
        return None

    @abstractmethod
    def doorbell(self) -> Doorbell:
        """Make a doorbell for this process."""

    @abstractmethod
    def locks(self) -> Locks:
        """Make the locks of executors."""

    def sign(self, connection: Connection) -> int:
        """Note in a transaction what will tell, should the answer to its commit be lost, how it went."""
        return 0

    def kept(self, signature: int) -> bool:
        """Tell whether a transaction that was signed has been committed, as soon as that is certain."""
        return False

    def is_passing(self, error: StoreUnavailableError) -> bool:
        """Tell whether a transaction failed through no fault of its own, so that another may go well."""
        return False

    def is_busy(self, error: StoreUnavailableError) -> bool:
        """Tell whether a transaction failed because others were in its way, or held what it needs."""
        return False

    def unavailable(self, why: str) -> StoreUnavailableError:
        """Give the error that names this database."""
        return StoreUnavailableError(self.where, why)

    def close(self) -> None:
        """Let go of all connections."""
        self._closing.set()
        self._drop_idle()

    def after_fork(self) -> None:
        """Begin anew in a forked child, for which the parent's connections must stay untouched."""
        _inherited.extend((self._idle, self._lent))
        self._idle, self._lent, self._closing = [], [], Event()

    def _explain(self, error: BaseException) -> StoreUnavailableError | None:
        why = self.reason(error)
        return None if why is None else self.unavailable(why)

    def _translate(self, context: ExceptionContext) -> BaseException | None:
        return None if is_lent(context) else self._explain(context.original_exception)

    @contextmanager
    def _transaction(self, begin: str, *, lent: bool = False) -> Iterator[Connection]:
        """Stand around a transaction, which is committed when the block ends."""
        idle = self._lent if lent else self._idle
        connection = self._begun(begin, idle)
        try:
            with cast("RootTransaction", connection.get_transaction()):
                yield connection
        finally:
            self._keep(connection, idle)

    def _begun(self, begin: str, idle: list[Connection]) -> Connection:
        """Begin a transaction on a connection that is idle, or a new one."""
        try:
            connection = idle.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            connection.begin()
            say(connection, begin)
        except BaseException:
            connection.close()
            raise
        return connection

    def _keep(self, connection: Connection, idle: list[Connection]) -> None:
        """Keep a connection for the next transaction; to make one costs more than both."""
        lost = connection.closed or connection.invalidated
        if lost or connection.in_transaction() or len(idle) >= _MOST:
            connection.close()
        else:
            idle.append(connection)
        if self._closing.is_set():  # meanwhile
            self._drop_idle()

    def _drop_idle(self) -> None:
        for idle in (self._idle, self._lent):
            with suppress(IndexError):
                while True:
                    idle.pop().close()


_MOST: Final = 8  # idle connections; threads beyond that make their own rather than wait for one
_inherited: list[list[Connection]] = []  # never freed: to close the parent's connections would end its locks

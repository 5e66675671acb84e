"""A site: what one instance and its buckets share, each part opened at its first use."""

import atexit
from collections.abc import Callable
from threading import RLock

from .._core._settings import Settings
from ..errors import StoreUnavailableError
from ..futures import Engine, current
from ..objects import Catalogs, open_catalogs
from ..store import ExecutorInfo, Executors, Store
from ..workflow import Executor

__all__ = ["Site"]


class Site:
    """What runtimes and catalogs stand on; safe to use from any thread.

    Attributes
    ----------
    settings
        Of all that is opened here.
    """

    def __init__(self, settings: Settings, executor: Callable[[], Executor] | None = None) -> None:
        """Make a site; nothing is opened before its first use.

        Parameters
        ----------
        executor
            Gives one that somebody else closes; by default the site opens its own.
        """
        self.settings = settings
        self._given = executor
        self._lock = RLock()
        atexit.register(self.close)
        self._opened: Catalogs | None = None
        self._buckets: dict[str, Catalogs] = {}
        self._own: Executor | None = None
        self._closed = False

    @property
    def store(self) -> Store:
        """The store."""
        return self.catalogs(self.settings.bucket).store

    @property
    def executor(self) -> Executor:
        """The executor through which this process submits.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be opened, or the site is closed.
        """
        with self._lock:
            self._check()
            if self._given is not None:
                return self._given()
            if self._own is None:
                self._own = Executor.open(self.settings, engine=self._engine)
            return self._own

    def catalogs(self, bucket: str) -> Catalogs:
        """Give the catalogs of a bucket.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be opened, or the site is closed.
        """
        with self._lock:
            self._check()
            if self._opened is None:
                self._opened = open_catalogs(self.settings)
            if bucket not in self._buckets:
                self._buckets[bucket] = self._opened[bucket]
            return self._buckets[bucket]

    def executors(self) -> list[ExecutorInfo]:
        """Give the executors that live, this process's among them, by name."""
        _ = self.executor
        return Executors(self.store).alive()

    def close(self) -> None:
        """Close what was opened, once and for all; what is unfinished goes back to the queue."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
            executor, self._own = self._own, None
            opened, self._opened = self._opened, None
            self._buckets.clear()
        if executor is not None:
            executor.close()
        if opened is not None:
            opened.close()

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailableError(self.settings.store, "this instance of Alula was closed")

    def _engine(self) -> Engine:
        engine = current()
        # At the exit of the process the executor has to let go before its engine ends.
        atexit.unregister(self.close)
        atexit.register(self.close)
        return engine

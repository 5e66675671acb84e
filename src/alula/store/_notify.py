"""A doorbell through Postgres: NOTIFY rings, LISTEN hears, on all machines that share a database.

One connection and one thread of a process listen for all topics; another thread rings, so that whoever
rings waits for nobody. What was rung while the connection was lost cannot be known: when there is one
again, every listener is woken once.
"""

import logging
import select
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from threading import Condition, Event, Lock, Thread, current_thread
from typing import Any, Final, Protocol

from sqlalchemy import Connection, bindparam, func
from sqlalchemy import select as select_

from ..errors import StoreUnavailableError

__all__ = ["NotifyDoorbell", "Wire"]

_CHANNEL: Final = "alula"
_RING: Final = select_(func.pg_notify(_CHANNEL, bindparam("topic")))
_PAUSE: Final = 0.2  # seconds between attempts to listen again
_PATIENCE: Final = 5.0  # seconds that the end waits for rings to go out

_log = logging.getLogger("alula.store")


class Wire(Protocol):
    """The way to the server."""

    def connect(self) -> Any:
        """Give a connection of the driver that is nobody else's, to be closed by the caller."""
        ...

    def translated(self) -> AbstractContextManager[None]:
        """Turn the driver's errors into `StoreUnavailableError`."""
        ...

    def beside(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that waits for no writer."""
        ...


class NotifyDoorbell:
    """Rings and listens for one store; what each call does is said by `Doorbell`."""

    def __init__(self, wire: Wire) -> None:
        """Take the way to the server; both threads are started when they are first needed."""
        self._wire = wire
        self._lock = Lock()
        self._ears: dict[str, list[_Ear]] = {}
        self._listening: _Listening | None = None
        self._ringing: _Ringing | None = None
        self._closed = False

    def ring(self, topic: str) -> None:
        """Wake every listener of a topic; the thread that rings does so soon."""
        with self._lock:
            if self._closed:
                return
            if self._ringing is None:
                self._ringing = _Ringing(self._wire)
            self._ringing.add(topic)

    def listen(self, topic: str, then: Callable[[], None]) -> Callable[[], None]:
        """Call `then` after each ring; when this returns, the server knows of it."""
        with self._lock:
            if self._listening is None:
                self._listening = _Listening(self._wire, self._heard)
            ear = _Ear(then)
            self._ears.setdefault(topic, []).append(ear)

        def stop() -> None:
            with self._lock:
                self._ears[topic] = [each for each in self._ears.get(topic, []) if each is not ear]
            ear.stop()

        return stop

    def close(self) -> None:
        """Send what was rung, and end all threads."""
        with self._lock:
            self._closed = True
            ears, self._ears = [ear for ears in self._ears.values() for ear in ears], {}
            ringing, self._ringing = self._ringing, None
            listening, self._listening = self._listening, None
        if ringing is not None:
            ringing.stop()
        if listening is not None:
            listening.stop()
        for ear in ears:
            ear.stop()

    def forget(self) -> None:
        """Do nothing: a forked child has no threads, and the connection ends with its parent."""

    def _heard(self, topic: str | None) -> None:
        """Wake the listeners of a topic, or all."""
        with self._lock:
            found = self._ears.values() if topic is None else [self._ears.get(topic, [])]
            ears = [ear for ears in found for ear in ears]
        for ear in ears:
            ear.wake()


class _Ear:
    """One listener, and the daemon thread that calls it."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then, self._stopped, self._rung = then, False, Event()
        self._thread = Thread(target=self._run, name="alula-doorbell", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._rung.set()

    def stop(self) -> None:
        self._stopped = True
        self._rung.set()
        if self._thread is not current_thread():
            self._thread.join()

    def _run(self) -> None:
        while self._rung.wait() and not self._stopped:
            self._rung.clear()  # before the call: a ring that comes meanwhile is answered by another
            try:
                self._then()
            except Exception:  # the caller's code: it must hear the next ring all the same
                _log.exception("a callback of Store.listen failed")


class _Ringing:
    """The thread that rings; topics that are rung again before it comes to them are rung once."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._news = Condition()
        self._topics: dict[str, None] = {}
        self._stopped = False
        self._thread = Thread(target=self._run, name="alula-doorbell-rings", daemon=True)
        self._thread.start()

    def add(self, topic: str) -> None:
        with self._news:
            self._topics[topic] = None
            self._news.notify()

    def stop(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify()
        if self._thread is not current_thread():
            self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while topics := self._next():
            # A ring that is lost costs only time: those who wait also look of their own accord.
            with suppress(StoreUnavailableError), self._wire.beside() as connection:
                for topic in topics:
                    connection.execute(_RING, {"topic": topic})

    def _next(self) -> list[str]:
        with self._news:
            self._news.wait_for(lambda: self._topics or self._stopped)
            topics, self._topics = list(self._topics), {}
        return topics


class _Listening:
    """The thread that listens, and its connection, which it replaces when it is lost."""

    def __init__(self, wire: Wire, heard: Callable[[str | None], None]) -> None:
        self._wire, self._heard = wire, heard
        self._stopped = Event()
        self._here, self._there = socket.socketpair()  # a byte on it ends the thread's waiting
        try:
            first = self._begun()
        except BaseException:
            self._here.close()
            self._there.close()
            raise
        self._thread = Thread(target=self._run, args=(first,), name="alula-doorbell-listens", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        with self._here, suppress(OSError):  # it has seen so already, and closed its end
            self._here.send(b"!")
        if self._thread is not current_thread():
            self._thread.join()

    def _begun(self) -> Any:
        connection = self._wire.connect()
        with self._wire.translated():
            connection.execute(f"LISTEN {_CHANNEL}")
        return connection

    def _run(self, connection: Any | None) -> None:
        with self._there:
            while connection is not None:
                with closing(connection), suppress(StoreUnavailableError), self._wire.translated():
                    self._hear(connection)
                connection = self._again()

    def _hear(self, connection: Any) -> None:
        poll = select.poll()
        for each in (connection, self._there):
            poll.register(each, select.POLLIN)
        while not self._stopped.is_set():
            poll.poll()
            for news in connection.notifies(timeout=0):
                self._heard(news.payload)

    def _again(self) -> Any | None:
        """Listen anew, and wake everybody; None at the end."""
        while not self._stopped.wait(_PAUSE):
            with suppress(StoreUnavailableError):
                connection = self._begun()
                self._heard(None)
                return connection
        return None

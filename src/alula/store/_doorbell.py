"""A doorbell: wakes those who wait for news in other processes of this machine and user.

Each listener has a datagram socket in a folder named after the store; to ring is to send an empty
datagram to all of a topic. A ring carries no news: whoever hears it looks into the store. So a ring
that is lost, because nobody listens yet or a buffer is full, harms nobody who looks when it begins to
listen.
"""

import logging
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock, Thread, current_thread

from .._core._runtime import private, runtime_folder
from ..errors import StoreUnavailableError

__all__ = ["SocketDoorbell"]

_log = logging.getLogger("alula.store")


class SocketDoorbell:
    """Rings and listens for one store."""

    def __init__(self, url: str) -> None:
        self._folder = runtime_folder() / _short(url, 8)
        self._lock = Lock()
        self._sender: socket.socket | None = None
        self._listeners: set[_Listener] = set()

    def ring(self, topic: str) -> None:
        """Wake every listener of a topic; never blocks, never fails."""
        prefix = _short(topic, 6) + "."
        # Whatever goes wrong here costs only time: those who wait also look of their own accord.
        with suppress(OSError):
            for name in os.listdir(self._folder):
                if name.startswith(prefix):
                    self._send(self._folder / name)

    def listen(self, topic: str, then: Callable[[], None]) -> Callable[[], None]:
        """Call `then` in a thread of its own after each ring; give the function that ends this."""
        path = self._folder / f"{_short(topic, 6)}.{secrets.token_hex(4)}"
        listener = _Listener(path, then)
        with self._lock:
            self._listeners.add(listener)

        def stop() -> None:
            with self._lock:
                self._listeners.discard(listener)
            listener.stop()

        return stop

    def close(self) -> None:
        """End all listeners."""
        with self._lock:
            listeners, self._listeners = self._listeners, set()
            sender, self._sender = self._sender, None
        for listener in listeners:
            listener.stop()
        if sender is not None:
            sender.close()

    def forget(self) -> None:
        """Let go of the sockets in a forked child: they, and their threads, are the parent's."""
        for listener in self._listeners:
            listener.socket.close()
        if self._sender is not None:
            self._sender.close()

    def _send(self, path: Path) -> None:
        with self._lock:
            if self._sender is None:
                self._sender = _datagrams()
            sender = self._sender
        try:
            sender.sendto(b"!", str(path))
        except ConnectionRefusedError:  # its process died; no other will ever take that name
            _remove(path)
        except (FileNotFoundError, BlockingIOError):
            pass  # gone since we looked; or so many rings wait there that it will wake anyway


class _Listener:
    """One bound socket and the daemon thread that waits on it."""

    def __init__(self, path: Path, then: Callable[[], None]) -> None:
        self._path, self._then, self._stopped = path, then, False
        self.socket = _bind(path)
        self._thread = Thread(target=self._run, name="alula-doorbell", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        _remove(self._path)
        with suppress(OSError):  # it has stopped already
            self.socket.shutdown(socket.SHUT_RDWR)
        if self._thread is not current_thread():
            self._thread.join()

    def _run(self) -> None:
        with self.socket:
            while not self._stopped:
                self.socket.recv(1)
                self._drain()
                if not self._stopped:
                    self._call()

    def _call(self) -> None:
        try:
            self._then()
        except Exception:  # the caller's code: it must hear the next ring all the same
            _log.exception("a callback of Store.listen failed")

    def _drain(self) -> None:
        """Take the rings that came meanwhile: one look into the store answers them all."""
        with suppress(BlockingIOError):
            while self.socket.recv(1, socket.MSG_DONTWAIT):
                pass


def _bind(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        private(path.parent.parent)
        while True:
            with suppress(FileExistsError):
                os.mkdir(path.parent, 0o700)
            try:
                bound.bind(str(path))
            except FileNotFoundError:  # the last listener left between the two steps, with the folder
                continue
            return bound
    except OSError as error:
        bound.close()
        raise StoreUnavailableError(str(path), f"cannot listen there: {error.strerror or error}") from error


def _remove(path: Path) -> None:
    """Remove a socket, and its folder with the last one."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # others listen there; or it is gone
        path.parent.rmdir()


def _datagrams() -> socket.socket:
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    return sender


def _short(text: str, size: int) -> str:
    return blake2b(text.encode(), digest_size=size).hexdigest()  # a socket's path has 107 bytes at most

"""Where the server listens: addresses of this machine, a socket file, or a socket that a parent holds."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import SettingError
from ._config import Config

__all__ = ["Listeners", "keep_alive", "listening"]


class Listeners:
    """What a server listens on, once it does.

    Attributes
    ----------
    port
        The one it was told, or for 0 the free one that it has taken.
    """

    def __init__(self, config: Config) -> None:
        self.port = config.port
        self._config = config
        self._open: list[asyncio.Server] = []
        self._sockets: Sequence[socket.socket] = ()
        self._file: Path | None = None

    async def start(
        self, make: Callable[[], asyncio.BaseProtocol], given: Sequence[socket.socket] = ()
    ) -> None:
        """Listen.

        Parameters
        ----------
        make
            Makes the server's end of a connection.
        given
            Sockets that listen already, in place of the configured addresses.

        Raises
        ------
        SettingError
            If nobody can listen there: the port is taken, or the address is not this machine's.
        """
        loop = asyncio.get_running_loop()
        self._sockets = sockets = given or listening(self._config)
        self._keep_alive(frozenset({"tcp_keepalive"}))
        self._config.watchers.append(self._keep_alive)
        for each in sockets:
            self._open.append(await loop.create_server(make, sock=each))
        if sockets and sockets[0].family != socket.AF_UNIX:
            self.port = sockets[0].getsockname()[1]
        if self._config.unixsocket:
            await self._start_file(make, Path(self._config.unixsocket))

    async def _start_file(self, make: Callable[[], asyncio.BaseProtocol], path: Path) -> None:
        loop = asyncio.get_running_loop()
        try:
            # A file that is there is of a server that could not remove it, and is replaced, as by Redis.
            self._open.append(await loop.create_unix_server(make, str(path)))
        except OSError as error:
            self.close()
            raise SettingError("unixsocket", str(path), error.strerror or str(error)) from error
        self._file = path

    def _keep_alive(self, names: frozenset[str]) -> None:
        """Let the system ask after clients that are silent: connections have it from where they came in."""
        if "tcp_keepalive" in names:
            for each in self._sockets:
                keep_alive(each, self._config.tcp_keepalive)

    def close(self) -> None:
        """Listen no more; connections stay."""
        if self._keep_alive in self._config.watchers:
            self._config.watchers.remove(self._keep_alive)
        for each in self._open:
            each.close()
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            self._file = None

    async def wait_closed(self) -> None:
        """Wait until it is closed, and all connections are."""
        for each in self._open:
            await each.wait_closed()


def listening(config: Config) -> list[socket.socket]:
    """Give sockets that listen at the configured addresses; whoever calls this closes them.

    Several addresses share one port. An address with ``-`` in front may be missing on this machine, and
    ``*`` is all of them, as in Redis.

    Raises
    ------
    SettingError
        If one of them cannot be listened on.
    """
    sockets: list[socket.socket] = []
    port = config.port
    try:
        for word in config.bind.split():
            host = {"*": "0.0.0.0", "::*": "::"}.get(word.removeprefix("-"), word.removeprefix("-"))
            try:
                sockets.append(_bind(host, port))
            except OSError as error:
                if not word.startswith("-"):
                    raise _cannot_listen(host, port, error) from error
                continue
            port = sockets[-1].getsockname()[1]
    except SettingError:
        for each in sockets:
            each.close()
        raise
    return sockets


def keep_alive(made: socket.socket, seconds: int) -> None:
    """Let the system ask whether who has been silent for so long is still there; 0 is never."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(seconds))
    if not seconds or made.family == socket.AF_UNIX:
        return
    # The same three numbers as Redis': first after that time, then three times in the third part of it.
    numbers = {"TCP_KEEPIDLE": seconds, "TCP_KEEPINTVL": max(1, seconds // 3), "TCP_KEEPCNT": 3}
    for name, value in numbers.items():
        if hasattr(socket, name):  # not every system has all of them
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _bind(host: str, port: int) -> socket.socket:
    family, kind, number, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, number)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(address)
        made.listen(511)
    except BaseException:
        made.close()
        raise
    return made


def _cannot_listen(host: str, port: int, error: OSError) -> SettingError:
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        why = f"cannot listen on {host}:{port}: {os.strerror(error.errno)}"
        return SettingError("port", port, f"{why}; choose another, or 0 for a free one")
    return SettingError("host", host, f"cannot listen on {host}:{port}: {error.strerror or error}")

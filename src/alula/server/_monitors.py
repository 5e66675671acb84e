"""MONITOR: clients that are told every command that the server carries out, as a line of text."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

__all__ = ["Monitors"]


class _Link(Protocol):
    def push(self, message: str) -> None: ...


class _Client(Protocol):
    """What is needed of a client."""

    @property
    def link(self) -> _Link | None: ...

    @property
    def address(self) -> str: ...


_SECRET: Final = b"(redacted)"
_NAMED: Final = {
    b"\\": b"\\\\",
    b'"': b'\\"',
    b"\n": b"\\n",
    b"\r": b"\\r",
    b"\t": b"\\t",
    b"\a": b"\\a",
    b"\b": b"\\b",
}


def _escaped(byte: int) -> bytes:
    plain = bytes((byte,))
    return _NAMED.get(plain) or (plain if 32 <= byte < 127 else b"\\x%02x" % byte)


_ESCAPED: Final = tuple(map(_escaped, range(256)))


class Monitors:
    """Those who watch; false while there is nobody."""

    def __init__(self) -> None:
        self._clients: dict[_Client, None] = {}

    def __bool__(self) -> bool:
        return bool(self._clients)

    def add(self, client: _Client) -> None:
        """Tell a client from now on."""
        self._clients[client] = None

    def remove(self, client: _Client) -> None:
        """Tell it no more."""
        self._clients.pop(client, None)

    def tell(self, client: _Client, words: Sequence[bytes], now: int) -> None:
        """Tell of a command that has been carried out.

        Parameters
        ----------
        client
            Who has sent it; one without a connection is a script.
        words
            The command; passwords are left out.
        now
            A UNIX time in ms.
        """
        who = client.address if client.link is not None else "lua"
        said = b" ".join([b'"%b"' % b"".join([_ESCAPED[byte] for byte in word]) for word in _public(words)])
        line = f"{now // 1000}.{now % 1000 * 1000:06d} [0 {who}] " + said.decode()
        for each in self._clients:
            if each is client and each.link is not None:  # behind the reply
                asyncio.get_running_loop().call_soon(each.link.push, line)
            elif each.link is not None:
                each.link.push(line)


def _public(words: Sequence[bytes]) -> Sequence[bytes]:
    """Leave out what nobody else is to know."""
    name = words[0].upper()
    if name == b"AUTH":
        return [words[0], *[_SECRET for _ in words[1:]]]
    upper = [word.upper() for word in words] if name == b"HELLO" else []
    if b"AUTH" in upper:
        at = upper.index(b"AUTH") + 1
        return [*words[:at], *[_SECRET for _ in words[at : at + 2]], *words[at + 2 :]]
    return words

"""Commands about the connection that they come by."""

import hmac
from typing import Literal

from ...errors import CommandError
from .._client import Client
from .._resp import Reply
from .._words import integer, said, shown
from ._clients import checked_name
from ._sections import VERSION
from ._table import Command
from ._transactions import forget

__all__ = ["COMMANDS"]

_WRONG_PASSWORD = CommandError("WRONGPASS invalid username-password pair or user is disabled.")


def _ping(client: Client, words: list[bytes]) -> Reply:
    if client.listens_only:
        return [b"pong", words[1] if len(words) == 2 else b""]
    return words[1] if len(words) == 2 else "PONG"


def _echo(client: Client, words: list[bytes]) -> Reply:
    return words[1]


def _quit(client: Client, words: list[bytes]) -> Reply:
    client.leaving = True
    return "OK"


def _select(client: Client, words: list[bytes]) -> Reply:
    number = integer(words[1])
    if number is None:
        raise CommandError("ERR value is not an integer or out of range")
    if number != 0:
        raise CommandError("ERR DB index is out of range")
    return "OK"


# -------------------------------------------------------------------------------- AUTH and HELLO


def _auth(client: Client, words: list[bytes]) -> Reply:
    if len(words) > 3:
        raise CommandError("ERR syntax error")
    if not client.services.config.requirepass and len(words) == 2:
        raise CommandError(
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    _log_in(client, words[1] if len(words) == 3 else b"default", words[-1])
    return "OK"


def _log_in(client: Client, user: bytes, password: bytes) -> None:
    asked = client.services.config.requirepass
    if user != b"default" or (
        asked and not hmac.compare_digest(password, asked.encode(errors="surrogateescape"))
    ):
        raise _WRONG_PASSWORD
    _trust(client, trusted=True)


def _trust(client: Client, *, trusted: bool) -> None:
    client.trusted = trusted
    client.update()
    if client.link is not None:
        client.link.relimit()


def _hello(client: Client, words: list[bytes]) -> Reply:
    version = client.protocol if len(words) == 1 else _version(words[1])
    name = _hello_options(client, words)
    if not client.trusted:
        raise CommandError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
            "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
            "RESP protocol version at the same time"
        )
    client.name = client.name if name is None else name
    client.protocol = version
    return {
        b"server": b"redis",
        b"version": VERSION.encode(),
        b"proto": version,
        b"id": client.number,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


def _version(word: bytes) -> Literal[2, 3]:
    version = integer(word)
    if version is None:
        raise CommandError("ERR Protocol version is not an integer or out of range")
    if version not in (2, 3):
        raise CommandError("NOPROTO unsupported protocol version")
    return 2 if version == 2 else 3


def _hello_options(client: Client, words: list[bytes]) -> bytes | None:
    """Read what stands behind the version: log in at once, give the name."""
    at, name = 2, None
    while at < len(words):
        if said(words, at) == b"AUTH" and at + 2 < len(words):
            _log_in(client, words[at + 1], words[at + 2])
            at += 3
        elif said(words, at) == b"SETNAME" and at + 1 < len(words):
            name = checked_name(words[at + 1])
            at += 2
        else:
            raise CommandError(f"ERR Syntax error in HELLO option '{shown(words[at])}'")
    return name


# ------------------------------------------------------------------------------------------ RESET


def _reset(client: Client, words: list[bytes]) -> Reply:
    """Make the connection what it was when it began."""
    forget(client)
    client.gone()
    client.subscriber = None
    client.muted = 0
    client.protocol, client.name = 2, b""
    _trust(client, trusted=not client.services.config.requirepass)
    return "RESET"


_OPEN = ("noscript", "loading", "stale", "fast", "no_auth", "allow_busy")
COMMANDS = (
    Command(name="PING", run=_ping, least=1, most=2, flags=("fast",), group="connection"),
    Command(name="ECHO", run=_echo, least=2, most=2, flags=("loading", "stale", "fast"), group="connection"),
    Command(name="QUIT", run=_quit, least=1, flags=_OPEN, group="connection"),
    Command(name="RESET", run=_reset, least=1, most=1, flags=_OPEN, group="connection"),
    Command(
        name="SELECT", run=_select, least=2, most=2, flags=("loading", "stale", "fast"), group="connection"
    ),
    Command(name="AUTH", run=_auth, least=2, flags=_OPEN, group="connection"),
    Command(name="HELLO", run=_hello, least=1, flags=_OPEN, group="connection"),
)

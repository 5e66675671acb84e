"""Commands about the connection and the server itself."""

import hmac
import os
import resource
import sys
from collections.abc import Iterable
from typing import Literal

from ...errors import CommandError
from .._client import Client
from .._resp import Reply, Verbatim
from .._words import integer, said, shown
from ._table import Command

__all__ = ["COMMANDS", "VERSION"]

VERSION = "7.2.0"
"""The Redis version whose plain commands and texts these are."""

_WRONG_PASSWORD = CommandError("WRONGPASS invalid username-password pair or user is disabled.")


def _ping(client: Client, words: list[bytes]) -> Reply:
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
    client.trusted = True
    client.update()


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
            name = _checked_name(words[at + 1])
            at += 2
        else:
            raise CommandError(f"ERR Syntax error in HELLO option '{shown(words[at])}'")
    return name


# ---------------------------------------------------------------------------------------- CLIENT


def _client(client: Client, words: list[bytes]) -> Reply:
    match said(words, 1), len(words):
        case b"ID", 2:
            return client.number
        case b"GETNAME", 2:
            return client.name or None
        case b"SETNAME", 3:
            client.name = _checked_name(words[2])
            return "OK"
        case b"SETINFO", 4:
            return "OK"
        case ((b"ID" | b"GETNAME" | b"SETNAME" | b"SETINFO"), _):
            raise CommandError(
                f"ERR wrong number of arguments for 'client|{shown(words[1]).lower()}' command"
            )
        case _:
            raise CommandError(f"ERR unknown subcommand '{shown(words[1])}'. Try CLIENT HELP.")


def _checked_name(name: bytes) -> bytes:
    if any(not 33 <= byte <= 126 for byte in name):
        raise CommandError("ERR Client names cannot contain spaces, newlines or special characters.")
    return name


# ------------------------------------------------------------------------------------------ INFO


def _info(client: Client, words: list[bytes]) -> Reply:
    asked = {shown(word).lower() for word in words[1:]}
    wanted = not asked or bool(asked & {"all", "default", "everything"})
    texts = [
        f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in lines)
        for title, lines in _sections(client)
        if wanted or title.lower() in asked
    ]
    return Verbatim("\r\n".join(texts).encode())


def _sections(client: Client) -> Iterable[tuple[str, list[tuple[str, object]]]]:
    services = client.services
    yield (
        "Server",
        [
            ("redis_version", VERSION),
            ("redis_mode", "standalone"),
            ("server_name", "alula"),
            ("process_id", os.getpid()),
            ("tcp_port", services.port),
            ("uptime_in_seconds", int(services.uptime())),
        ],
    )
    yield "Clients", [("connected_clients", len(services.clients))]
    yield "Memory", [("used_memory_peak", _peak_memory()), ("mem_allocator", "libc")]
    yield (
        "Persistence",
        [
            ("loading", 0),
            ("rdb_bgsave_in_progress", 0),
            ("aof_rewrite_in_progress", 0),
            ("aof_rewrite_scheduled", 0),
        ],
    )
    yield "Stats", [("total_commands_processed", services.commands)]
    size = len(client.keyspace)
    yield "Keyspace", [("db0", f"keys={size},expires=0,avg_ttl=0")] if size else []


def _peak_memory() -> int:
    """Bytes of memory that the process has had at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


_FAST = ("fast",)
COMMANDS = (
    Command(name="PING", run=_ping, least=1, most=2, flags=_FAST),
    Command(name="ECHO", run=_echo, least=2, most=2, flags=_FAST),
    Command(name="QUIT", run=_quit, least=1, flags=_FAST),
    Command(name="SELECT", run=_select, least=2, most=2, flags=_FAST),
    Command(name="AUTH", run=_auth, least=2, most=3, flags=_FAST),
    Command(name="HELLO", run=_hello, least=1, flags=_FAST),
    Command(name="CLIENT", run=_client, least=2),
    Command(name="INFO", run=_info, least=1),
)

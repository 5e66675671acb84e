"""Strings: plain bytes under a key, and numbers written in them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._keyspace import Keyspace, as_string
from .._resp import Reply
from .._words import arity_error, number, said
from ._substrings import check_length
from ._table import plain
from ._times import expiry_at

__all__ = ["COMMANDS"]


def _get(client: Client, words: list[bytes]) -> Reply:
    return as_string(client.keyspace.read(words[1]))


def _mget(client: Client, words: list[bytes]) -> Reply:
    found = [client.keyspace.read(key) for key in words[1:]]
    return [value if isinstance(value, bytes) else None for value in found]


def _strlen(client: Client, words: list[bytes]) -> Reply:
    return len(as_string(client.keyspace.read(words[1])) or b"")


def _getdel(client: Client, words: list[bytes]) -> Reply:
    value = as_string(client.keyspace.read(words[1]))
    client.keyspace.delete(words[1:])
    return value


def _getex(client: Client, words: list[bytes]) -> Reply:
    keyspace, key = client.keyspace, words[1]
    unit, word = _new_expiry(words)
    value = as_string(keyspace.read(key))
    if value is None or not unit:
        return value
    if unit == b"PERSIST":
        if keyspace.expires(key) is not None:
            keyspace.expire(key, None, event="persist")
        return value
    at = expiry_at(client, "getex", unit, word)
    if at <= client.services.now():
        keyspace.delete([key])
    else:
        keyspace.expire(key, at)
    return value


def _new_expiry(words: list[bytes]) -> tuple[bytes, bytes]:
    """Read what stands behind GETEX's key: a unit and a number, PERSIST alone, or nothing."""
    unit = said(words, 2)
    if not unit or (unit == b"PERSIST" and len(words) == 3):
        return unit, b""
    if unit not in (b"EX", b"PX", b"EXAT", b"PXAT") or len(words) != 4:
        raise CommandError("ERR syntax error")
    return unit, words[3]


def _getset(client: Client, words: list[bytes]) -> Reply:
    value = as_string(client.keyspace.read(words[1]))
    client.keyspace.put(words[1], words[2])
    return value


# ------------------------------------------------------------------------------------------- SET


@dataclass(slots=True)
class _Options:
    """What stands behind the value in SET.

    Attributes
    ----------
    when
        ``NX`` to write only a new key, ``XX`` only one that is there; empty to write anyway.
    gives
        Whether the reply is what was there.
    keeps
        Whether the key goes on to expire as it did.
    expires
        When the key expires, a UNIX time in ms; None is never.
    """

    when: bytes = b""
    gives: bool = False
    keeps: bool = False
    expires: int | None = None


def _set(client: Client, words: list[bytes]) -> Reply:
    key, keyspace = words[1], client.keyspace
    if len(words) == 3:
        keyspace.put(key, words[2])
        return "OK"
    options = _options(client, words)
    found = keyspace.read(key)
    before = as_string(found) if options.gives else None
    if options.when and (found is None) != (options.when == b"NX"):
        return before
    _put(keyspace, key, words[2], keyspace.expires(key) if options.keeps else None, options.expires)
    return before if options.gives else "OK"


def _options(client: Client, words: list[bytes]) -> _Options:
    options, at, timed = _Options(), 3, None
    while at < len(words):
        match said(words, at):
            case (b"NX" | b"XX") as when if options.when in (b"", when):
                options.when = when
            case b"GET":
                options.gives = True
            case b"KEEPTTL" if timed is None:
                options.keeps = True
            case (b"EX" | b"PX" | b"EXAT" | b"PXAT") as unit if timed is None and not options.keeps:
                if at + 1 == len(words):
                    raise CommandError("ERR syntax error")
                timed, at = (unit, words[at + 1]), at + 1
            case _:
                raise CommandError("ERR syntax error")
        at += 1
    if timed is not None:
        options.expires = expiry_at(client, "set", *timed)
    return options


def _put(keyspace: Keyspace, key: bytes, value: bytes, kept: int | None, expires: int | None) -> None:
    keyspace.put(key, value, expires=kept)
    if expires is not None:
        keyspace.expire(key, expires)


def _setter(unit: bytes) -> Callable[[Client, list[bytes]], Reply]:
    """Make SETEX or PSETEX, by the unit of their second word."""

    def run(client: Client, words: list[bytes]) -> Reply:
        expires = expiry_at(client, words[0].decode().lower(), unit, words[2])
        _put(client.keyspace, words[1], words[3], None, expires)
        return "OK"

    return run


def _setnx(client: Client, words: list[bytes]) -> Reply:
    if client.keyspace.read(words[1]) is not None:
        return 0
    client.keyspace.put(words[1], words[2])
    return 1


def _mset(client: Client, words: list[bytes]) -> Reply:
    if len(words) % 2 == 0:
        raise arity_error(words)
    for key, value in zip(words[1::2], words[2::2], strict=True):
        client.keyspace.put(key, value)
    return "OK"


def _msetnx(client: Client, words: list[bytes]) -> Reply:
    if len(words) % 2 == 0:
        raise arity_error(words)
    if any(client.keyspace.read(key) is not None for key in words[1::2]):
        return 0
    _mset(client, words)
    return 1


def _append(client: Client, words: list[bytes]) -> Reply:
    keyspace, key = client.keyspace, words[1]
    before = as_string(keyspace.read(key)) or b""
    check_length(client, len(before) + len(words[2]))
    value = before + words[2]
    keyspace.put(key, value, expires=keyspace.expires(key), event="append")
    return len(value)


# --------------------------------------------------------------------------------------- numbers


def _add(client: Client, key: bytes, amount: int) -> Reply:
    keyspace = client.keyspace
    before = as_string(keyspace.read(key))
    total = (0 if before is None else number(before)) + amount
    if not -(1 << 63) <= total < 1 << 63:
        raise CommandError("ERR increment or decrement would overflow")
    keyspace.put(key, b"%d" % total, expires=keyspace.expires(key), event="incrby")
    return total


def _decrby(client: Client, words: list[bytes]) -> Reply:
    amount = number(words[2])
    if amount == -(1 << 63):
        raise CommandError("ERR decrement would overflow")
    return _add(client, words[1], -amount)


_READ: Final = ("readonly", "fast")
_WRITE: Final = ("write", "denyoom")
_QUICK: Final = ("write", "denyoom", "fast")


_command = partial(plain, "string")


COMMANDS = (
    _command("GET", _get, 2, 2, _READ),
    _command("MGET", _mget, 2, None, _READ, (1, -1, 1)),
    _command("STRLEN", _strlen, 2, 2, _READ),
    _command("GETDEL", _getdel, 2, 2, ("write", "fast")),
    _command("GETEX", _getex, 2, None, ("write", "fast")),
    _command("GETSET", _getset, 3, 3, _QUICK),
    _command("SET", _set, 3, None, _WRITE),
    _command("SETEX", _setter(b"EX"), 4, 4, _WRITE),
    _command("PSETEX", _setter(b"PX"), 4, 4, _WRITE),
    _command("SETNX", _setnx, 3, 3, _QUICK),
    _command("MSET", _mset, 3, None, _WRITE, (1, -1, 2)),
    _command("MSETNX", _msetnx, 3, None, _WRITE, (1, -1, 2)),
    _command("APPEND", _append, 3, 3, _QUICK),
    _command("INCR", lambda client, words: _add(client, words[1], 1), 2, 2, _QUICK),
    _command("DECR", lambda client, words: _add(client, words[1], -1), 2, 2, _QUICK),
    _command("INCRBY", lambda client, words: _add(client, words[1], number(words[2])), 3, 3, _QUICK),
    _command("DECRBY", _decrby, 3, 3, _QUICK),
)

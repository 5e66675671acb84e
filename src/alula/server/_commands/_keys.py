"""Commands about keys, whatever they hold."""

import random
from collections.abc import Callable
from functools import partial
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._glob import matcher
from .._keyspace import copied, encoding_of, type_name
from .._resp import Reply
from .._words import number, said
from ._table import Command, container, plain

__all__ = ["COMMANDS"]


def _dbsize(client: Client, words: list[bytes]) -> Reply:
    return len(client.keyspace)


def _exists(client: Client, words: list[bytes]) -> Reply:
    return sum(client.keyspace.read(key) is not None for key in words[1:])


def _del(client: Client, words: list[bytes]) -> Reply:
    return client.keyspace.delete(words[1:])


def _type(client: Client, words: list[bytes]) -> Reply:
    return type_name(client.keyspace.read(words[1]))


def _flush(client: Client, words: list[bytes]) -> Reply:
    if len(words) > 2 or (len(words) == 2 and words[1].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError("ERR syntax error")
    client.keyspace.clear()
    return "OK"


def _swapdb(client: Client, words: list[bytes]) -> Reply:
    for word, which in ((words[1], "first"), (words[2], "second")):
        try:
            index = number(word)
        except CommandError as error:
            raise CommandError(f"ERR invalid {which} DB index") from error
        if index != 0:
            raise CommandError("ERR DB index is out of range")
    return "OK"


# ---------------------------------------------------------------------------------------- finding


def _keys(client: Client, words: list[bytes]) -> Reply:
    matches = matcher(words[1])
    return [key for key, _ in client.keyspace.scan() if matches(key)]


def _randomkey(client: Client, words: list[bytes]) -> Reply:
    found = client.keyspace.scan()
    return random.choice(found)[0] if found else None


# --------------------------------------------------------------------------------------- renaming


def _move(client: Client, source: bytes, target: bytes) -> None:
    keyspace = client.keyspace
    value = keyspace.read(source)
    assert value is not None
    expires = keyspace.expires(source)
    keyspace.delete([source], event="rename_from")
    keyspace.put(target, value, expires=expires, event="rename_to")


def _rename(client: Client, words: list[bytes]) -> Reply:
    if client.keyspace.read(words[1]) is None:
        raise CommandError("ERR no such key")
    if words[1] != words[2]:
        _move(client, words[1], words[2])
    return "OK"


def _renamenx(client: Client, words: list[bytes]) -> Reply:
    if client.keyspace.read(words[1]) is None:
        raise CommandError("ERR no such key")
    if client.keyspace.read(words[2]) is not None:
        return 0
    _move(client, words[1], words[2])
    return 1


# ------------------------------------------------------------------------------------------- COPY


def _copy(client: Client, words: list[bytes]) -> Reply:
    source, target, keyspace = words[1], words[2], client.keyspace
    replaces = _copy_options(words)
    if source == target:
        raise CommandError("ERR source and destination objects are the same")
    value = keyspace.read(source)
    if value is None or (keyspace.read(target) is not None and not replaces):
        return 0
    keyspace.put(target, copied(value), expires=keyspace.expires(source), event="copy_to")
    return 1


def _copy_options(words: list[bytes]) -> bool:
    """Tell whether what is there is replaced; there is one database."""
    replaces, at = False, 3
    while at < len(words):
        match said(words, at):
            case b"REPLACE":
                replaces = True
            case b"DB" if at + 1 < len(words):
                at += 1
                if number(words[at]) != 0:
                    raise CommandError("ERR DB index is out of range")
            case _:
                raise CommandError("ERR syntax error")
        at += 1
    return replaces


# ----------------------------------------------------------------------------------------- OBJECT


def _encoding(client: Client, words: list[bytes]) -> Reply:
    value = client.keyspace.read(words[2])
    return None if value is None else encoding_of(value)


def _constant(value: int) -> Callable[[Client, list[bytes]], Reply]:
    """Make OBJECT REFCOUNT or IDLETIME: nothing is shared here, and nothing is evicted."""

    def run(client: Client, words: list[bytes]) -> Reply:
        return None if client.keyspace.read(words[2]) is None else value

    return run


def _freq(client: Client, words: list[bytes]) -> Reply:
    if client.keyspace.read(words[2]) is None:
        return None
    raise CommandError(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to adjust."
    )


_READ: Final = ("readonly", "fast")


_command = partial(plain, "generic")


def _object(name: str, run: Callable[[Client, list[bytes]], Reply]) -> Command:
    return Command(name=name, run=run, least=3, most=3, flags=("readonly",), keys=(2, 2, 1))


COMMANDS = (
    Command(name="DBSIZE", run=_dbsize, least=1, most=1, flags=_READ),
    Command(name="FLUSHALL", run=_flush, least=1, flags=("write",)),
    Command(name="FLUSHDB", run=_flush, least=1, flags=("write",)),
    Command(name="SWAPDB", run=_swapdb, least=3, most=3, flags=("write", "fast")),
    _command("EXISTS", _exists, 2, None, _READ, (1, -1, 1)),
    _command("TOUCH", _exists, 2, None, _READ, (1, -1, 1)),
    _command("DEL", _del, 2, None, ("write",), (1, -1, 1)),
    _command("UNLINK", _del, 2, None, ("write", "fast"), (1, -1, 1)),
    _command("TYPE", _type, 2, 2, _READ, (1, 1, 1)),
    _command("KEYS", _keys, 2, 2, ("readonly",), (0, 0, 0)),
    _command("RANDOMKEY", _randomkey, 1, 1, ("readonly",), (0, 0, 0)),
    _command("RENAME", _rename, 3, 3, ("write",), (1, 2, 1)),
    _command("RENAMENX", _renamenx, 3, 3, ("write", "fast"), (1, 2, 1)),
    _command("COPY", _copy, 3, None, ("write", "denyoom"), (1, 2, 1)),
    container(
        "OBJECT",
        _object("ENCODING", _encoding),
        _object("REFCOUNT", _constant(1)),
        _object("IDLETIME", _constant(0)),
        _object("FREQ", _freq),
        group="generic",
    ),
)

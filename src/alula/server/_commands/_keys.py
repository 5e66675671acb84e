"""Commands about keys, whatever they hold."""

from ...errors import CommandError
from .._client import Client
from .._glob import matcher
from .._keyspace import type_name
from .._resp import Reply
from ._table import Command

__all__ = ["COMMANDS"]


def _dbsize(client: Client, words: list[bytes]) -> Reply:
    return len(client.keyspace)


def _exists(client: Client, words: list[bytes]) -> Reply:
    keyspace = client.keyspace
    return sum(keyspace.read(key) is not None for key in words[1:])


def _del(client: Client, words: list[bytes]) -> Reply:
    return client.keyspace.delete(words[1:])


def _type(client: Client, words: list[bytes]) -> Reply:
    return type_name(client.keyspace.read(words[1]))


def _keys(client: Client, words: list[bytes]) -> Reply:
    matches = matcher(words[1])
    return [key for key, _ in client.keyspace.scan() if matches(key)]


def _flush(client: Client, words: list[bytes]) -> Reply:
    if len(words) == 2 and words[1].upper() not in (b"ASYNC", b"SYNC"):
        raise CommandError("ERR syntax error")
    client.keyspace.clear()
    return "OK"


COMMANDS = (
    Command(name="DBSIZE", run=_dbsize, least=1, most=1, flags=("readonly", "fast")),
    Command(name="EXISTS", run=_exists, least=2, flags=("readonly", "fast"), keys=(1, -1, 1)),
    Command(name="DEL", run=_del, least=2, flags=("write",), keys=(1, -1, 1)),
    Command(name="UNLINK", run=_del, least=2, flags=("write", "fast"), keys=(1, -1, 1)),
    Command(name="TYPE", run=_type, least=2, most=2, flags=("readonly", "fast"), keys=(1, 1, 1)),
    Command(name="KEYS", run=_keys, least=2, most=2, flags=("readonly",)),
    Command(name="FLUSHALL", run=_flush, least=1, most=2, flags=("write",)),
    Command(name="FLUSHDB", run=_flush, least=1, most=2, flags=("write",)),
)

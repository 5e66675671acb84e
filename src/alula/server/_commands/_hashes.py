"""Hashes: fields with values under one key."""

from functools import partial

from ...errors import CommandError
from .._client import Client
from .._keyspace import HashValue, as_hash
from .._resp import Reply
from .._words import arity_error, integer, number, said
from ._chance import sampled
from ._table import plain

__all__ = ["COMMANDS"]


def _fields(client: Client, words: list[bytes]) -> HashValue:
    """Give the hash under the key; an empty one, which is under no key, if there is none."""
    found = as_hash(client.keyspace.read(words[1]))
    return HashValue() if found is None else found


def _set(client: Client, words: list[bytes]) -> Reply:
    if len(words) % 2:
        raise arity_error(words)
    fields = _fields(client, words)
    before = len(fields)
    fields.update(zip(words[2::2], words[3::2], strict=True))
    if before:
        client.keyspace.changed(words[1], "hset")
    else:
        client.keyspace.put(words[1], fields, event="hset")
    return "OK" if words[0].upper() == b"HMSET" else len(fields) - before


def _delete(client: Client, words: list[bytes]) -> Reply:
    fields = _fields(client, words)
    count = sum(fields.pop(field, None) is not None for field in words[2:])
    if count:
        client.keyspace.changed(words[1], "hdel")
    return count


def _get(client: Client, words: list[bytes]) -> Reply:
    return _fields(client, words).get(words[2])


def _mget(client: Client, words: list[bytes]) -> Reply:
    fields = _fields(client, words)
    return [fields.get(field) for field in words[2:]]


def _exists(client: Client, words: list[bytes]) -> Reply:
    return int(words[2] in _fields(client, words))


def _setnx(client: Client, words: list[bytes]) -> Reply:
    if words[2] in _fields(client, words):
        return 0
    _set(client, words)
    return 1


def _length(client: Client, words: list[bytes]) -> Reply:
    return len(_fields(client, words).get(words[2], b""))


def _add(client: Client, words: list[bytes]) -> Reply:
    amount, fields = number(words[3]), _fields(client, words)
    before = integer(fields.get(words[2], b"0"))
    if before is None:
        raise CommandError("ERR hash value is not an integer")
    total = before + amount
    if not -(1 << 63) <= total < 1 << 63:
        raise CommandError("ERR increment or decrement would overflow")
    was_there = bool(fields)
    fields[words[2]] = b"%d" % total
    if was_there:
        client.keyspace.changed(words[1], "hincrby")
    else:
        client.keyspace.put(words[1], fields, event="hincrby")
    return total


def _random(client: Client, words: list[bytes]) -> Reply:
    count = number(words[2]) if len(words) > 2 else None
    if len(words) > 4 or (len(words) == 4 and said(words, 3) != b"WITHVALUES"):
        raise CommandError("ERR syntax error")
    fields = _fields(client, words)
    if count is None:
        return sampled(list(fields), 1)[0] if fields else None
    chosen = sampled(list(fields), count)
    if len(words) < 4:
        return list[Reply](chosen)
    if client.protocol == 3:
        return [[field, fields[field]] for field in chosen]
    return [word for field in chosen for word in (field, fields[field])]


_command = partial(plain, "hash")


COMMANDS = (
    _command("HSET", _set, 4, None, ("write", "denyoom", "fast")),
    _command("HMSET", _set, 4, None, ("write", "denyoom", "fast")),
    _command("HSETNX", _setnx, 4, 4, ("write", "denyoom", "fast")),
    _command("HINCRBY", _add, 4, 4, ("write", "denyoom", "fast")),
    _command("HDEL", _delete, 3, None, ("write", "fast")),
    _command("HGET", _get, 3, 3, ("readonly", "fast")),
    _command("HSTRLEN", _length, 3, 3, ("readonly", "fast")),
    _command("HRANDFIELD", _random, 2, None, ("readonly",)),
    _command("HMGET", _mget, 3, None, ("readonly", "fast")),
    _command("HEXISTS", _exists, 3, 3, ("readonly", "fast")),
    _command("HLEN", lambda client, words: len(_fields(client, words)), 2, 2, ("readonly", "fast")),
    _command("HKEYS", lambda client, words: list(_fields(client, words)), 2, 2, ("readonly",)),
    _command("HVALS", lambda client, words: list(_fields(client, words).values()), 2, 2, ("readonly",)),
    _command("HGETALL", lambda client, words: dict(_fields(client, words)), 2, 2, ("readonly",)),
)

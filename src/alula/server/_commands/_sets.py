"""Sets: members, each of them once."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, islice
from typing import Final, TypeAlias

from ...errors import CommandError
from .._client import Client
from .._keyspace import SetValue, as_set
from .._resp import Reply, Unordered
from .._words import integer, number, said
from ._chance import sampled
from ._table import Command, plain

__all__ = ["COMMANDS"]


def _members(client: Client, key: bytes) -> SetValue:
    """Give the set under a key; an empty one, which is under no key, if there is none."""
    found = as_set(client.keyspace.read(key))
    return SetValue() if found is None else found


def _add(client: Client, words: list[bytes]) -> Reply:
    members = _members(client, words[1])
    before = len(members)
    for word in words[2:]:
        members.add(word)
    if not before:
        client.keyspace.put(words[1], members, event="sadd")
    elif len(members) > before:
        client.keyspace.changed(words[1], "sadd")
    return len(members) - before


def _remove(client: Client, words: list[bytes]) -> Reply:
    members = _members(client, words[1])
    count = sum(members.remove(word) for word in words[2:])
    if count:
        client.keyspace.changed(words[1], "srem")
    return count


def _move(client: Client, words: list[bytes]) -> Reply:
    _, source, target, member = words
    keyspace = client.keyspace
    given = as_set(keyspace.read(source))
    if given is None:
        return 0
    taking = as_set(keyspace.read(target))
    if member not in given or source == target:
        return int(member in given)
    given.remove(member)
    keyspace.changed(source, "srem")
    if taking is None:
        keyspace.put(target, SetValue([member]), event="sadd")
    elif taking.add(member):
        keyspace.changed(target, "sadd")
    return 1


def _all(client: Client, words: list[bytes]) -> Reply:
    return Unordered(tuple(_members(client, words[1])))


def _is_member(client: Client, words: list[bytes]) -> Reply:
    return int(words[2] in _members(client, words[1]))


def _are_members(client: Client, words: list[bytes]) -> Reply:
    members = _members(client, words[1])
    return [int(word in members) for word in words[2:]]


# -------------------------------------------------------------------------------------- by chance


def _pop(client: Client, words: list[bytes]) -> Reply:
    if len(words) > 3:
        raise CommandError("ERR syntax error")
    count = integer(words[2]) if len(words) == 3 else 1
    if count is None or count < 0:
        raise CommandError("ERR value is out of range, must be positive")
    members = _members(client, words[1])
    popped = list[bytes]()
    while members and len(popped) < count:
        popped.append(members.any())
        members.remove(popped[-1])
    if popped:
        client.keyspace.changed(words[1], "spop")
    return (popped[0] if popped else None) if len(words) == 2 else Unordered(tuple(popped))


def _random(client: Client, words: list[bytes]) -> Reply:
    if len(words) > 3:
        raise CommandError("ERR syntax error")
    count = number(words[2]) if len(words) == 3 else None
    members = _members(client, words[1])
    if count is None:
        return members.any() if members else None
    return list[Reply](sampled(members.members, count))


# ------------------------------------------------------------------------------- several together

_Combined: TypeAlias = Callable[[Sequence[SetValue]], Iterable[bytes]]


def _union(sets: Sequence[SetValue]) -> Iterable[bytes]:
    return dict.fromkeys(chain.from_iterable(sets))


def _intersection(sets: Sequence[SetValue]) -> Iterable[bytes]:
    least, *others = sorted(sets, key=len)
    return (member for member in least if all(member in other for other in others))


def _difference(sets: Sequence[SetValue]) -> Iterable[bytes]:
    first, *others = sets
    return (member for member in first if not any(member in other for other in others))


def _combiner(combine: _Combined) -> Callable[[Client, list[bytes]], Reply]:
    """Make SUNION or one of its kin."""

    def run(client: Client, words: list[bytes]) -> Reply:
        return Unordered(tuple(combine([_members(client, key) for key in words[1:]])))

    return run


def _storer(combine: _Combined, event: str) -> Callable[[Client, list[bytes]], Reply]:
    """Make SUNIONSTORE or one of its kin; the event has the same name."""

    def run(client: Client, words: list[bytes]) -> Reply:
        members = SetValue(combine([_members(client, key) for key in words[2:]]))
        if members:
            client.keyspace.put(words[1], members, event=event)
        else:
            client.keyspace.delete([words[1]])
        return len(members)

    return run


def _count_common(client: Client, words: list[bytes]) -> Reply:
    keys = integer(words[1])
    if keys is None or keys < 1:
        raise CommandError("ERR numkeys should be greater than 0")
    if keys > len(words) - 2:
        raise CommandError("ERR Number of keys can't be greater than number of args")
    limit = 0
    for at in range(2 + keys, len(words), 2):
        if said(words, at) != b"LIMIT" or at + 1 == len(words):
            raise CommandError("ERR syntax error")
        found = integer(words[at + 1])
        if found is None or found < 0:
            raise CommandError("ERR LIMIT can't be negative")
        limit = found
    sets = [_members(client, key) for key in words[2 : 2 + keys]]
    return sum(1 for _ in islice(_intersection(sets), limit or None))


def _common_keys(words: list[bytes]) -> list[bytes]:
    return words[2 : 2 + max(0, integer(words[1]) or 0)]


_READ: Final = ("readonly", "fast")
_STORE: Final = ("write", "denyoom")


_command = partial(plain, "set")


COMMANDS = (
    _command("SADD", _add, 3, None, ("write", "denyoom", "fast")),
    _command("SREM", _remove, 3, None, ("write", "fast")),
    _command("SMOVE", _move, 4, 4, ("write", "fast"), (1, 2, 1)),
    _command("SMEMBERS", _all, 2, 2, ("readonly",)),
    _command("SISMEMBER", _is_member, 3, 3, _READ),
    _command("SMISMEMBER", _are_members, 3, None, _READ),
    _command("SCARD", lambda client, words: len(_members(client, words[1])), 2, 2, _READ),
    _command("SPOP", _pop, 2, None, ("write", "fast")),
    _command("SRANDMEMBER", _random, 2, None, ("readonly",)),
    _command("SUNION", _combiner(_union), 2, None, ("readonly",), (1, -1, 1)),
    _command("SINTER", _combiner(_intersection), 2, None, ("readonly",), (1, -1, 1)),
    _command("SDIFF", _combiner(_difference), 2, None, ("readonly",), (1, -1, 1)),
    _command("SUNIONSTORE", _storer(_union, "sunionstore"), 3, None, _STORE, (1, -1, 1)),
    _command("SINTERSTORE", _storer(_intersection, "sinterstore"), 3, None, _STORE, (1, -1, 1)),
    _command("SDIFFSTORE", _storer(_difference, "sdiffstore"), 3, None, _STORE, (1, -1, 1)),
    Command(
        name="SINTERCARD",
        run=_count_common,
        least=3,
        flags=("readonly", "movablekeys"),
        find=_common_keys,
        group="set",
    ),
)

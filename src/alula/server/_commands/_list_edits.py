"""Lists, by their positions and by what stands in them."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from ...errors import CommandError
from .._client import Client
from .._keyspace import ListValue, as_list
from .._resp import Reply
from .._words import integer, number, said
from ._table import plain

__all__ = ["COMMANDS"]


def _index(client: Client, words: list[bytes]) -> Reply:
    items = as_list(client.keyspace.read(words[1]))
    if items is None:
        return None
    at = number(words[2])
    return items[at] if -len(items) <= at < len(items) else None


def _set(client: Client, words: list[bytes]) -> Reply:
    items = as_list(client.keyspace.read(words[1]))
    if items is None:
        raise CommandError("ERR no such key")
    at = number(words[2])
    if not -len(items) <= at < len(items):
        raise CommandError("ERR index out of range")
    items[at] = words[3]
    client.keyspace.changed(words[1], "lset")
    return "OK"


def _trim(client: Client, words: list[bytes]) -> Reply:
    start, stop = number(words[2]), number(words[3])
    items = as_list(client.keyspace.read(words[1]))
    if items is None:
        return "OK"
    start = max(0, start + len(items)) if start < 0 else start
    stop = min(stop + len(items) if stop < 0 else stop, len(items) - 1)
    kept = list(islice(items, start, max(start, stop + 1)))
    items.clear()
    items.extend(kept)
    client.keyspace.changed(words[1], "ltrim")
    return "OK"


def _remove(client: Client, words: list[bytes]) -> Reply:
    count, unwanted = number(words[2]), words[3]
    items = as_list(client.keyspace.read(words[1])) or ListValue()
    left, kept = abs(count) or len(items), list[bytes]()
    for item in reversed(items) if count < 0 else items:
        if left and item == unwanted:
            left -= 1
        else:
            kept.append(item)
    removed = len(items) - len(kept)
    if removed:
        items.clear()
        items.extend(reversed(kept) if count < 0 else kept)
        client.keyspace.changed(words[1], "lrem")
    return removed


def _insert(client: Client, words: list[bytes]) -> Reply:
    where = said(words, 2)
    if where not in (b"BEFORE", b"AFTER"):
        raise CommandError("ERR syntax error")
    items = as_list(client.keyspace.read(words[1]))
    if items is None:
        return 0
    if words[3] not in items:
        return -1
    items.insert(items.index(words[3]) + (where == b"AFTER"), words[4])
    client.keyspace.changed(words[1], "linsert")
    return len(items)


# ------------------------------------------------------------------------------------------- LPOS


class _Wanted(NamedTuple):
    """What stands behind LPOS's element.

    Attributes
    ----------
    rank
        From which match on; below zero they are counted from the end.
    several
        How many are wanted, 0 for all of them; None if it is the first alone, which is no list then.
    most
        How many items are looked at; 0 is all of them.
    """

    rank: int = 1
    several: int | None = None
    most: int = 0


def _position(client: Client, words: list[bytes]) -> Reply:
    wanted = _position_options(words)
    items = as_list(client.keyspace.read(words[1])) or ListValue()
    found = list[Reply](_matches(items, words[2], wanted))
    return found if wanted.several is not None else found[0] if found else None


def _matches(items: ListValue, item: bytes, wanted: _Wanted) -> Iterator[int]:
    """Give the positions at which an item stands, as many as are wanted, in the order of the search."""
    looked = enumerate(reversed(items) if wanted.rank < 0 else items)
    last = len(items) - 1
    every = (
        last - at if wanted.rank < 0 else at
        for at, each in islice(looked, wanted.most or None)
        if each == item
    )
    first = abs(wanted.rank) - 1
    if first > last:
        return iter(())
    most = 1 if wanted.several is None else wanted.several
    return islice(every, first, first + most if most else None)


_POSITIVE: Final = {b"COUNT": "ERR COUNT can't be negative", b"MAXLEN": "ERR MAXLEN can't be negative"}


def _position_options(words: list[bytes]) -> _Wanted:
    given: dict[bytes, int] = {}
    for at in range(3, len(words), 2):
        name = said(words, at)
        if at + 1 == len(words) or (name != b"RANK" and name not in _POSITIVE):
            raise CommandError("ERR syntax error")
        if name == b"RANK":
            given[name] = _rank(words[at + 1])
            continue
        value = integer(words[at + 1])
        if value is None or value < 0:
            raise CommandError(_POSITIVE[name])
        given[name] = value
    return _Wanted(given.get(b"RANK", 1), given.get(b"COUNT"), given.get(b"MAXLEN", 0))


def _rank(word: bytes) -> int:
    rank = number(word)
    if rank == 0:
        raise CommandError(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
            "or use negative to start from the end of the list"
        )
    return rank


# ------------------------------------------------------------------------------------------ LMOVE


def _lmove(client: Client, words: list[bytes]) -> Reply:
    ends = said(words, 3), said(words, 4)
    if not {*ends} <= {b"LEFT", b"RIGHT"}:
        raise CommandError("ERR syntax error")
    return _move(client, words[1], words[2], *[end == b"LEFT" for end in ends])


def _move(client: Client, source: bytes, target: bytes, from_left: bool, to_left: bool) -> Reply:
    keyspace = client.keyspace
    given = as_list(keyspace.read(source))
    if given is None:
        return None
    taking = as_list(keyspace.read(target))
    item = given.popleft() if from_left else given.pop()
    event = "lpush" if to_left else "rpush"
    if taking is None:
        keyspace.put(target, ListValue([item]), event=event)
    else:
        taking.appendleft(item) if to_left else taking.append(item)
        keyspace.changed(target, event)
    keyspace.changed(source, "lpop" if from_left else "rpop")
    return item


def _rpoplpush(client: Client, words: list[bytes]) -> Reply:
    return _move(client, words[1], words[2], from_left=False, to_left=True)


_READ: Final = ("readonly",)
_WRITE: Final = ("write", "denyoom")


_command = partial(plain, "list")


COMMANDS = (
    _command("LINDEX", _index, 3, 3, _READ),
    _command("LPOS", _position, 3, None, _READ),
    _command("LSET", _set, 4, 4, _WRITE),
    _command("LTRIM", _trim, 4, 4, ("write",)),
    _command("LREM", _remove, 4, 4, ("write",)),
    _command("LINSERT", _insert, 5, 5, _WRITE),
    _command("LMOVE", _lmove, 5, 5, _WRITE, (1, 2, 1)),
    _command("RPOPLPUSH", _rpoplpush, 3, 3, _WRITE, (1, 2, 1)),
)

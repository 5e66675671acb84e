"""SCAN, HSCAN and SSCAN: a collection in pages, whatever happens to it between two of them.

The server keeps nothing for a scan that is under way. Hashes and sets are gone through from their end: what
comes in is appended, and what goes makes room for something behind it. So what has not been given yet
stays before the place where the next page ends, which is the cursor.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._glob import matcher
from .._keyspace import HashValue, as_hash, as_set, type_name
from .._resp import Reply
from .._words import number, said, shown
from ._table import plain

__all__ = ["COMMANDS"]

_CURSOR: Final = re.compile(rb"[0-9]{1,20}")
_SMALL: Final = 512  # what has no more is given in one page


@dataclass(slots=True)
class _Wanted:
    """What stands behind the cursor.

    Attributes
    ----------
    count
        About how much a page holds.
    matches
        Tells whether a key, a field or a member is wanted.
    kind
        The type that keys must have, lower case; None is any.
    """

    count: int = 10
    matches: Callable[[bytes], bool] = lambda word: True
    kind: str | None = None


def _cursor(word: bytes) -> int:
    if _CURSOR.fullmatch(word) is None or int(word) >= 1 << 64:
        raise CommandError("ERR invalid cursor")
    return int(word)


def _options(words: list[bytes], *, start: int, typed: bool = False) -> _Wanted:
    wanted = _Wanted()
    for at in range(start, len(words), 2):
        if at + 1 == len(words):
            raise CommandError("ERR syntax error")
        match said(words, at):
            case b"COUNT":
                wanted.count = number(words[at + 1])
                if wanted.count < 1:
                    raise CommandError("ERR syntax error")
            case b"MATCH":
                wanted.matches = matcher(words[at + 1])
            case b"TYPE" if typed:
                wanted.kind = shown(words[at + 1]).lower()
            case _:
                raise CommandError("ERR syntax error")
    return wanted


def _scan(client: Client, words: list[bytes]) -> Reply:
    cursor = _cursor(words[1])
    wanted = _options(words, start=2, typed=True)
    after, keys = client.services.order.page(cursor, wanted.count)
    found = [(key, client.keyspace.read(key)) for key in keys if wanted.matches(key)]
    return [
        b"%d" % after,
        [
            key
            for key, value in found
            if value is not None and wanted.kind in (None, type_name(value).lower())
        ],
    ]


def _page(size: int, cursor: int, count: int) -> tuple[int, int]:
    """Give where a page begins and ends; it is read from its end, and the next one ends where it begins."""
    stop = min(cursor, size) if cursor else size
    return (0 if size <= _SMALL else max(0, stop - count)), stop


def _hscan(client: Client, words: list[bytes]) -> Reply:
    cursor = _cursor(words[2])
    fields = as_hash(client.keyspace.read(words[1]))
    if fields is None:
        return [b"0", []]
    wanted = _options(words, start=3)
    start, stop = _page(len(fields), cursor, wanted.count)
    found = _slice(fields, start, stop)
    return [b"%d" % start, [word for pair in found if wanted.matches(pair[0]) for word in pair]]


def _slice(fields: HashValue, start: int, stop: int) -> Iterable[tuple[bytes, bytes]]:
    """Give some of the fields: by the shorter way, for a dictionary has no positions."""
    if stop - start == len(fields) or stop < len(fields) // 2:
        return islice(fields.items(), start, stop)
    end = len(fields)
    return islice(reversed(fields.items()), end - stop, end - start)


def _sscan(client: Client, words: list[bytes]) -> Reply:
    cursor = _cursor(words[2])
    found = as_set(client.keyspace.read(words[1]))
    if found is None:
        return [b"0", []]
    wanted = _options(words, start=3)
    start, stop = _page(len(found), cursor, wanted.count)
    return [b"%d" % start, [member for member in found.members[start:stop] if wanted.matches(member)]]


_command = partial(plain, flags=("readonly",))


COMMANDS = (
    _command("generic", "SCAN", _scan, 2, None, keys=(0, 0, 0)),
    _command("hash", "HSCAN", _hscan, 3, None),
    _command("set", "SSCAN", _sscan, 3, None),
)

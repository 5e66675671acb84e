"""The plain values: what Redis' own commands keep beside tensors and models.

A string is bytes. Lists, hashes and sets change in place, as Redis' do; whoever changes one says so to its
keyspace in the same step (`Keyspace.changed`), and nobody else keeps a reference to it beyond a step.
"""

import random
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

from ...errors import CommandError

__all__ = ["HashValue", "ListValue", "SetValue", "as_hash", "as_list", "as_set", "as_string"]


class ListValue(deque[bytes]):
    """A list, quick at both ends; one without elements is never kept under a key."""


class HashValue(dict[bytes, bytes]):
    """Fields with their values, in the order in which they were first set; never kept empty."""


class SetValue:
    """Members, each of them once; any one can be had by chance in a single step. Never kept empty.

    Attributes
    ----------
    members
        In an order that only a removal changes: the last one takes the place of the one that goes.
    """

    __slots__ = ("_places", "members")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        self.members = list(dict.fromkeys(members))
        self._places = {member: place for place, member in enumerate(self.members)}

    def add(self, member: bytes) -> bool:
        """Take one in; tell whether it is new."""
        if member in self._places:
            return False
        self._places[member] = len(self.members)
        self.members.append(member)
        return True

    def remove(self, member: bytes) -> bool:
        """Remove one; tell whether it was there."""
        place = self._places.pop(member, None)
        if place is None:
            return False
        last = self.members.pop()
        if last != member:
            self.members[place] = last
            self._places[last] = place
        return True

    def any(self) -> bytes:
        """Give one by chance."""
        return random.choice(self.members)

    def __contains__(self, member: object) -> bool:
        return member in self._places

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)


_T = TypeVar("_T")


def as_string(value: object) -> bytes | None:
    """Give what was found under a key as a string, None where nothing is; else raise WRONGTYPE."""
    return _as(bytes, value)


def as_list(value: object) -> ListValue | None:
    """Give what was found under a key as a list, None where nothing is; else raise WRONGTYPE."""
    return _as(ListValue, value)


def as_hash(value: object) -> HashValue | None:
    """Give what was found under a key as a hash, None where nothing is; else raise WRONGTYPE."""
    return _as(HashValue, value)


def as_set(value: object) -> SetValue | None:
    """Give what was found under a key as a set, None where nothing is; else raise WRONGTYPE."""
    return _as(SetValue, value)


def _as(kind: type[_T], value: object) -> _T | None:
    if value is None or isinstance(value, kind):
        return value
    raise CommandError.wrongtype()

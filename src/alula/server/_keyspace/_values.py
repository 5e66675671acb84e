"""The plain values: what Redis' own commands keep beside tensors and models.

A string is bytes. Lists and hashes change in place, as Redis' do; whoever changes one says so to its
keyspace in the same step (`Keyspace.changed`), and nobody else keeps a reference to it beyond a step.
"""

from collections import deque
from typing import TypeVar

from ...errors import CommandError

__all__ = ["HashValue", "ListValue", "as_hash", "as_list", "as_string"]


class ListValue(deque[bytes]):
    """A list, quick at both ends; one without elements is never kept under a key."""


class HashValue(dict[bytes, bytes]):
    """Fields with their values, in the order in which they were first set; never kept empty."""


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


def _as(kind: type[_T], value: object) -> _T | None:
    if value is None or isinstance(value, kind):
        return value
    raise CommandError.wrongtype()

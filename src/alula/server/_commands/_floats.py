"""Adding to numbers that need not be whole."""

import numpy as np

from ...errors import CommandError
from .._client import Client
from .._keyspace import HashValue, as_hash, as_string
from .._long_double import read_long_double, write_long_double
from .._resp import Reply
from ._table import plain

__all__ = ["COMMANDS"]

_NO_FLOAT = "ERR value is not a valid float"


def _read(word: bytes, error: str = _NO_FLOAT) -> np.longdouble:
    found = read_long_double(word)
    if found is None:
        raise CommandError(error)
    return found


def _sum(before: np.longdouble, amount: np.longdouble) -> bytes:
    with np.errstate(all="ignore"):
        total = before + amount
    if not np.isfinite(total):
        raise CommandError("ERR increment would produce NaN or Infinity")
    return write_long_double(total)


def _incrbyfloat(client: Client, words: list[bytes]) -> Reply:
    keyspace, key = client.keyspace, words[1]
    before = as_string(keyspace.read(key))
    total = _sum(_read(b"0" if before is None else before), _read(words[2]))
    keyspace.put(key, total, expires=keyspace.expires(key), event="incrbyfloat")
    return total


def _hincrbyfloat(client: Client, words: list[bytes]) -> Reply:
    keyspace, key, amount = client.keyspace, words[1], _read(words[3])
    if not np.isfinite(amount):
        raise CommandError("ERR value is NaN or Infinity")
    fields = as_hash(keyspace.read(key))
    before = b"0" if fields is None else fields.get(words[2], b"0")
    total = _sum(_read(before, "ERR hash value is not a float"), amount)
    if fields is None:
        keyspace.put(key, HashValue({words[2]: total}), event="hincrbyfloat")
    else:
        fields[words[2]] = total
        keyspace.changed(key, "hincrbyfloat")
    return total


_FLAGS = ("write", "denyoom", "fast")
COMMANDS = (
    plain("string", "INCRBYFLOAT", _incrbyfloat, 3, 3, _FLAGS),
    plain("hash", "HINCRBYFLOAT", _hincrbyfloat, 4, 4, _FLAGS),
)

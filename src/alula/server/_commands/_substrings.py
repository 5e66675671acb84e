"""Parts of strings."""

from functools import partial

from ...errors import CommandError
from .._client import Client
from .._keyspace import as_string
from .._resp import Reply
from .._words import number
from ._table import plain

__all__ = ["COMMANDS", "check_length"]


def check_length(client: Client, size: int) -> None:
    """Refuse a string that would be longer than a word of a request may be."""
    if size > client.services.config.proto_max_bulk_len:
        raise CommandError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")


def _get(client: Client, words: list[bytes]) -> Reply:
    start, stop = number(words[2]), number(words[3])
    value = as_string(client.keyspace.read(words[1])) or b""
    if start < 0 and stop < 0 and start > stop:
        return b""
    start = max(0, start + len(value)) if start < 0 else start
    stop = max(0, stop + len(value)) if stop < 0 else stop
    return value[start : stop + 1]


def _set(client: Client, words: list[bytes]) -> Reply:
    offset, piece, keyspace, key = number(words[2]), words[3], client.keyspace, words[1]
    if offset < 0:
        raise CommandError("ERR offset is out of range")
    before = as_string(keyspace.read(key)) or b""
    if not piece:
        return len(before)
    check_length(client, offset + len(piece))
    value = before[:offset].ljust(offset, b"\0") + piece + before[offset + len(piece) :]
    keyspace.put(key, value, expires=keyspace.expires(key), event="setrange")
    return len(value)


_command = partial(plain, "string")


COMMANDS = (
    _command("GETRANGE", _get, 4, 4, ("readonly",)),
    _command("SUBSTR", _get, 4, 4, ("readonly",)),
    _command("SETRANGE", _set, 4, 4, ("write", "denyoom")),
)

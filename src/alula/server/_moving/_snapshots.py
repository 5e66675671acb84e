"""A Redis' snapshot, the file of its SAVE: strings, lists, hashes, and the values of RedisAI.

What else such a file may hold is refused by name, and nothing is left out in silence.
"""

from collections.abc import Callable, Iterator
from typing import Final

from ...errors import CommandError
from .._checksum import crc64
from .._dump import LAST, read_value, type_of_module
from .._rdb import FormError, Reader
from ._rebuilding import Entry

__all__ = ["MAGIC", "snapshot"]

MAGIC: Final = b"REDIS"
"""What a snapshot begins with."""

_AUX, _SELECT, _RESIZE, _END = 0xFA, 0xFE, 0xFB, 0xFF
_IDLE, _FREQUENCY, _MODULE_AUX = 0xF8, 0xF9, 0xF7
_TIMES: Final = {0xFD: (4, 1000), 0xFC: (8, 1)}  # bytes of a time of expiry, and ms of its unit
_LARGEST: Final = 0xEF  # kind of a value that there may ever be

_MODULE: Final = 7
_NAMES: Final = {
    **dict.fromkeys((3, 5, 12, 17), "a sorted set"),
    **dict.fromkeys((15, 19, 21), "a stream"),
    **dict.fromkeys((22, 23, 24, 25), "a hash whose fields expire"),
    **dict.fromkeys((6, _MODULE), "a value of the module type"),
    9: "a hash as Redis wrote it before 2.6",
}
"""What is not known here, but by its name."""


def snapshot(data: bytes) -> Iterator[Entry]:
    """Give what a snapshot holds.

    Parameters
    ----------
    data
        The file.

    Raises
    ------
    CommandError
        If it is damaged, or holds what cannot be had here, which is named.
    """
    version = data[5:9]
    if not data.startswith(MAGIC) or not version.isdigit() or not 1 <= int(version) <= LAST:
        raise CommandError(f"it is no snapshot of a version that is known here: {data[:9]!r}")
    reader = Reader(data)
    reader.take(9)
    try:
        yield from _entries(reader)
        body = reader.at
        checksum = int.from_bytes(reader.take(8), "little") if int(version) >= 5 else 0
    except (FormError, KeyError, ValueError) as error:
        raise CommandError(f"the snapshot is damaged at byte {reader.at}") from error
    if checksum and checksum != crc64(memoryview(data)[:body]):
        raise CommandError("the snapshot is damaged: its checksum is wrong")
    if not reader.over:
        raise CommandError("there is something behind the end of the snapshot")


def _entries(reader: Reader) -> Iterator[Entry]:
    expires: int | None = None
    while (kind := reader.take(1)[0]) != _END:
        if kind in _TIMES:
            size, unit = _TIMES[kind]
            expires = unit * int.from_bytes(reader.take(size), "little", signed=True)
        elif kind in _ASIDE:
            _ASIDE[kind](reader)
        elif kind > _LARGEST:
            raise CommandError(f"the snapshot has a section that is not known here: {kind:#x}")
        else:
            yield _entry(reader, kind, expires)
            expires = None


def _entry(reader: Reader, kind: int, expires: int | None) -> Entry:
    key = reader.string()
    what = _NAMES.get(kind, f"a value of type {kind}")
    if kind == _MODULE and (name := type_of_module(reader)) is not None:
        raise CommandError(f"the key {key!r} holds {what} {name!r}, which cannot be had here")
    try:
        return key, read_value(reader, kind), expires
    except KeyError as error:
        raise CommandError(f"the key {key!r} holds {what}, which cannot be had here") from error


# --------------------------------------------------------------------------- what is not about keys


def _pass_pair(reader: Reader) -> None:
    reader.string()
    reader.string()


def _pass_sizes(reader: Reader) -> None:
    reader.length()
    reader.length()


def _select(reader: Reader) -> None:
    if (number := reader.length()) != 0:
        raise CommandError(f"the snapshot has keys in database {number}, and there is one here, 0")


def _pass_module(reader: Reader) -> None:
    """Step over what a module keeps beside keys: fields, each with its kind in front."""
    reader.length()
    while (kind := reader.length()) != 0:
        if kind == 5:
            reader.string()
        elif kind in (3, 4):  # a float or a double
            reader.take(4 * (kind - 2))
        else:
            reader.length()


_ASIDE: Final[dict[int, Callable[[Reader], object]]] = {
    _AUX: _pass_pair,
    _SELECT: _select,
    _RESIZE: _pass_sizes,
    _IDLE: Reader.length,
    _FREQUENCY: lambda reader: reader.take(1),
    _MODULE_AUX: _pass_module,
}

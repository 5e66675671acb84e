"""Forms in which Redis packs what is small into one string: ziplists, later listpacks, and intsets.

They are read only, for people who move their data over; what is written here is simpler.
"""

from collections.abc import Callable
from typing import Final

from ._rdb import FormError, Reader

__all__ = ["intset", "listpack", "pairs", "ziplist"]

_END: Final = 0xFF


def listpack(data: bytes) -> list[bytes]:
    """Give the entries of a listpack.

    Raises
    ------
    FormError
        If it is none.
    """
    reader, items = Reader(data), list[bytes]()
    reader.take(6)  # the sizes of the whole, which is known, and the number of entries, which need not be
    while (first := reader.take(1)[0]) != _END:
        before = reader.at
        items.append(_listpack_entry(reader, first))
        size = reader.at - before + 1
        reader.take(1 + sum(size > most for most in (127, 16383, 2097151, 268435455)))  # it, for going back
    if not reader.over:
        raise FormError
    return items


def _listpack_entry(reader: Reader, first: int) -> bytes:
    match first:
        case _ if first < 0x80:
            return b"%d" % first
        case _ if first < 0xC0:
            return reader.take(first & 63)
        case _ if first < 0xE0:
            number = (first & 31) << 8 | reader.take(1)[0]
            return b"%d" % (number - (number >> 12 << 13))
        case _ if first < 0xF0:
            return reader.take((first & 15) << 8 | reader.take(1)[0])
        case 0xF0:
            return reader.take(int.from_bytes(reader.take(4), "little"))
        case _:
            return _integer(reader, {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}.get(first, 0))


def ziplist(data: bytes) -> list[bytes]:
    """Give the entries of a ziplist.

    Raises
    ------
    FormError
        If it is none.
    """
    reader, items = Reader(data), list[bytes]()
    reader.take(10)  # the sizes of the whole and up to the last entry, and the number of entries
    while (before := reader.take(1)[0]) != _END:
        if before == 0xFE:
            reader.take(4)
        items.append(_ziplist_entry(reader, reader.take(1)[0]))
    if not reader.over:
        raise FormError
    return items


def _ziplist_entry(reader: Reader, first: int) -> bytes:
    match first >> 6:
        case 0:
            return reader.take(first & 63)
        case 1:
            return reader.take((first & 63) << 8 | reader.take(1)[0])
        case 2:
            return reader.take(int.from_bytes(reader.take(4), "big"))
        case _ if 0xF1 <= first <= 0xFD:
            return b"%d" % ((first & 15) - 1)
        case _:
            return _integer(reader, {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}.get(first, 0))


def _integer(reader: Reader, size: int) -> bytes:
    if not size:
        raise FormError
    return b"%d" % int.from_bytes(reader.take(size), "little", signed=True)


def intset(data: bytes) -> list[bytes]:
    """Give the members of a set of integers.

    Raises
    ------
    FormError
        If it is none.
    """
    reader = Reader(data)
    size, count = (int.from_bytes(reader.take(4), "little") for _ in range(2))
    if size not in (2, 4, 8) or len(data) != 8 + size * count:
        raise FormError
    return [_integer(reader, size) for _ in range(count)]


def pairs(unpack: Callable[[bytes], list[bytes]], data: bytes) -> dict[bytes, bytes]:
    """Give a hash whose fields and values were packed in turn."""
    items = unpack(data)
    if len(items) % 2:
        raise FormError
    return dict(zip(items[::2], items[1::2], strict=True))

"""The alphabet of Redis' RDB format: lengths, strings, and the compression of strings.

What is written is as plain as the format allows: numbers in the shortest form, strings as they are,
but for those that are integers, which Redis, too, writes as such. Whatever Redis writes can be read.
"""

import struct
from typing import Final

__all__ = ["FormError", "Reader", "length", "string"]


class FormError(Exception):
    """Bytes that are not what they should be."""


# ------------------------------------------------------------------------------------- writing


def length(number: int) -> bytes:
    """Write a length, or any number from 0 to below 2**64."""
    if number < 1 << 6:
        return bytes((number,))
    if number < 1 << 14:
        return struct.pack(">H", number | 1 << 14)
    return struct.pack(">BI", 0x80, number) if number < 1 << 32 else struct.pack(">BQ", 0x81, number)


def string(data: bytes | memoryview) -> bytes:
    """Write a string that is not to be taken for a number."""
    return length(len(data)) + bytes(data)


# ------------------------------------------------------------------------------------- reading

_INT8, _INT16, _INT32, _LZF = range(4)
_INTEGERS: Final = {_INT8: 1, _INT16: 2, _INT32: 4}  # bytes of each
_MOST: Final = 1 << 30  # bytes of a string that is compressed, before anything is made of it


class Reader:
    """Takes one piece after another from the front of some bytes; `FormError` if there is none."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def at(self) -> int:
        """How many bytes were taken."""
        return self._at

    @property
    def over(self) -> bool:
        """Whether everything was taken."""
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        """Take some bytes."""
        if count > len(self._data) - self._at:
            raise FormError
        self._at += count
        return self._data[self._at - count : self._at]

    def length(self) -> int:
        """Take a length."""
        number, special = self._length()
        if special:
            raise FormError
        return number

    def peek_length(self) -> int:
        """Give the next length, and leave it there."""
        at = self._at
        number = self.length()
        self._at = at
        return number

    def string(self) -> bytes:
        """Take a string, however it was written."""
        number, special = self._length()
        if not special:
            return self.take(number)
        if number in _INTEGERS:
            return b"%d" % int.from_bytes(self.take(_INTEGERS[number]), "little", signed=True)
        if number != _LZF:
            raise FormError
        packed, plain = self.length(), self.length()
        if plain > _MOST:
            raise FormError
        return unpacked(self.take(packed), plain)

    def _length(self) -> tuple[int, bool]:
        """Take a length; or the way in which a string is written, and True."""
        first = self.take(1)[0]
        match first >> 6:
            case 0:
                return first, False
            case 1:
                return (first & 63) << 8 | self.take(1)[0], False
            case 2 if first in (0x80, 0x81):
                return int.from_bytes(self.take(4 if first == 0x80 else 8), "big"), False
            case 3:
                return first & 63, True
            case _:
                raise FormError


def unpacked(data: bytes, size: int) -> bytes:
    """Undo the compression of LZF: runs of bytes as they are, and repetitions of what was before.

    Raises
    ------
    FormError
        If it does not come to `size` bytes.
    """
    plain, at = bytearray(), 0
    try:
        while at < len(data) and len(plain) <= size:
            control, at = data[at], at + 1
            if control < 32:
                plain += data[at : at + control + 1]
                at += control + 1
                continue
            count = control >> 5
            if count == 7:
                count, at = count + data[at], at + 1
            distance, at = (control & 31) << 8 | data[at], at + 1
            _repeat(plain, distance + 1, count + 2)
    except IndexError as error:
        raise FormError from error
    if len(plain) != size or at > len(data):
        raise FormError
    return bytes(plain)


def _repeat(plain: bytearray, distance: int, count: int) -> None:
    """Append what stands so far back; it may overlap with what is being appended."""
    start = len(plain) - distance
    if start < 0:
        raise FormError
    piece = plain[start : start + count]
    plain += (piece * (count // len(piece) + 1))[:count]

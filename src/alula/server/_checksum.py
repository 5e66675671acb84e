"""The checksum at the end of a DUMP payload: CRC-64 with Jones' polynomial, as Redis computes it.

A byte at a time would take seconds for a large model. But the checksum is linear, and zeros in front
of the data leave it alone: so the data is cut into lanes of equal length, which numpy works through
side by side, and the lanes are then folded in pairs.
"""

from functools import cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["crc64"]

_Words: TypeAlias = NDArray[np.uint64]

_POLYNOMIAL: Final = 0x95AC9329AC4BC9B5  # 0xAD93D23594C935A9 with its bits in reverse
_SHORT: Final = 1024  # bytes that a plain loop is faster for


def crc64(data: bytes | memoryview) -> int:
    """Give the checksum of some bytes; 0 for none."""
    if len(data) <= _SHORT:
        return _plain(data)
    lanes = 1 << max(5, (len(data).bit_length() - 1) // 2)
    length = -(-len(data) // lanes)
    padded = np.zeros(lanes * length, np.uint8)
    padded[padded.size - len(data) :] = np.frombuffer(data, np.uint8)
    return _folded(_columns(padded.reshape(lanes, length)), length)


def _plain(data: bytes | memoryview) -> int:
    crc, table = 0, _table()[0]
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc


def _columns(lanes: NDArray[np.uint8]) -> _Words:
    """Give the checksum of every lane, taking one byte of each at a time."""
    table = _table()[1]
    crcs = np.zeros(len(lanes), np.uint64)
    low, eight = np.uint64(255), np.uint64(8)
    for column in np.ascontiguousarray(lanes.T):
        crcs = table[(crcs ^ column) & low] ^ (crcs >> eight)
    return crcs


def _folded(crcs: _Words, length: int) -> int:
    """Put the checksums of neighbours together until one is left."""
    behind = _power(length)  # what as many zeros behind some data do to its checksum
    while len(crcs) > 1:
        crcs = _applied(behind, crcs[0::2]) ^ crcs[1::2]
        behind = _applied(behind, behind)
    return int(crcs[0])


# ------------------------------------------------- linear maps of 64 bits: what each bit becomes


def _applied(linear: _Words, words: _Words) -> _Words:
    """Apply a map to some words, a byte of each at a time."""
    result = np.zeros_like(words)
    for at in range(0, 64, 8):
        table = np.zeros(256, np.uint64)
        for bit in range(8):
            table[1 << bit : 2 << bit] = table[: 1 << bit] ^ linear[at + bit]
        result ^= table[(words >> np.uint64(at)) & np.uint64(255)]
    return result


def _power(count: int) -> _Words:
    """Give the map of `count` zero bytes behind some data."""
    bits = np.uint64(1) << np.arange(64, dtype=np.uint64)
    result, square = bits, _table()[1][bits & np.uint64(255)] ^ (bits >> np.uint64(8))
    while count:
        if count & 1:
            result = _applied(square, result)
        square = _applied(square, square)
        count >>= 1
    return result


@cache
def _table() -> tuple[tuple[int, ...], _Words]:
    """Give what one byte does: for Python's integers, and for numpy's."""
    words = []
    for word in range(256):
        for _ in range(8):
            word = (word >> 1) ^ (_POLYNOMIAL if word & 1 else 0)
        words.append(word)
    return tuple(words), np.array(words, np.uint64)

"""Numbers as C's ``long double`` has them, read and written as Redis does it: its sums are of those."""

import re
from decimal import Decimal, InvalidOperation
from typing import Final

import numpy as np

__all__ = ["read_long_double", "write_long_double"]

_CHARACTERS: Final = 5 << 10
_DECIMAL: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_HEXADECIMAL: Final = re.compile(
    rb"[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?", re.IGNORECASE
)
_INFINITE: Final = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)


def _exactly(value: np.longdouble) -> Decimal:
    return Decimal(np.format_float_scientific(value, unique=False, precision=30))


_LEAST: Final = _exactly(np.finfo(np.longdouble).smallest_subnormal)
_MOST: Final = _exactly(np.finfo(np.longdouble).max)


def read_long_double(word: bytes) -> np.longdouble | None:
    """Read a number, which may be infinite; None if the word is none, or too large or too small for one."""
    if len(word) >= _CHARACTERS:
        return None
    text = word.decode(errors="replace")
    if _INFINITE.fullmatch(word):
        return np.longdouble(text)
    if _HEXADECIMAL.fullmatch(word):
        return _read_hexadecimal(text)
    if not _DECIMAL.fullmatch(word):
        return None
    try:
        exact = Decimal(text).copy_abs()
    except InvalidOperation:  # its exponent is beyond anything
        return None
    return np.longdouble(text) if not exact or _LEAST <= exact <= _MOST else None


def _read_hexadecimal(text: str) -> np.longdouble | None:
    """Read a number of which there is no more than a double can have."""
    try:
        return np.longdouble(float.fromhex(text))
    except OverflowError:
        return None


def write_long_double(value: np.longdouble) -> bytes:
    """Write a finite number with up to 17 digits behind the point, and no more than it needs of those."""
    text = np.format_float_positional(value, precision=17, unique=False, trim="-")
    return b"0" if text == "-0" else text.encode()

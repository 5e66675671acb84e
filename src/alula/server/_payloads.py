"""The content of a tensor on the wire: AI.TENSORSET's BLOB and VALUES, and AI.TENSORGET's.

A `Layout` is what the other words of an AI.TENSORSET say. It is kept with a cached plan, and reads
the words of the payload anew in every command.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

import numpy as np

from ..errors import CommandError
from ._resp import Reply
from ._tensors import DType, Tensor
from ._words import integer

__all__ = ["MAX_BYTES", "Layout", "values"]

MAX_BYTES: Final = 512 << 20
"""Bytes of the largest tensor: more could not be read back in one bulk string."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the payload of one AI.TENSORSET is to be read.

    Attributes
    ----------
    dtype, shape
        Of the tensor.
    form
        What the payload is; ``"zeros"`` has none.
    """

    dtype: DType
    shape: tuple[int, ...]
    form: Literal["blob", "values", "zeros"]

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def read(self, payload: list[bytes]) -> Tensor:
        """Make the tensor out of the words behind BLOB or VALUES, whose number has been checked.

        Raises
        ------
        CommandError
            If their content is not what dtype and shape ask for.
        """
        match self.form:
            case "blob":
                data = _checked(self, payload[0])
            case "values":
                data = _packed(self.dtype, payload)
            case "zeros":
                data = _zeros(self)
            case _:
                assert_never(self.form)
        return Tensor(self.dtype, self.shape, data)


def _checked(layout: Layout, blob: bytes) -> bytes:
    if not layout.dtype.size:
        if blob[-1:] != b"\0" or blob.count(b"\0") != layout.count:
            raise CommandError("ERR Number of string elements in data blob does not match tensor length")
    elif len(blob) != layout.count * layout.dtype.size:
        raise CommandError("ERR data length does not match tensor shape and type")
    elif layout.dtype.name == "BOOL" and blob.translate(None, b"\0\1"):
        raise CommandError("ERR BOOL tensor elements must be 0 or 1")
    return blob


def _zeros(layout: Layout) -> bytes:
    size = layout.count * (layout.dtype.size or 1)  # an empty string is its closing NUL
    if size > MAX_BYTES:
        raise CommandError(f"ERR a tensor cannot be larger than {MAX_BYTES} bytes")
    return bytes(size)


def _packed(dtype: DType, words: list[bytes]) -> bytes:
    match dtype.array.kind:
        case "S":
            return b"".join(map(_string, words))
        case "f":
            numbers: list[Any] = [_float(word) for word in words]
        case _:
            least, most = _range(dtype)
            numbers = [_integer(word, least, most) for word in words]
    with np.errstate(over="ignore"):  # too large for a FLOAT is infinite, as a C cast makes it
        return np.array(numbers, dtype.array).tobytes()


def _string(word: bytes) -> bytes:
    text = word.removesuffix(b"\0")
    if b"\0" in text:
        raise CommandError("ERR C-string value contains null character")
    return text + b"\0"


def _range(dtype: DType) -> tuple[int, int]:
    if dtype.name == "BOOL":
        return 0, 1
    info = np.iinfo(dtype.array)
    # The least number of a signed type is refused: RedisAI refuses all negative ones, and one of its
    # tests asks for exactly this. A blob may hold it.
    return int(info.min) + (dtype.array.kind == "i"), int(info.max)


def _integer(word: bytes, least: int, most: int) -> int:
    number = integer(word)
    if number is None or not least <= number <= most:
        raise CommandError("ERR invalid value")
    return number


_DECIMAL = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = re.compile(rb"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?")
_INFINITE = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)


def _float(word: bytes) -> float:
    """Read a number as C's strtod does, but for what is not a number or out of a double's range."""
    if infinite := _INFINITE.fullmatch(word):
        return -math.inf if infinite[1] == b"-" else math.inf
    if found := _DECIMAL.fullmatch(word):
        number = float(word)
    elif found := _HEXADECIMAL.fullmatch(word):
        number = _from_hex(word)
    else:
        raise CommandError("ERR invalid value")
    if math.isinf(number) or (not number and found[1].strip(b"0.")):
        raise CommandError("ERR invalid value")
    return number


def _from_hex(word: bytes) -> float:
    try:
        return float.fromhex(word.decode())
    except OverflowError:
        return math.inf


def values(tensor: Tensor) -> Reply:
    """Give the elements of a tensor one by one, row-major, as AI.TENSORGET's VALUES sends them."""
    if not tensor.dtype.size:
        return list(tensor.strings())
    flat = np.frombuffer(tensor.data, tensor.dtype.array)
    return (flat.view(np.uint8) if tensor.dtype.name == "BOOL" else flat).tolist()  # type: ignore[no-any-return]  # numbers

"""Tensors: immutable values, so that a snapshot is a reference and nobody waits for a reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import CommandError

__all__ = ["DTYPES", "DType", "Tensor"]


@dataclass(frozen=True, slots=True)
class DType:
    """What the elements of a tensor are.

    Attributes
    ----------
    name
        As on the wire, upper case.
    size
        Bytes of one element in a blob; 0 for STRING, whose elements end with a NUL each.
    array
        The numpy type of the elements, little-endian; for STRING that of a byte string.
    """

    name: str
    size: int
    array: np.dtype[Any]


def _dtypes() -> Mapping[bytes, DType]:
    of = {"FLOAT": "<f4", "DOUBLE": "<f8", "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8"}
    of |= {"UINT8": "u1", "UINT16": "<u2", "BOOL": "?", "STRING": "S"}
    return {name.encode(): DType(name, np.dtype(code).itemsize, np.dtype(code)) for name, code in of.items()}


DTYPES: Final = _dtypes()
"""Every dtype by its upper-case name."""

_OF_ARRAY: Final = {dtype.array: dtype for dtype in DTYPES.values()}


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """An immutable tensor: whoever reads it holds a reference, whoever writes makes another one.

    Attributes
    ----------
    dtype
        What the elements are.
    shape
        Length of every dimension; empty for a scalar.
    data
        The elements as a blob: row-major, little-endian, without padding; of STRING, every element
        with its closing NUL.
    """

    dtype: DType
    shape: tuple[int, ...]
    data: bytes | memoryview

    home: ClassVar[None] = None
    """It lies in the host's memory; see `Resident` for those that do not."""

    def host(self) -> "Tensor":
        """Give the tensor in the host's memory: itself."""
        return self

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self:
        """Take an array over; it must not be changed any more.

        Raises
        ------
        CommandError
            If there is no name for its type of elements.
        """
        if array.dtype.kind == "O":
            return cls(DTYPES[b"STRING"], array.shape, b"".join(b"%b\0" % _text(item) for item in array.flat))
        dtype = _OF_ARRAY.get(array.dtype)
        if dtype is None:
            raise CommandError(f"ERR unsupported dtype {array.dtype}")
        if not array.flags.c_contiguous or not array.size:
            return cls(dtype, array.shape, array.tobytes())
        return cls(dtype, array.shape, array.reshape(-1).view(np.uint8).data.toreadonly())

    def array(self) -> NDArray[Any]:
        """Give the elements as an array of the tensor's shape, read-only, without a copy.

        Of STRING it is a copy: numpy's byte strings, which have no closing NULs.
        """
        if self.dtype.size:
            return np.frombuffer(self.data, self.dtype.array).reshape(self.shape)
        return np.array(self.strings(), self.dtype.array).reshape(self.shape)

    def strings(self) -> list[bytes]:
        """Give the elements of a STRING tensor, row-major, without their closing NULs."""
        return bytes(self.data).split(b"\0")[:-1]


def _text(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()

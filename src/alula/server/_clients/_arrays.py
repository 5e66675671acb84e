"""Arrays as the words that set a tensor, and replies as arrays; nothing is copied where that can be."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import CommandError
from .._tensors import DTYPES, Tensor

__all__ = ["Word", "array_of", "fields_of", "tensor_words"]

Word: TypeAlias = str | bytes | int | memoryview
"""What a command is made of, as redis-py takes it."""

_NATIVE: Final = {"U": np.object_, "S": np.object_}


def tensor_words(key: str | bytes, value: ArrayLike) -> list[Word]:
    """Give the words of AI.TENSORSET that store an array under a key.

    Raises
    ------
    TypeError
        If no tensor has such elements.
    """
    array = np.asarray(value)
    array = array.astype(_NATIVE.get(array.dtype.kind, array.dtype.newbyteorder("<")), copy=False)
    try:
        tensor = Tensor.of(array)
    except CommandError as error:
        kinds = ", ".join(str(dtype.array) for dtype in DTYPES.values() if dtype.size)
        text = f"no tensor has elements of {array.dtype}; there are {kinds}, and strings"
        raise TypeError(text) from error
    return ["AI.TENSORSET", key, tensor.dtype.name, *tensor.shape, "BLOB", tensor.data]


def array_of(reply: Sequence[Any]) -> NDArray[Any]:
    """Give the array that a reply of AI.TENSORGET with META and BLOB holds: read-only, and not a copy."""
    fields = fields_of(reply)
    dtype = DTYPES[bytes(fields["dtype"])]
    return Tensor(dtype, tuple(fields["shape"]), fields["blob"]).array()


def fields_of(reply: Any) -> dict[str, Any]:
    """Give the fields of a reply: a flat list of names and values, or what is a map already."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {_text(name): value for name, value in pairs}


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)

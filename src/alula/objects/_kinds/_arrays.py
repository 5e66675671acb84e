"""Arrays as the bytes of their elements behind numpy's own header; those of objects as their pickle."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .._shelf import Raw
from ._kind import Ask, Dumped, How, refuse_appending

__all__ = ["Arrays"]


class Arrays:
    """The kind of a numpy array."""

    name = "ndarray.bin"
    on_request = False
    checks_itself = False
    options: frozenset[str] = frozenset()

    def accepts(self, value: object) -> bool:
        """Tell whether it is an array."""
        return isinstance(value, np.ndarray)

    def ready(self) -> None:
        """Need nothing."""

    def dump(self, value: Any, how: How) -> Dumped:
        """Write a header and the elements; note type and shape."""
        facts = {"class": "numpy.ndarray", "dtype": str(value.dtype), "shape": list(value.shape)}
        if type(value) is not np.ndarray or value.dtype.hasobject or value.dtype.metadata:
            cls = type(value)
            return Dumped(value, {**facts, "class": f"{cls.__module__}.{cls.__qualname__}"})
        head = BytesIO()
        npy.write_array_header_2_0(head, npy.header_data_from_array_1_0(value))
        flat = value.ravel(order="F" if _is_fortran(value) else "C")
        return Dumped(Raw((head.getvalue(), flat.view(np.uint8).tobytes())), facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: an array has its shape."""
        raise refuse_appending(self.name, "array")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give the array where its bytes lie; it may be written to."""
        [part] = parts
        if not isinstance(part, memoryview):
            return part
        head = BytesIO(part[: 1 << 16])
        npy.read_magic(head)
        shape, fortran, dtype = npy.read_array_header_2_0(head)
        flat = np.frombuffer(part[head.tell() :], dtype=dtype)
        return flat.reshape(shape, order="F" if fortran else "C")


def _is_fortran(array: Any) -> bool:
    return bool(array.flags.f_contiguous and not array.flags.c_contiguous)

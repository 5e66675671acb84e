"""Tensors on their way to PyTorch and back, copied only where somebody might write to them.

Stored tensors never change, and PyTorch's may. So the memory of a stored tensor is lent only to code
that writes to no tensor; what else there is gets a copy, and so does whoever is handed a result.
"""

from collections.abc import Hashable
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import CommandError
from .._resident import Resident, Value
from .._tensors import DTYPES, Tensor

__all__ = ["Bridge"]

_SMALL: Final = 64 << 10  # bytes that are copied in less time than it takes to lend them


class Bridge:
    """Takes tensors over to one device and back.

    Parameters
    ----------
    torch
        The package.
    place
        The device as PyTorch calls it: ``cpu``, ``cuda:0``.
    copy
        Whether the code on the other side may write to its tensors.
    stay
        Whether results stay on the device until the host asks for them. With the default, None, they do
        where that is not the host's memory anyway.
    """

    def __init__(self, torch: Any, place: str, *, copy: bool, stay: bool | None = None) -> None:
        self.torch, self._place, self._copy = torch, place, copy
        self._stay = place != "cpu" if stay is None else stay

    @property
    def home(self) -> Hashable:
        """Where results stay, as `Resident.home`; None if they do not."""
        return ("torch", self._place) if self._stay else None

    def there(self, tensor: Value) -> Any:
        """Give PyTorch's tensor for one of ours, or for what stays at this home.

        Raises
        ------
        CommandError
            If PyTorch cannot take its type.
        """
        if isinstance(tensor, Resident):
            handle: Any = tensor.handle
            return handle.clone() if self._copy else handle
        if tensor.dtype.name == "UINT16":
            raise CommandError("Unsupported kUInt bits 16")
        if not tensor.dtype.size:
            raise CommandError("Unsupported code 7")
        array = tensor.array()
        own = array.copy() if self._copy or array.nbytes < _SMALL else np.asarray(_Lent(array))
        found = self.torch.from_numpy(own)
        return found if self._place == "cpu" else found.to(self._place)

    def back(self, value: Any) -> Value:
        """Give our tensor for one of PyTorch's, or leave it where it is if results stay there.

        Raises
        ------
        CommandError
            If there is no name for its type.
        """
        dtype = _DTYPES.get(str(value.dtype).removeprefix("torch."))
        if not self._stay or dtype is None:
            return self._fetch(value)
        if self._place != "cpu":
            self.torch.cuda.synchronize(self._place)  # so that the run's time and errors are its own
        own = value.detach().clone() if self._copy else value.detach()
        return Resident(self.home, own, dtype, tuple(own.shape), partial(self._fetch, own))

    def _fetch(self, value: Any) -> Tensor:
        """Copy a tensor to the host, if it is not there."""
        kind = str(value.dtype).removeprefix("torch.")
        if kind in _FOREIGN:
            raise CommandError(f"{_FOREIGN[kind]} is not supported by dlpack")
        try:
            array = value.numpy(force=True)
        except (RuntimeError, TypeError) as error:  # it is sparse, or quantized
            raise CommandError(f"ERR unsupported dtype: {error}") from error
        return Tensor.of(array.copy() if self._copy else array)


_DTYPES: Final = {dtype.array.name: dtype for dtype in DTYPES.values() if dtype.size}
"""By the names of PyTorch, which are those of numpy."""

_FOREIGN: Final = {
    "bfloat16": "BFloat16",
    "complex32": "ComplexHalf",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}
"""Types that cannot leave PyTorch, with the names that its messages have for them."""


class _Lent:
    """The memory of an array, said to be writable: else PyTorch warns of what does not happen here."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array  # it must outlive whoever looks into its memory
        self.__array_interface__ = {
            "version": 3,
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.__array_interface__["data"][0], False),
        }

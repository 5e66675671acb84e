"""Tensors that stay on a device between two operations of one command.

A backend that computes beside the host's memory may leave its outputs where they are. The next
operation of the same home takes them as they lie; the host gets a copy only where one is asked for:
by AI.TENSORGET, for the keyspace, or by an operation elsewhere. There is one copy at most.
"""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final, TypeAlias

from ._tensors import DType, Tensor

__all__ = ["Resident", "Value"]


class Resident:
    """An immutable tensor in the memory of a device.

    Parameters
    ----------
    home
        Which memory that is, as `Session.home` says: only there can `handle` be read.
    handle
        The backend's own object. It is let go with this one.
    dtype, shape
        As of a `Tensor`.
    fetch
        Copies the elements to the host; called once at most, from any thread.
    """

    __slots__ = ("_copy", "_fetch", "_lock", "dtype", "handle", "home", "shape")

    def __init__(
        self,
        home: Hashable,
        handle: object,
        dtype: DType,
        shape: tuple[int, ...],
        fetch: Callable[[], Tensor],
    ) -> None:
        self.home, self.handle, self.dtype, self.shape = home, handle, dtype, shape
        self._fetch: Callable[[], Tensor] | None = fetch
        self._copy: Tensor | None = None
        self._lock: Final = Lock()

    def host(self) -> Tensor:
        """Give the tensor in the host's memory, copying it there the first time."""
        with self._lock:
            if self._copy is None:
                assert self._fetch is not None
                self._copy, self._fetch = self._fetch(), None
            return self._copy


Value: TypeAlias = Tensor | Resident
"""What an operation takes and gives."""

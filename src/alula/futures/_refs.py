"""References: the names of values that exist or will exist."""

from collections.abc import Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._core._html import card
from ..errors import FutureError
from ..graph import Mark

if TYPE_CHECKING:
    from ._engine import Engine

__all__ = ["ObjectRef", "returned"]

T_co = TypeVar("T_co", covariant=True)


# A mark: graphs find it in arguments without pickling it. Not an `ABC`, to be whose instance takes ten
# times as long to find out, and `get` asks it of each reference.
class ObjectRef(Mark, Generic[T_co]):
    """A future: names one immutable value that exists or will exist.

    References are equal if they name the same value, may be hashed, passed to tasks, and awaited as
    often as one likes. The value lives as long as anybody holds a reference to it.
    """

    __slots__ = ("__weakref__",)

    @property
    def engine(self) -> "Engine":
        """The engine that this reference belongs to."""
        raise NotImplementedError

    def binary(self) -> bytes:
        """Give the identity as bytes."""
        raise NotImplementedError

    def hex(self) -> str:
        """Give the identity in hexadecimal."""
        return self.binary().hex()

    def future(self) -> "Future[T_co]":
        """Give a `concurrent.futures.Future` of the value; cancelling it does not cancel the task."""
        future: Future[T_co] = Future()

        def settle(error: BaseException | None) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(self.engine.get([self], None)[0])
            except BaseException as raised:  # whatever the task raised is what the future holds
                future.set_exception(raised)

        self.engine.watch(self, settle)
        return future

    def __await__(self) -> Generator[Any, None, T_co]:
        from asyncio import wrap_future  # here, for it takes as long to import as all of the engine

        return wrap_future(self.future()).__await__()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, ObjectRef) and self.binary() == other.binary())

    def __hash__(self) -> int:
        return hash(self.binary())

    def __repr__(self) -> str:
        return f"ObjectRef({self.hex()})"

    def _repr_html_(self) -> str:
        try:
            ready, _ = self.engine.wait([self], 1, 0)
            state = "ready" if ready else "not ready yet"
        except FutureError as error:  # its session has ended
            state = str(error)
        return card("reference", self.hex(), {"value": state})


def returned(refs: list[ObjectRef[Any]]) -> Any:
    """Give what a call returns: its one reference on its own, a list of several, None for none."""
    return refs[0] if len(refs) == 1 else refs or None

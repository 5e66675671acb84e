"""Errors as values: what a task gives that catches them."""

from collections.abc import Callable
from typing import Any, Final

from ..errors import (
    FencedError,
    NodeDiedError,
    TaskCancelledError,
    WorkflowNotResumableError,
)
from ..futures import pack_error, pack_task_error, unpack_error
from ._patience import is_trouble

__all__ = ["Carried", "carried", "may_be_caught"]

# Not errors of the task: its run ends, or cannot go on, and another run will start the task again.
_OTHERS: Final = (
    FencedError,
    NodeDiedError,
    TaskCancelledError,
    WorkflowNotResumableError,
)


def may_be_caught(error: BaseException) -> bool:
    """Tell whether an error is one of the task that ended with it."""
    return not (isinstance(error, _OTHERS) or is_trouble(error))


class Carried:
    """An error in a value that is to be stored; it comes back as the error itself.

    Exceptions do not pickle well by themselves: some lose what they were made with, some cannot be made
    again. So this goes the way on which errors travel everywhere.
    """

    __slots__ = ("packed",)

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    @classmethod
    def of(cls, error: BaseException) -> "Carried":
        """Make an error fit to be stored."""
        return cls(pack_error(error))

    def __reduce__(self) -> tuple[Callable[[bytes], BaseException], tuple[Any, ...]]:
        return unpack_error, (self.packed,)


def carried(raised: BaseException, task: str) -> Carried:
    """Carry what the code of a task has raised in this process."""
    return Carried(pack_task_error(raised, task))

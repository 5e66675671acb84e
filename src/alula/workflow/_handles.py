"""Handles: tasks of a running workflow that have no value yet, as its own tasks see them."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from ..graph import Pending

__all__ = ["Remaining"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Remaining(Pending, Generic[T_co]):
    """A task that `wait` has left; stands for its value in arguments, and can be waited for again.

    It names the task by its key, and so pickles, and means the same task after a crash. It is good only
    inside its workflow.

    Attributes
    ----------
    workflow
        Id of that.
    """

    workflow: str

    def misplaced(self) -> TypeError:
        """Give the error of who reads it elsewhere."""
        return TypeError(
            f"a handle that wait() gave is good only for what tasks of its own workflow return "
            f"({self.workflow!r})"
        )

"""Errors that nobody has read: when the last reference to one goes, it is logged instead of lost.

Only errors pay for this: they are values of a class of their own, which looks back when it goes.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import TaskError, WorkerCrashedError
from .._errors import unpack_error
from ._values import ERROR, Blob

if TYPE_CHECKING:
    from ._loop import Loop

__all__ = ["Unread", "unread"]

_log = logging.getLogger("alula.futures")


class Unread(Blob):
    """The error of a task of ours."""

    __slots__ = ("_loop",)

    def __init__(self, data: Any, loop: "Loop") -> None:
        super().__init__(ERROR, data)
        self._loop: Loop | None = loop

    def load(self) -> Any:
        """Raise it; see `Blob.load`."""
        self.seen()
        return super().load()

    def error(self) -> BaseException | None:
        """Give it; see `Blob.error`."""
        self.seen()
        return super().error()

    def seen(self) -> None:
        """Somebody has it now; see `Blob.seen`."""
        self._loop = None

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # From any thread at any moment: the loop does it soon, and not once the session has ended.
        loop = self._loop
        if loop is not None and not loop.closed and not finalizing():
            loop.later(partial(_tell, self.data))
            loop.wake()


def unread(blobs: Sequence[Blob], loop: "Loop") -> list[Blob]:
    """Give the results of a task, its error so that it is not lost."""
    last = blobs[-1]
    error = last if isinstance(last, Unread) else Unread(last.data, loop)
    return [error if blob.kind == ERROR else blob for blob in blobs]


def _tell(data: bytes) -> None:
    try:
        error = unpack_error(data)
    except Exception as raised:  # a user's class that cannot be had here
        _log.error("nobody asked for the value of a task that failed with what is no error here: %s", raised)
        return
    # That a task was cancelled, or an actor killed, somebody wanted; the end of the session all will hear of.
    if isinstance(error, (TaskError, WorkerCrashedError)):
        _log.error("nobody asked for the value of a task that failed: %s", error)

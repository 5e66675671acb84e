"""Waiting for the end of a run in the background: what to ask, and what the answer means.

Sending is left to the clients, of which one waits and the other does not.
"""

from time import monotonic
from typing import Any

from ...errors import TaskCancelledError
from ._arrays import Word, fields_of
from ._connect import patience
from ._requests import milliseconds

__all__ = ["Waiting"]


class Waiting:
    """One call that waits for a run.

    Parameters
    ----------
    number
        The run's id.
    redis
        The client of redis-py that asks.
    timeout
        Seconds to wait; None is for ever.
    """

    def __init__(self, number: str, redis: Any, timeout: float | None) -> None:
        self._id, self._timeout = number, timeout
        self._longest = patience(redis)
        self._until = None if timeout is None else monotonic() + timeout
        self._left = 0.0

    def question(self) -> tuple[Word, ...]:
        """Give the command to send next; the server waits before it answers."""
        left = self._longest if self._until is None else min(self._longest, self._until - monotonic())
        self._left = left
        return ("AI.DAGSTATUS", self._id, *(("WAIT", milliseconds(left)) if left > 0 else ()))

    def hear(self, reply: Any) -> Any:
        """Give the replies of the run's operations; None if it goes on.

        Raises
        ------
        TimeoutError
            If it goes on and the time is over.
        TaskCancelledError
            If it was cancelled.
        """
        fields = fields_of(reply)
        if fields["replies"] is None:
            if self._left <= 0:
                raise TimeoutError(f"run {self._id} has not ended within {self._timeout} s; it goes on")
            return None
        if fields["state"] in (b"cancelled", "cancelled"):
            raise TaskCancelledError(self._id)
        return fields["replies"]

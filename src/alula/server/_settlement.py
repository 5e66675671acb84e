"""Replies wait for what they tell of: one commit for all that a turn of the loop has changed.

A keyspace that lasts writes to a file, and a commit costs the same for one change and for a hundred. So
the connections that have something to send when something was changed wait here until the turn is over.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from ..errors import CommandError, StoreError
from ._keyspace import Keyspace

__all__ = ["Settlement"]

_log = logging.getLogger("alula.server")

Then: TypeAlias = Callable[[CommandError | None], None]


class Settlement:
    """Where connections wait for the commit.

    Parameters
    ----------
    loop
        The server's.
    keyspace
        What is settled.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, keyspace: Keyspace) -> None:
        self._loop, self._keyspace = loop, keyspace
        self._waiting: list[Then] = []
        self._refusing = False

    def wait(self, then: Then) -> None:
        """Call `then` when everything up to now is kept; with an error if everything was undone."""
        if not self._waiting:
            self._loop.call_soon(self.now)
        self._waiting.append(then)

    def keep(self, then: Then) -> None:
        """Call `then` as `wait` does, but at once if nothing has been changed."""
        if self._keyspace.pending:
            self.wait(then)
        else:
            then(None)

    def now(self) -> CommandError | None:
        """Settle for all who wait and for the caller; give the error if everything was undone."""
        waiting, self._waiting = self._waiting, []
        error, changed = None, self._keyspace.pending
        try:
            self._keyspace.settle()
        except StoreError as caught:
            if not self._refusing:  # once, and not for each command
                _log.error("changes are refused: %s", caught)
            error = CommandError(f"MISCONF Errors writing to the keyspace, nothing was changed: {caught}")
        self._refusing = error is not None or (self._refusing and not changed)
        for then in waiting:
            then(error)
        return error

"""Tasks that came to a worker as a burst: those it has not started, and the values of those it has run.

The main thread runs them without the lock. Meanwhile the background thread may take away what has not been
started, and the values that are there; so both are queues, from which one thing is taken in one step.
"""

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from ._values import NONE, Blob

if TYPE_CHECKING:
    from .._remote import Definition
    from ._peers import Peer
    from ._wire import Message

__all__ = ["Series"]


class Series:
    """Tasks of one function, with numbers one after the other.

    Attributes
    ----------
    first
        The number of the first, by which worker and owner speak of them.
    number
        That of the next to be run.
    cancelled
        Numbers of those that are not to be run.
    values
        Of those that were run, and not sent yet.
    seconds
        That those have taken.
    """

    is_task: ClassVar[bool] = True
    __slots__ = (
        "_end",
        "_rest",
        "_sent",
        "cancelled",
        "first",
        "name",
        "number",
        "peer",
        "seconds",
        "values",
        "what",
    )

    def __init__(self, peer: "Peer", what: "Definition", name: str, first: int, args: Any) -> None:
        """Make one; `args` is a list of encoded arguments, or how many tasks there are without any."""
        self.peer, self.what, self.name = peer, what, name
        self.first = self.number = self._sent = first
        self._rest: deque[Message] = deque([()] * args if isinstance(args, int) else args)
        self._end = first + len(self._rest)
        self.cancelled: set[int] = set()
        self.values: deque[Blob] = deque()
        self.seconds = 0.0

    def __bool__(self) -> bool:
        """Whether there is another to be run."""
        return bool(self._rest)

    def next(self) -> Blob | None:
        """Take the arguments of the next; None if there is none left."""
        try:
            args = self._rest.popleft()
        except IndexError:  # they were given back in this moment
            return None
        self.number += 1
        return Blob(args[0], args[1]) if args else NONE

    def cancel(self, number: int) -> None:
        """Do not run one of them, if it has not been started."""
        if self.number <= number < self._end:
            self.cancelled.add(number)

    def give_back(self) -> tuple[int, int, int] | None:
        """Take away what has not been started: the first of all, the first of those, and their count."""
        count = 0
        with suppress(IndexError):
            while True:
                self._rest.pop()
                count += 1
        self._end -= count
        return (self.first, self._end, count) if count else None

    def collect(self) -> tuple[int, list[Blob], float]:
        """Take the values that are there, the number of the first of them, and the s that they took."""
        number, count = self._sent, len(self.values)
        self._sent += count
        seconds, self.seconds = self.seconds, 0.0
        return number, [self.values.popleft() for _ in range(count)], seconds

"""Requests that a client has sent ahead: those that may go to Redis together are carried out as one.

Their replies leave together, in order, and each command sees what those before it have done: ours of
one row are carried out on one view, and those of Redis' own go over one connection. Where a row of the
one kind ends, the other kind waits for its replies. Everything else has its turn alone: transactions,
commands that run models, and those about the connection.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from .._client import Client
from .._commands import dispatch
from .._later import Later
from .._resp import Limits, Parser, ProtocolError, Raw, Reply, Several

__all__ = ["Ahead", "Pipeline", "Row"]

_MOST: Final = 128  # requests of one row
_FIRST: Final = 16  # of the first row of a connection
_BYTES: Final = 256 << 10  # of the words of one row, or of its replies, so that the next may be longer

Row: TypeAlias = Callable[[Client, list[list[bytes]]], Later]
"""Carries out requests that go together; gives what their replies will come by, as `Several`."""


class Ahead(Parser):
    """A parser that can look at a request before it gives it out."""

    __slots__ = ("_held",)

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._held: list[bytes] | ProtocolError | None = None

    def peek(self) -> list[bytes] | None:
        """Give the next request, which is given again; None until more has come, or if it is none."""
        if self._held is None:
            try:
                self._held = super().next()
            except ProtocolError as error:
                self._held = error
        return None if isinstance(self._held, ProtocolError) else self._held

    def next(self) -> list[bytes] | None:
        """Give the words of the next request, as `Parser.next` does."""
        held, self._held = self._held, None
        if isinstance(held, ProtocolError):
            raise held
        return super().next() if held is None else held


class Pipeline:
    """Takes the requests of one connection, as many at once as go together.

    Parameters
    ----------
    limits
        How much one request may hold.
    row
        Tells who carries out a request along with others of its kind; None if it goes alone.

    Attributes
    ----------
    parser
        Where they come from.
    """

    def __init__(self, limits: Limits, row: Callable[[Client, list[bytes]], Row | None]) -> None:
        self.parser, self._row = Ahead(limits), row
        self._room = _FIRST

    def dispatch(self, client: Client, words: list[bytes]) -> Reply | Later:
        """Carry out a request and those that follow it and go with it; their replies are `Several`."""
        row = self._row(client, words) if self.parser.peek() is not None else None
        if row is None:
            return dispatch(client, words)
        requests, size = [words], sum(map(len, words))
        while len(requests) < self._room and size < _BYTES:
            more = self.parser.peek()
            if more is None or self._row(client, more) != row:
                break
            requests.append(more)
            size += sum(map(len, more))
            self.parser.next()
        if len(requests) == 1:
            return dispatch(client, words)
        later = Later()

        def ended(replies: Reply) -> None:
            self._learn(replies)
            later.settle(replies)

        row(client, requests).watch(ended)
        return later

    def _learn(self, replies: Reply) -> None:
        """Fit the length of rows to their replies, so that no client has us hold more than it reads."""
        self._room = min(_MOST, 2 * self._room) if _weight(replies) <= _BYTES else max(1, self._room // 2)


def _weight(reply: Reply) -> int:
    """Give about the bytes of a reply."""
    match reply:
        case Raw():
            return len(reply.data)
        case bytes() | memoryview():
            return len(reply)
        case Several():
            return sum(map(_weight, reply.items))
        case list() | tuple() if len(reply) > 8:
            return 16 * len(reply)
        case list() | tuple():
            return sum(map(_weight, reply))
        case _:
            return 16

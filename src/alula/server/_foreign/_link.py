"""One connection to the Redis that keeps the keys: commands in, replies by callback, in their order.

A link that is lost, or answers nothing for too long, is never used again: whatever waits for a reply
gets a `LostError`, and the next command opens another link. So nothing hangs, and when Redis is back
nothing has to be started again.
"""

import asyncio
import os
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, cast

from ...errors import CommandError
from ._address import Address
from ._replies import Answer, FormError, Replies, read, request

__all__ = ["Link", "LostError", "Then"]

_CONNECT: Final = 2.0  # seconds
_ANSWER: Final = 10.0  # seconds that Redis may be silent about a command that does not wait for anything
_PACE: Final = 10e6  # bytes a second, at least, in which a large command gets there

Then: TypeAlias = "Callable[[bytes | LostError], None]"
"""Called once, with a reply as it came, or with why there will be none."""


class LostError(CommandError):
    """Redis cannot be reached; it may or may not have carried out what it was sent."""

    def __init__(self, address: Address, why: str) -> None:
        super().__init__(f"ERR the keyspace at {address.name} cannot be reached: {why}")


class Link(asyncio.Protocol):
    """A connection; commands may be sent before it stands.

    Parameters
    ----------
    address
        To where.
    protocol
        The version of RESP in which Redis is to answer.
    patient
        Whether Redis may take any time to answer.

    Attributes
    ----------
    protocol
        As given.
    lost
        Why it is of no use any more; None while it is.
    """

    def __init__(self, address: Address, protocol: int = 2, *, patient: bool = False) -> None:
        self.lost: LostError | None = None
        self.protocol = protocol
        self._address, self._patient = address, patient
        self._loop = asyncio.get_running_loop()
        self._replies = Replies()
        self._waiting: deque[_Expected] = deque()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []  # waits for the connection, or for the end of this turn of the loop
        self._raw: Callable[[bytes], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0  # when something came, by the loop's clock
        for words in address.greeting(protocol):
            self.send(words, self._greeted)
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        address = self._address
        try:
            async with asyncio.timeout(_CONNECT):
                if address.path:
                    await self._loop.create_unix_connection(lambda: self, address.path)
                else:
                    context = address.context()
                    await self._loop.create_connection(lambda: self, address.host, address.port, ssl=context)
        except TimeoutError:
            self._lose(f"no connection for {_CONNECT:g} s")
        except ssl.SSLError as error:
            self._lose(error.strerror or str(error))
        except OSError as error:
            self._lose(os.strerror(error.errno) if error.errno and error.errno > 0 else str(error))

    def _greeted(self, reply: bytes | LostError) -> None:
        if isinstance(reply, bytes) and isinstance(error := read(reply), CommandError):
            self._lose(error.text)

    # ------------------------------------------------------------------------------------ sending

    def send(self, words: tuple[bytes, ...] | list[bytes], then: Then) -> None:
        """Send a command; `then` is called with its reply, never before this returns."""
        self._send(request(words), _Expected(1, None, then))

    def send_all(
        self, commands: Sequence[tuple[bytes, ...]], then: Callable[[list[Answer] | LostError], None]
    ) -> None:
        """Send some commands at once, one at least; `then` is called with all their replies, read."""
        self._send(b"".join([request(words) for words in commands]), _Expected(len(commands), [], then))

    def _send(self, data: bytes, expected: "_Expected") -> None:
        if self.lost is not None:
            self._loop.call_soon(expected.then, self.lost)
            return
        expected.until = self._loop.time() + _ANSWER + len(data) / _PACE
        self._waiting.append(expected)
        self._write(data)
        if self._timer is None and not self._patient:
            self._timer = self._loop.call_later(_ANSWER, self._look)

    def relay(self, told: Callable[[bytes], None]) -> None:
        """Hand on everything that comes from now on as it comes; for subscriptions."""
        self._raw = told

    def say(self, words: list[bytes]) -> None:
        """Send a command whose replies are relayed."""
        self._write(request(words))

    def _write(self, data: bytes) -> None:
        if not self._out and self._transport is not None:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        """Write all that was sent in one turn at once."""
        assert self._transport is not None
        if self.lost is None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def close(self) -> None:
        """End the connection; whatever waits is told."""
        self._lose("the connection was closed here")

    # ---------------------------------------------------------------------- told by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has waited for this."""
        self._transport = cast("asyncio.Transport", transport)
        if self.lost is not None:
            self._transport.abort()
            return
        if self._out:
            self._flush()

    def data_received(self, data: bytes) -> None:
        """Hand out whole replies."""
        self._heard = self._loop.time()
        self._replies.feed(data)
        try:
            while self.lost is None and (reply := self._replies.next()) is not None:
                self._take(reply)
        except FormError:
            self._lose("what answers there is no Redis")

    def _take(self, reply: bytes) -> None:
        """Hand a reply to whom it is for, once that has all that it waits for."""
        if not self._waiting:
            if self._raw is not None:
                self._raw(reply)
            return
        expected = self._waiting[0]
        answers = expected.answers
        if answers is None:
            self._waiting.popleft()
            expected.then(reply)
            return
        answers.append(read(reply))
        if len(answers) == expected.count:
            self._waiting.popleft()
            expected.then(answers)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        self._lose("the connection was lost" if exc is None else str(exc))

    def _look(self) -> None:
        """See whether the command that has waited longest has waited for too long."""
        self._timer = None
        if not self._waiting:
            return
        left = max(self._waiting[0].until, self._heard + _ANSWER) - self._loop.time()
        if left <= 0:
            self._lose(f"no answer for {_ANSWER:g} s")
        else:
            self._timer = self._loop.call_later(left, self._look)

    def _lose(self, why: str) -> None:
        if self.lost is not None:
            return
        self.lost = LostError(self._address, why)
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        if self._raw is not None:
            self._raw(b"")
        waiting, self._waiting = self._waiting, deque()
        for expected in waiting:
            expected.then(self.lost)


class _Expected:
    """Replies that are to come, and whom to tell.

    Attributes
    ----------
    count
        How many they are.
    answers
        Those that have come, read; None if there is one alone, which is told as it comes.
    then
        Who is told.
    until
        When it is too late, by the loop's clock.
    """

    __slots__ = ("answers", "count", "then", "until")

    def __init__(self, count: int, answers: list[Answer] | None, then: Callable[[Any], None]) -> None:
        self.count, self.answers, self.then, self.until = count, answers, then, 0.0

"""One connection to the Redis that keeps the keys: commands in, replies by callback, in their order.

A link that is lost, or answers nothing for too long, is never used again: whatever waits for a reply
gets a `LostError`, and the next command opens another link. So nothing hangs, and when Redis is back
nothing has to be started again.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias, cast

from ...errors import CommandError
from ._address import Address
from ._replies import Answer, Replies, read, request

__all__ = ["Link", "LostError", "Then"]

_CONNECT: Final = 2.0  # seconds
_ANSWER: Final = 10.0  # seconds that Redis may take for a command that does not wait for anything

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
        self._waiting: deque[tuple[float, Then]] = deque()
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._raw: Callable[[bytes], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
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
                    secure = True if address.secure else None
                    await self._loop.create_connection(lambda: self, address.host, address.port, ssl=secure)
        except TimeoutError:
            self._lose(f"no connection for {_CONNECT:g} s")
        except OSError as error:
            self._lose(os.strerror(error.errno) if error.errno and error.errno > 0 else str(error))

    def _greeted(self, reply: bytes | LostError) -> None:
        if isinstance(reply, bytes) and isinstance(error := read(reply), CommandError):
            self._lose(error.text)

    # ------------------------------------------------------------------------------------ sending

    def send(self, words: tuple[bytes, ...] | list[bytes], then: Then) -> None:
        """Send a command; `then` is called with its reply, never before this returns."""
        if self.lost is not None:
            self._loop.call_soon(then, self.lost)
            return
        self._waiting.append((self._loop.time() + _ANSWER, then))
        self._write(request(words))
        if self._timer is None and not self._patient:
            self._timer = self._loop.call_later(_ANSWER, self._look)

    def send_all(
        self, commands: Iterable[tuple[bytes, ...]], then: Callable[[list[Answer] | LostError], None]
    ) -> None:
        """Send some commands at once; `then` is called with all their replies, read."""
        answers: list[Answer] = []
        sent = list(commands)

        def one(reply: bytes | LostError) -> None:
            if len(answers) > len(sent):  # told already that it is lost
                return
            if isinstance(reply, LostError):
                answers.extend([None] * (len(sent) + 1))
                then(reply)
                return
            answers.append(read(reply))
            if len(answers) == len(sent):
                then(answers)

        for words in sent:
            self.send(words, one)

    def relay(self, told: Callable[[bytes], None]) -> None:
        """Hand on everything that comes from now on as it comes; for subscriptions."""
        self._raw = told

    def say(self, words: list[bytes]) -> None:
        """Send a command whose replies are relayed."""
        self._write(request(words))

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            self._early.append(data)
        else:
            self._transport.write(data)

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
        self._transport.writelines(self._early)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        """Hand out whole replies."""
        replies = self._replies
        replies.feed(data)
        while (reply := replies.next()) is not None:
            if self._waiting:
                self._waiting.popleft()[1](reply)
            elif self._raw is not None:
                self._raw(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        self._lose("the connection was lost" if exc is None else str(exc))

    def _look(self) -> None:
        """See whether the command that has waited longest has waited for too long."""
        self._timer = None
        if not self._waiting:
            return
        left = self._waiting[0][0] - self._loop.time()
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
        for _, then in waiting:
            then(self.lost)

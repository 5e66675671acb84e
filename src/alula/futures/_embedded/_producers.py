"""The producer's side of streams: what a generator yields in a worker, on its way to who asked for it.

A generator that is slow has each value sent at once. One that is fast has its values sent together, about
a thousand times a second; if it stops, the thread that does the I/O sends what is left. Limited, it waits
where it yielded until enough was taken, and lends its cores meanwhile.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from time import monotonic
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakValueDictionary

from ..._core._gates import gate
from ...errors import TaskCancelledError
from ...graph import Failed
from .._errors import pack_error, pack_task_error, unpack_error
from .._streams import DynamicObjectRefGenerator
from ._streams import STREAM
from ._values import BODY, ERROR, NONE, SEGMENT, Blob, to_blob

if TYPE_CHECKING:
    from ._engine import Embedded
    from ._peers import Peer
    from ._wire import Descriptor

__all__ = ["GENERATORS", "Producer", "Producers", "Yields"]

GENERATORS: Final = frozenset({GeneratorType, AsyncGeneratorType})
"""Types of results that are not values, but yield them."""

_SOON = 0.0001  # s between values, below which the next is worth waiting for
_BUFFER = 0.001  # s for which a value may wait for others
_MOST = 1000  # values that are sent together
_MOST_BYTES = 1 << 18
_MOST_LARGE = 16  # of them in segments
_QUICK = 0.001  # s that a limited producer waits before it lends its cores


class Body(Protocol):
    """Where the code of users runs, in which alone it may be interrupted."""

    def enter(self) -> None:
        """Begin a step; `KeyboardInterrupt` if the work was cancelled meanwhile."""

    def leave(self) -> None:
        """End it."""


class Yields:
    """What takes the values of one generator: here as a list of references, for ``"dynamic"``.

    Attributes
    ----------
    name
        Of the task, for people.
    stopped
        Whether the generator is to end at its next step.
    """

    def __init__(self, hub: "Embedded", name: str) -> None:
        self._hub, self.name = hub, name
        self.stopped = False
        self._refs: list[Any] = []

    def give(self, value: Any) -> None:
        """Take one value."""
        self._refs.append(self._hub.put(value))

    def failed(self, error: BaseException) -> None:
        """The generator raised; raises that, unless it is kept as a value."""
        ref, settle = self._hub.promise()
        settle(Failed(unpack_error(pack_task_error(error, self.name))))
        self._refs.append(ref)

    def blobs(self) -> list[Blob]:
        """Give the values of the task, when the generator has ended."""
        return [to_blob(DynamicObjectRefGenerator(self._refs))]

    def spoilt(self, error: Blob) -> list[Blob]:
        """Give the values of the task, when it has failed."""
        return [error]

    def flush(self, *, last: bool = False) -> None:
        """Send what was taken and not sent yet."""

    def full(self) -> bool:
        """Whether the generator has to wait."""
        return False

    def await_room(self) -> None:
        """Wait until it has not."""

    async def room(self) -> None:
        """Wait likewise, without blocking the event loop."""

    # ----------------------------------------------------------------------------------- the drive

    def run(self, values: Any, body: Body) -> None:
        """Take all that a generator yields; its steps, and nothing else, can be interrupted.

        Raises
        ------
        BaseException
            Whatever the generator raises.
        """
        if not isinstance(values, Iterator):
            raise ValueError(f"{self.name} streams, and returned a {type(values).__name__}: use `yield`")
        try:
            while not self.stopped:
                try:
                    body.enter()
                    value = next(values)
                except StopIteration:
                    break
                finally:
                    body.leave()
                self._next(value)
                if self.full():
                    self.await_room()
            else:
                _close(values)
        except Exception as error:  # the user's code; what came before it is sent first
            self.failed(error)
        finally:
            self.flush(last=True)

    async def run_async(self, values: AsyncIterator[Any]) -> None:
        """Take all that an asynchronous generator yields; errors as in `run`."""
        try:
            while not self.stopped:
                try:
                    value = await anext(values)
                except StopAsyncIteration:
                    break
                with self._hub.loop.shield:
                    self._next(value)
                if self.full():
                    await self.room()
            else:
                if isinstance(values, AsyncGeneratorType):
                    await values.aclose()
        except Exception as error:  # as above
            self.failed(error)
        finally:
            with self._hub.loop.shield:
                self.flush(last=True)

    def _next(self, value: Any) -> None:
        self.give(value)
        gate("stream.yielded")


def _close(values: Iterator[Any]) -> None:
    if isinstance(values, GeneratorType):
        values.close()


class Producer(Yields):
    """The values of one generator on their way to a peer.

    Attributes
    ----------
    made
        Values that it has yielded.
    """

    def __init__(self, hub: "Embedded", peer: "Peer", number: int, name: str, late: "Producers") -> None:
        super().__init__(hub, name)
        self.peer, self.number = peer, number
        self.made = 0
        self._late = late
        self._ready: deque[Blob] = deque()
        self._size = self._large = 0  # bytes, and segments, among them
        self._sent = 0
        self._last = self._since = 0.0  # when it yielded, and since when something is ready

    def give(self, value: Any) -> None:
        """Take one value, and send it now or soon."""
        self._put(to_blob(value))

    def _put(self, blob: Blob) -> None:
        self.made += 1
        now = monotonic()
        soon, self._last = now - self._last < _SOON, now
        ready = self._ready
        if not ready:
            self._since = now
        ready.append(blob)
        self._size += blob.size
        self._large += blob.kind == SEGMENT
        if (
            not soon
            or now - self._since > _BUFFER
            or len(ready) >= _MOST
            or self._size > _MOST_BYTES
            or self._large >= _MOST_LARGE
        ):
            self.flush()
        elif len(ready) == 1:
            self._late.expect(self)

    def failed(self, error: BaseException) -> None:
        """Let the task fail."""
        raise error

    def flush(self, *, last: bool = False) -> None:
        """Send what is ready. Any thread may do it."""
        with self._hub.lock.bare:
            batch: list[Any] = []
            fds: list[Descriptor] = []
            ready, encode = self._ready, self._hub.parcels.encode
            while ready:  # the generator may add to it meanwhile
                blob = ready.popleft()
                plain = blob.kind == BODY and not blob.refs
                batch.append(blob.data if plain else encode(self.peer, blob, fds, hand_over=True))
            self._size = self._large = 0
            if batch:
                message = ("items", self.number, self._sent, batch, self._sent + len(batch))
                self._sent += len(batch)
                gate("stream.sending")
                self._hub.send(self.peer, message, fds)
                gate("stream.sent")

    def due(self, now: float) -> float:
        """Give the s until what is ready has to be sent; 0 or less if that is now."""
        return self._since + _BUFFER - now


class Filler(Producer):
    """The values of a generator with a fixed number of references.

    The last one is sent with the result, so that one value too many is an error that somebody sees.
    """

    def __init__(
        self, hub: "Embedded", peer: "Peer", number: int, name: str, late: "Producers", count: int
    ) -> None:
        super().__init__(hub, peer, number, name, late)
        self._count = count
        self._kept: list[Blob] = []  # the first one, which a task behind this one may read here, and the last

    def give(self, value: Any) -> None:
        """Take one value.

        Raises
        ------
        ValueError
            If it is one too many.
        """
        if not self._count:
            return  # it runs for what it does
        if self.made >= self._count:
            raise ValueError(f"{self.name} has num_returns={self._count} and yielded more values")
        blob = to_blob(value)
        if not self.made or self.made == self._count - 1:
            self._kept.append(blob)
        if self.made < self._count - 1:
            self._put(blob)
        else:
            self.made += 1

    def blobs(self) -> list[Blob]:
        """Give the values: those that were sent are not looked at again.

        Raises
        ------
        ValueError
            If there are too few.
        """
        if self.made != self._count:
            raise ValueError(f"{self.name} has num_returns={self._count} and yielded {self.made} values")
        return self._sent_before(self._count - 1) + self._kept[-1:] if self._count else [NONE]

    def spoilt(self, error: Blob) -> list[Blob]:
        """Give the values: those that were sent, and the error for all others."""
        sent = self._sent_before(min(self.made, self._count - 1))
        return sent + [error] * (max(1, self._count) - len(sent))

    def _sent_before(self, count: int) -> list[Blob]:
        return self._kept[:count][:1] + [NONE] * (count - 1)


class Streamer(Producer):
    """The values of a stream, as far as its consumer lets it go ahead."""

    def __init__(
        self,
        hub: "Embedded",
        peer: "Peer",
        number: int,
        name: str,
        late: "Producers",
        terms: tuple[int, int, int, bool],
    ) -> None:
        super().__init__(hub, peer, number, name, late)
        self._limit, self._taken, self._skip, self.stopped = terms
        self._sent = self._skip
        self._wake: Callable[[], object] | None = None

    def give(self, value: Any) -> None:
        """Take one value; one that the consumer has, from an earlier attempt, is left out."""
        if self.made < self._skip:
            self.made += 1
        else:
            self._put(to_blob(value))

    def flush(self, *, last: bool = False) -> None:
        """Send what is ready, and at last how many there were if they are fewer than before."""
        super().flush()
        if last and self.made < self._skip:
            with self._hub.lock.bare:
                self._hub.send(self.peer, ("items", self.number, self.made, [], self.made))

    def full(self) -> bool:
        """Whether it is as far ahead as it may be."""
        return self._limit > 0 and self.made - self._taken >= self._limit and not self.stopped

    def _has_room(self) -> bool:
        return not self.full()

    def await_room(self) -> None:
        """Wait for the consumer, at first without much ado."""
        self.flush()
        loop = self._hub.loop
        if not loop.run_until(self._has_room, monotonic() + _QUICK):
            with self._hub.waiting():
                loop.run_until(self._has_room)

    async def room(self) -> None:
        """Wait for the consumer."""
        import asyncio  # here, for it takes as long to import as all of the engine

        event = asyncio.Event()
        # The loop may be closed when the news comes: then nobody waits.
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, event.set)
        with self._hub.loop.shield:
            self.flush()
        if self.full():
            with self._hub.waiting():
                await event.wait()
        self._wake = None

    def took(self, taken: int) -> None:
        """The consumer has taken so many."""
        self._taken = taken
        self._notify()

    def stop(self) -> None:
        """End at the next step."""
        self.stopped = True
        self._notify()

    def _notify(self) -> None:
        if self._wake is not None:
            with suppress(RuntimeError):  # see `room`
                self._wake()

    def blobs(self) -> list[Blob]:
        """Give the two values of a stream: that it ended, and how."""
        if self.stopped:
            return [Blob(ERROR, pack_error(TaskCancelledError(self.name)))] * STREAM
        return [NONE] * STREAM

    def spoilt(self, error: Blob) -> list[Blob]:
        """Give the two values: what the code raised is the last of the stream, and its end no error."""
        return [NONE, error]


class Producers:
    """All streams that this worker produces, and the values of theirs that wait to be sent."""

    def __init__(self, hub: "Embedded") -> None:
        self._hub = hub
        self._streams: WeakValueDictionary[tuple[int, int], Streamer] = WeakValueDictionary()
        self._late: set[Producer] = set()
        self._watched = False  # the thread that does the I/O will look again by itself

    def open(self, peer: "Peer", number: int, name: str, terms: Any) -> Yields:
        """Make what takes the values of work that is no plain task."""
        if terms == "dynamic":
            return Yields(self._hub, name)
        stream = self._streams[peer.id, number] = Streamer(self._hub, peer, number, name, self, terms)
        return stream

    def fill(self, peer: "Peer", number: int, name: str, count: int) -> Yields:
        """Make what takes the values of a generator that gives a fixed number."""
        return Filler(self._hub, peer, number, name, self, count)

    def took(self, peer: "Peer", number: int, taken: int) -> None:
        """Hear how far a consumer is."""
        if (stream := self._streams.get((peer.id, number))) is not None:
            stream.took(taken)

    def stop(self, peer: "Peer", number: int) -> None:
        """End a stream at its next step: nobody takes its values."""
        if (stream := self._streams.get((peer.id, number))) is not None:
            stream.stop()

    def lost(self, peer: "Peer") -> None:
        """A consumer has died: end what is produced for it."""
        for stream in list(self._streams.values()):
            if stream.peer is peer:
                stream.stop()

    def expect(self, producer: Producer) -> None:
        """Something is ready that should not wait for long."""
        self._late.add(producer)
        if not self._watched:
            self._watched = True
            self._hub.loop.wake()

    def on_idle(self) -> float | None:
        """Send what has waited long enough; give the s until the next look, None if nothing waits."""
        self._watched = False  # first: whoever adds something from here on wakes us again
        if not self._late:
            return None
        now = monotonic()
        for producer in list(self._late):
            if producer.due(now) <= 0:
                self._late.discard(producer)
                producer.flush()
        if not self._late:
            return None
        self._watched = True
        return max(0.0, min(producer.due(now) for producer in list(self._late)))

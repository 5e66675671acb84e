"""The consumer's side of streams: references that have come and were not taken yet.

A stream is fed by messages of its producer (see `_producers`) and ends when the task, or the call, behind
it has its result. That has two values: that the body came to its end, which is `completed`, and how it
ended, which nobody sees. So retries, crashes and cancellation are those of any task: a producer that is
run again is told what has come already, and leaves it out.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import StreamingGeneratorReplayInconsistentError
from .._errors import pack_error
from .._refs import ObjectRef
from .._streams import ObjectRefGenerator
from ._values import BODY, ERROR, NONE, Blob, Ref
from ._wire import Descriptor, Message

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from ._engine import Embedded
    from ._hub import Hub
    from ._peers import Peer

__all__ = ["STREAM", "Generator", "Stream", "Streams"]

T = TypeVar("T")

STREAM = 2
"""References of a task that streams: `completed`, for people, and how it ended, for us."""

_ALL = 1 << 62  # more than anybody yields


class Stream:
    """One stream that this process takes from.

    Attributes
    ----------
    refs
        The two that the task settles.
    limit
        Values that the producer may be ahead; below 1 for no limit.
    items
        References that have come and were not taken.
    received, taken
        How many have come, and were taken, since the beginning.
    made
        How many the present attempt has made, as far as it told.
    ended
        Whether no more will come.
    kept
        Whether the task is to go on when nobody takes its values.
    dropped
        Whether nobody does.
    peer
        Who produces it now.
    """

    __slots__ = (
        "dropped",
        "ended",
        "items",
        "kept",
        "limit",
        "made",
        "name",
        "peer",
        "received",
        "refs",
        "reported",
        "taken",
        "then",
    )

    def __init__(self, refs: list[Ref[Any]], name: str, limit: int) -> None:
        self.refs, self.name, self.limit = refs, name, limit
        self.items: deque[Ref[Any]] = deque()
        self.received = self.taken = self.made = 0
        self.reported = 0  # of `taken`, to the producer
        self.ended = self.kept = self.dropped = False
        self.peer: Peer | None = None
        self.then: list[Callable[[], None]] = []  # to be called at the next piece of news

    @property
    def number(self) -> int:
        """By which consumer and producer speak of it: that of its task."""
        return self.refs[0].number

    @property
    def ready(self) -> bool:
        """Whether `next` has an answer."""
        return bool(self.items) or self.ended


class Streams:
    """The streams that this process takes from. Messages are handled with the hub's lock held."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._open: dict[int, Stream] = {}  # by number, those that have not ended

    def open(self, engine: "Embedded", refs: list[Ref[Any]], name: str, limit: int) -> "Generator[Any]":
        """Make the stream of a task that will settle `refs`, before anybody can push it."""
        stream = self._open[refs[0].number] = Stream(refs, name, limit)
        refs[-1].on_settled(partial(self._ended, stream))
        return Generator(engine, self, stream)

    def terms(self, peer: "Peer", number: int, returns: Any) -> Any:
        """Say what a worker has to know: a number of values, ``"dynamic"``, or where a stream stands."""
        stream = self._open.get(number)
        if stream is None:
            return returns
        stream.peer, stream.made, stream.reported = peer, stream.received, stream.taken
        given_up = stream.dropped and not stream.kept
        limit = 0 if stream.dropped else stream.limit
        return limit, stream.taken, stream.received, given_up

    def arrived(
        self, peer: "Peer", message: Message, fds: list[Descriptor], refs: list[Ref[Any]] | None
    ) -> None:
        """Take values of a running generator; `refs` are those of its task if it is no stream."""
        _, number, first, encoded, made = message
        stream = self._open.get(number)
        if stream is None:
            for ref, item in zip((refs or [])[first:], encoded, strict=False):
                self._hub.settle(ref, self._decoded(peer, item, fds))
            return
        stream.made = made
        fresh = encoded[max(0, stream.received - first) :]
        stream.received += len(fresh)
        if stream.dropped:
            return
        new = self._hub.new_refs(len(fresh))
        for ref, item in zip(new, fresh, strict=True):
            ref.blob = self._decoded(peer, item, fds)
        stream.items.extend(new)
        self._tell(stream)

    def _decoded(self, peer: "Peer", item: Any, fds: list[Descriptor]) -> Blob:
        return Blob(BODY, item) if item.__class__ is bytes else self._hub.parcels.decode(peer, item, fds)

    def _ended(self, stream: Stream) -> None:
        """The task has its result. What it failed with is the last reference."""
        del self._open[stream.number]
        blob = stream.refs[-1].blob
        assert blob is not None
        if blob.kind != ERROR and stream.made < stream.received:
            why = f"it gave {stream.made} values, and {stream.received} of the first run have been given out"
            error = StreamingGeneratorReplayInconsistentError(stream.name, why)
            blob = Blob(ERROR, pack_error(error))
        if blob.kind == ERROR and not stream.dropped:
            [ref] = self._hub.new_refs(1)
            ref.blob = blob
            stream.items.append(ref)
        stream.ended = True
        self._tell(stream)

    def _tell(self, stream: Stream) -> None:
        then, stream.then = stream.then, []
        for callback in then:
            self._hub.loop.later(callback)

    def took(self, stream: Stream) -> None:
        """Let the producer go on, if it is limited: now and then, and at once if it may be waiting."""
        if stream.peer is not None and not stream.ended:
            stream.reported = stream.taken
            self._hub.send(stream.peer, ("taken", stream.number, stream.taken))

    def drop(self, stream: Stream) -> None:
        """Nobody will take from it again: free what has come, and end the producer or let it run."""
        with self._hub.lock:
            stream.dropped = True
            stream.items.clear()
            if stream.peer is None or stream.ended:
                return
            order = ("taken", stream.number, _ALL) if stream.kept else ("stop", stream.number)
            self._hub.send(stream.peer, order)


class Generator(ObjectRefGenerator[T]):
    """A stream, as people hold it."""

    __slots__ = ("_engine", "_stream", "_streams")

    def __init__(self, engine: "Embedded", streams: Streams, stream: Stream) -> None:
        self._engine, self._streams, self._stream = engine, streams, stream

    @property
    def engine(self) -> "Embedded":
        """The engine of this process."""
        return self._engine

    @property
    def blob(self) -> Blob | None:
        """As of a reference, for `wait`: not None if `next` would not wait."""
        return NONE if self._stream.ready else None

    def completed(self) -> ObjectRef[None]:
        """Give a reference for the end; see `ObjectRefGenerator.completed`."""
        self._stream.kept = True
        return self._stream.refs[0]

    def __next__(self) -> ObjectRef[T]:
        stream = self._stream
        if not (stream.items or stream.ended):
            self._engine.take_submitted()
            with self._engine.waiting():
                self._engine.loop.run_until(lambda: stream.items or stream.ended)
        if not stream.items:
            raise StopIteration
        ref = stream.items.popleft()
        stream.taken += 1
        if stream.limit > 0 and (not stream.items or 2 * (stream.taken - stream.reported) >= stream.limit):
            with self._engine.lock:
                self._streams.took(stream)
        return ref

    async def __anext__(self) -> ObjectRef[T]:
        if not self._stream.ready:
            from asyncio import get_running_loop  # here, for it takes as long to import as all of the engine

            loop = get_running_loop()
            ready = loop.create_future()
            self._on_news(partial(_call_soon, loop, ready))
            await ready
        try:
            return next(self)  # which is there already
        except StopIteration:
            raise StopAsyncIteration from None

    def _on_news(self, then: Callable[[], None]) -> None:
        with self._engine.lock:
            if not self._stream.ready:
                self._stream.then.append(then)
                return
        then()

    def __del__(self) -> None:
        # From any thread at any moment: the loop does it soon.
        if not self._stream.ended:
            self._engine.loop.later(partial(self._streams.drop, self._stream))
            self._engine.loop.wake()


def _call_soon(loop: "AbstractEventLoop", ready: "Future[None]") -> None:
    def settle() -> None:
        if not ready.done():  # whoever awaited it may have been cancelled
            ready.set_result(None)

    with suppress(RuntimeError):  # the loop was closed meanwhile
        loop.call_soon_threadsafe(settle)

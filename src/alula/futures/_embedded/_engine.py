"""The embedded engine, as a driver and every worker has it: an owner of references.

Each process owns the values it asked for and talks straight to the workers it was lent; the node
process only lends. This module is the meeting point: identity, sending and receiving of values, and
the methods of `Engine`. What is queued where is in `_tasks` and `_actors`, what runs in `_worker`.
"""

import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, ClassVar

from ...errors import (
    ActorAlreadyExistsError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    OwnerDiedError,
    TaskCancelledError,
    UnsupportedError,
    suggest,
)
from ...graph import Done, Failed
from .._engine import ActorRef, Cluster, Engine, Feature, Settle
from .._errors import pack_error
from .._options import ActorOptions, TaskOptions
from .._refs import ObjectRef
from .._remote import ActorType, Function
from ._actors import ActorName, Actors, Call
from ._loop import Loop
from ._peers import Peer
from ._segments import Segment
from ._tasks import Task, Tasks
from ._values import ERROR, SEGMENT, Blob, Ref, to_blob
from ._wire import Channel, Message

__all__ = ["Embedded"]

_NO_ARGS = to_blob(((), {}))


class Embedded(Engine):
    """The engine of one machine, seen from one of its processes."""

    name: ClassVar[str] = "embedded"
    supports: ClassVar[frozenset[Feature]] = frozenset({"threads"})

    def __init__(self, control: socket.socket, total: Mapping[str, float], *, namespace: str = "") -> None:
        self.id = secrets.token_bytes(8)
        self.namespace = namespace
        self.loop = Loop(self._on_idle)
        self.lock = self.loop.lock
        self.peers: dict[int, Peer] = {}
        self._control = Channel(control)
        self._total = dict(total)
        self._last = 0  # number of the newest reference
        self._errors = 0  # references that failed: `get` of a list looks at all when this moves
        self._tasks = Tasks(self, total)
        self._actors = Actors(self)
        self._requests: dict[int, Callable[[Message], None]] = {}
        self._next_request = 0
        self._joining: dict[int, int] = {}
        self._over: NodeDiedError | None = None
        self.loop.add(self._control, self._on_control, self._on_node_lost)

    # ---------------------------------------------------------------------------------- references

    def new_refs(self, count: int) -> list[Ref[Any]]:
        """Make references that we own. The lock is held."""
        first = self._last + 1
        self._last += count
        return [Ref(self, self.id, number) for number in range(first, first + count)]

    def settle(self, ref: Ref[Any], blob: Blob) -> None:
        """Give a reference its value and tell who waits for it. The lock is held."""
        if blob.kind == ERROR:
            self._errors += 1
        for callback in ref.settle(blob):
            callback()

    def put(self, value: Any) -> ObjectRef[Any]:
        """Keep a copy of a value; see `Engine.put`."""
        blob = to_blob(value)
        with self.lock:
            [ref] = self.new_refs(1)
        ref.blob = blob
        return ref

    def promise(self) -> tuple[ObjectRef[Any], Settle]:
        """Give a reference and what settles it; see `Engine.promise`."""
        with self.lock:
            [ref] = self.new_refs(1)
        return ref, partial(self._settle_promise, ref)

    def _settle_promise(self, ref: Ref[Any], outcome: Done[Any] | Failed) -> None:
        if isinstance(outcome, Done) and isinstance(outcome.value, Ref):
            source = outcome.value
            self._when_settled(source, lambda: self._settle_now(ref, source))
            return
        try:
            blob = to_blob(outcome.value) if isinstance(outcome, Done) else _error(outcome.error)
        except TypeError as error:
            blob = _error(error)
        with self.lock:
            self.settle(ref, blob)
        self.loop.drain()
        self.loop.wake()

    def _settle_now(self, ref: Ref[Any], source: Ref[Any]) -> None:
        assert source.blob is not None
        with self.lock:
            self.settle(ref, source.blob)
        self.loop.wake()

    def _when_settled(self, ref: Ref[Any], then: Callable[[], None]) -> None:
        """Call `then` without the lock once a reference has settled, perhaps here and now."""
        with self.lock:
            if ref.blob is None:
                ref.on_settled(lambda: self.loop.later(then))
                return
        then()

    def watch(self, ref: ObjectRef[Any], then: Callable[[BaseException | None], None]) -> None:
        """Call `then` when a reference has settled; see `Engine.watch`."""
        mine = self._mine(ref)

        def tell() -> None:
            assert mine.blob is not None
            then(mine.blob.error())

        self._when_settled(mine, tell)

    def _mine(self, ref: ObjectRef[Any]) -> Ref[Any]:
        if not isinstance(ref, Ref) or ref.engine is not self:
            raise ObjectLostError(repr(ref), "it is of another session")
        return ref

    def get(self, refs: Sequence[ObjectRef[Any]], timeout: float | None) -> list[Any]:
        """Wait for values; see `Engine.get`."""
        mine = [self._mine(ref) for ref in refs]
        if any(ref.blob is None for ref in mine):
            self._await(mine, timeout)
        return [ref.blob.load() for ref in mine if ref.blob is not None]

    def _await(self, refs: list[Ref[Any]], timeout: float | None) -> None:
        deadline = None if timeout is None else monotonic() + timeout
        seen = self._errors - 1  # look once at the start
        self._before_wait()
        try:
            for ref in refs:
                while ref.blob is None:
                    if seen != self._errors:
                        seen = self._errors
                        if any(r.blob is not None and r.blob.kind == ERROR for r in refs):
                            return
                    news = partial(self._news, ref, seen)
                    if not self.loop.run_until(news, deadline):
                        left = sum(r.blob is None for r in refs)
                        what = repr(ref) if len(refs) == 1 else f"{left} of {len(refs)} values"
                        raise GetTimeoutError(f"{what}:", timeout or 0)
        finally:
            self._after_wait()

    def _news(self, ref: Ref[Any], seen: int) -> bool:
        return ref.blob is not None or self._errors != seen

    def wait(
        self, refs: Sequence[ObjectRef[Any]], num_returns: int, timeout: float | None
    ) -> tuple[list[ObjectRef[Any]], list[ObjectRef[Any]]]:
        """Wait for some; see `Engine.wait`."""
        mine = [self._mine(ref) for ref in refs]
        deadline = None if timeout is None else monotonic() + timeout

        def enough() -> bool:
            found = 0
            for ref in mine:
                found += ref.blob is not None
                if found == num_returns:
                    return True
            return False

        if not enough():
            self._before_wait()
            try:
                self.loop.run_until(enough, deadline)
            finally:
                self._after_wait()
        settled: list[ObjectRef[Any]] = [ref for ref in mine if ref.blob is not None]
        ready = settled[:num_returns]
        taken = set(map(id, ready))
        return ready, [ref for ref in mine if id(ref) not in taken]

    # Hooks of a worker, which gives its cores away while a task of its waits.

    def _before_wait(self) -> None:
        pass

    def _after_wait(self) -> None:
        pass

    def _on_idle(self) -> float | None:
        return None

    # --------------------------------------------------------------------------------------- tasks

    def submit(
        self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: TaskOptions
    ) -> list[ObjectRef[Any]]:
        """Start a task; see `Engine.submit`."""
        function.definition.pickled()  # here, so that a function that cannot be is refused at the call
        blob = _arguments(args, kwargs)
        inputs = _inputs(args, kwargs) if blob.refs else []
        with self.lock:
            self._check_alive()
            refs = self.new_refs(options.num_returns or 1)
            self._tasks.add(Task(function, blob, options, refs), inputs)
        return list(refs) if options.num_returns else []

    def actor(
        self, cls: ActorType, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: ActorOptions
    ) -> ActorRef:
        """Start an actor; see `Engine.actor`."""
        if options.max_restarts:
            raise UnsupportedError("max_restarts of actors", self.name)
        blob = _arguments(args, kwargs)
        made = to_blob((cls, options.max_concurrency))
        actor = secrets.token_bytes(8)
        space = (self.namespace if options.namespace is None else options.namespace, options.name)
        resources = {"CPU": options.num_cpus, **options.resources}
        held = {name: amount for name, amount in resources.items() if amount}
        answer: list[Message] = []

        def accepted(message: Message) -> None:
            # The first answer says whether the name was free, the second that there is a worker.
            if message[0] in ("accepted", "taken"):
                answer.append(message)
                if message[0] == "accepted":
                    self._requests[message[1]] = partial(self._actors.found, actor)
            else:
                self._actors.found(actor, message)

        with self.lock:
            self._check_alive()
            self._actors.made(actor, cls.name)
            named = space if options.name else None
            self.request(("actor",), actor, held, named, made.data if named else b"", reply=accepted)
        if options.name:
            self.loop.run_until(lambda: answer)
            if answer[0][0] == "taken":
                raise ActorAlreadyExistsError(options.name)
        name = ActorName(actor, cls.name, self._dropped)
        with self.lock:
            call = Call("", blob, self.new_refs(1), self._wrap(made))
            self._actors.call(name, call, _inputs(args, kwargs))
        return name

    def _wrap(self, made: Blob) -> bytes:
        if made.kind == SEGMENT:
            raise TypeError("the class of an actor is larger than 100 KiB pickled: keep data out of it")
        data: bytes = made.data
        return data

    def _dropped(self, actor: bytes) -> None:
        # From __del__, so from any thread at any moment: the loop does it soon.
        def drop() -> None:
            with self.lock:
                if self._over is None:
                    self._actors.dropped(actor)

        self.loop.later(drop)
        self.loop.wake()

    def tell(
        self,
        actor: ActorRef,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: TaskOptions,
    ) -> list[ObjectRef[Any]]:
        """Call a method of an actor; see `Engine.tell`."""
        blob = _arguments(args, kwargs)
        with self.lock:
            self._check_alive()
            refs = self.new_refs(options.num_returns or 1)
            self._actors.call(actor, Call(method, blob, refs), _inputs(args, kwargs) if blob.refs else [])
        return list(refs) if options.num_returns else []

    def find(self, name: str, namespace: str | None) -> tuple[ActorRef, ActorType]:
        """Give the living actor of that name; see `Engine.find`."""
        space = (self.namespace if namespace is None else namespace, name)
        message = self._ask(("find",), space)
        if message[0] == "unknown":
            raise ValueError(f"no living actor is named {name!r}; {suggest(name, message[2])}")
        cls, _ = Blob(0, message[3]).load()
        return ActorName(message[2], cls.name), cls

    def kill(self, actor: ActorRef, *, no_restart: bool) -> None:
        """End an actor at once; see `Engine.kill`."""
        with self.lock:
            self._check_alive()
            self.tell_node(("kill", None, actor.id))
            self._actors.killed(actor.id)
        self.loop.drain()

    def cancel(self, ref: ObjectRef[Any], *, force: bool, recursive: bool) -> None:
        """Ask a task to end; see `Engine.cancel`."""
        mine = self._mine(ref)
        with self.lock:
            if mine.blob is not None:
                return
            if (call := self._actors.cancel(mine)) is not None:
                for waiting in call.refs:
                    self.settle(waiting, _error(TaskCancelledError(call.method)))
            else:
                self._tasks.cancel(mine, force=force)
        self.loop.drain()

    def cluster(self) -> Cluster:
        """Tell what there is; see `Engine.cluster`."""
        _, _, total, free = self._ask(("cluster",))
        node = {"NodeID": self.namespace or "local", "Alive": True, "Resources": total}
        return Cluster(total=total, available=free, nodes=[node])

    def close(self) -> None:
        """Leave the session; see `Engine.close`."""
        error = NodeDiedError("the session was shut down")
        with self.lock:
            self._end(error)
        self.loop.close()
        self.loop.drain()

    def _check_alive(self) -> None:
        if self._over is not None:
            raise self._over

    def _end(self, error: NodeDiedError) -> None:
        if self._over is None:
            self._over = error
            self._tasks.fail_all(error)
            self._actors.fail_all("ended with its session")
            for reply in list(self._requests.values()):
                reply(("over",))
            self._requests.clear()

    # ------------------------------------------------------------------------------------ the node

    def tell_node(self, message: Message) -> None:
        """Send a message to the node. The lock is held."""
        self.loop.send(self._control, message)

    def request(self, head: Message, *facts: Any, reply: Callable[[Message], None]) -> None:
        """Ask the node for something; `reply` gets the answer with the lock held, as is it now."""
        self._next_request += 1
        self._requests[self._next_request] = reply
        self.tell_node((*head, self._next_request, *facts))

    def _ask(self, head: Message, *facts: Any) -> Message:
        answer: list[Message] = []
        with self.lock:
            self._check_alive()
            self.request(head, *facts, reply=answer.append)
        self.loop.run_until(lambda: answer)
        if answer[0][0] == "over":
            self._check_alive()
        return answer[0]

    def _on_control(self, message: Message, fds: list[int]) -> None:
        match message[0]:
            case "granted" | "gone" | "accepted" | "taken" | "found" | "unknown" | "cluster":
                if fds:
                    self.attach(message[2], fds[0])
                self._requests.pop(message[1])(message)
            case "attach":
                self.attach(message[1], fds[0])
            case "died":
                self._on_died(message[1], message[2])
            case "reclaim":
                self._tasks.reclaim()
            case _:
                self._on_order(message)

    def _on_order(self, message: Message) -> None:
        raise ValueError(f"unknown message from the node: {message[0]!r}")

    def _on_node_lost(self, why: str) -> None:
        self._end(NodeDiedError("its node process ended"))

    # --------------------------------------------------------------------------------------- peers

    def peer(self, number: int) -> Peer:
        """Give a process that we are connected to."""
        return self.peers[number]

    def attach(self, number: int, descriptor: int) -> None:
        """Begin to talk to a process."""
        peer = self.peers[number] = Peer(number, Channel(socket.socket(fileno=descriptor)))
        self.loop.add(peer.channel, partial(self._on_message, peer), lambda _: self._on_silence(peer))

    def send(self, peer: Peer, message: Message, fds: list[int] | tuple[int, ...] = ()) -> None:
        """Send a message to a process. The lock is held."""
        self.loop.send(peer.channel, message, fds)

    def _on_silence(self, peer: Peer) -> None:
        peer.lost = True  # the node will say how it ended

    def _on_died(self, number: int, how: str) -> None:
        peer = self.peers.pop(number, None)
        if peer is None:
            return
        while not peer.lost and self.loop.read_now(peer.channel):  # it may have answered before it died
            pass
        self.loop.remove(peer.channel)
        if peer.lease is not None:
            self._tasks.lost(peer.lease, how)
        self._actors.lost(peer, how)
        for ref in list(peer.borrowed.values()):
            self.settle(ref, _error(OwnerDiedError(repr(ref))))
        self.on_peer_died(peer)

    def on_peer_died(self, peer: Peer) -> None:
        """A process that we talked to has died; a worker forgets what it was asked to do for it."""

    def _on_message(self, peer: Peer, message: Message, fds: list[int]) -> None:
        match message[0]:
            case "result":
                if peer.lease is not None:
                    self._tasks.results(peer.lease, message[1], fds, message[2])
                else:
                    self._actors.results(peer, message[1], fds)
            case "givenback":
                if peer.lease is not None:
                    self._tasks.given_back(peer.lease, message[1])
            case "settle":
                _, owner, number, encoded = message
                blob = self.decode(peer, encoded, fds)
                if (ref := peer.borrowed.pop((owner, number), None)) is not None:
                    self.settle(ref, blob)
            case _:
                self.on_work(peer, message, fds)

    def on_work(self, peer: Peer, message: Message, fds: list[int]) -> None:
        """Take work from another process: only workers do."""
        raise ValueError(f"unknown message: {message[0]!r}")

    # -------------------------------------------------------------------------- values on their way

    def ship(self, peer: Peer, function: Function) -> None:
        """Send a function to a process that does not have it yet."""
        definition = function.definition
        if definition.id not in peer.shipped:
            peer.shipped.add(definition.id)
            self.send(peer, ("ship", definition.bundle()))

    def encode(self, peer: Peer, blob: Blob, fds: list[int]) -> Message:
        """Give a value in the form in which it is sent; descriptors go into `fds`."""
        data = blob.data
        if blob.kind == SEGMENT:
            fds.append(data.fd)
            data = (len(fds) - 1, data.size)
        if not blob.refs:
            return (blob.kind, data)
        return (blob.kind, data, [self._encode_ref(peer, ref, fds) for ref in blob.refs])

    def _encode_ref(self, peer: Peer, ref: Ref[Any], fds: list[int]) -> Message:
        if ref.blob is not None:
            return (ref.owner, ref.number, self.encode(peer, ref.blob, fds))
        identity = (ref.owner, ref.number)
        if identity not in peer.lending:
            peer.lending.add(identity)
            ref.on_settled(lambda: self._send_settled(peer, ref))
        return (ref.owner, ref.number, None)

    def _send_settled(self, peer: Peer, ref: Ref[Any]) -> None:
        assert ref.blob is not None
        fds: list[int] = []
        peer.lending.discard((ref.owner, ref.number))
        encoded = self.encode(peer, ref.blob, fds)
        self.send(peer, ("settle", ref.owner, ref.number, encoded), fds)

    def decode(self, peer: Peer, encoded: Message, fds: list[int]) -> Blob:
        """Take a value out of a message."""
        kind, data = encoded[0], encoded[1]
        if kind == SEGMENT:
            index, size = data
            data = Segment(fds[index], size)
        if len(encoded) == 2:
            return Blob(kind, data)
        return Blob(kind, data, tuple([self._decode_ref(peer, ref, fds) for ref in encoded[2]]))

    def _decode_ref(self, peer: Peer, encoded: Message, fds: list[int]) -> Ref[Any]:
        owner, number, value = encoded
        if value is not None:
            return Ref(self, owner, number, self.decode(peer, value, fds))
        ref = peer.borrowed.get((owner, number))
        if ref is None:
            ref = peer.borrowed[owner, number] = Ref(self, owner, number)
        return ref


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Blob:
    if not args and not kwargs:
        return _NO_ARGS
    try:
        return to_blob((args, kwargs))
    except TypeError:
        for name, value in (*enumerate(args, 1), *kwargs.items()):
            to_blob(value, f"argument {name}")  # raises the same with a better name
        raise


def _inputs(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Ref[Any]]:
    return [value for value in (*args, *kwargs.values()) if isinstance(value, Ref)]


def _error(error: BaseException) -> Blob:
    return Blob(ERROR, pack_error(error))

"""The embedded engine, as a driver and every worker has it: an owner of references.

Each process owns the values it asked for and talks straight to the workers it was lent; the node
process only lends. This module is the meeting point: identity, connections, and the methods of `Engine`.
What is queued where is in `_tasks` and `_actors`, how values travel in `_parcels`, what runs in `_worker`.
"""

import os
import secrets
import socket
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from time import monotonic
from typing import Any, ClassVar

from ...errors import (
    ActorAlreadyExistsError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    OwnerDiedError,
    UnsupportedError,
    suggest,
)
from ...graph import Done, Failed
from .._engine import ActorRef, Cluster, Engine, Feature, Settle
from .._errors import pack_error
from .._options import ActorOptions, TaskOptions
from .._refs import ObjectRef
from .._remote import ActorType, Definition, Function
from ._actors import ActorName, Actors, Call
from ._loop import Loop
from ._parcels import Parcels
from ._peers import Peer
from ._tasks import Task, Tasks
from ._values import BODY, ERROR, Blob, Ref, to_blob
from ._wire import Channel, Descriptor, Message

__all__ = ["Embedded"]

_NO_ARGS = to_blob(((), {}))
_FORKED = "this process is a fork of the one that started it"

_all: "weakref.WeakSet[Embedded]" = weakref.WeakSet()


class Embedded(Engine):
    """The engine of one machine, seen from one of its processes."""

    name: ClassVar[str] = "embedded"
    supports: ClassVar[frozenset[Feature]] = frozenset({"threads"})

    def __init__(self, control: socket.socket, total: Mapping[str, float], *, namespace: str = "") -> None:
        self.id = secrets.token_bytes(8)
        self.namespace = namespace
        self.loop = Loop(self._on_idle, self._on_error)
        self.lock = self.loop.lock
        self.peers: dict[int, Peer] = {}
        self.parcels = Parcels(self)
        self._control = Channel(control)
        self._total = dict(total)
        self._last = 0  # number of the newest reference
        self._errors = 0  # references that failed: `get` of a list looks at all when this moves
        self._due: deque[Callable[[], None]] = deque()  # callbacks of references that have settled
        self._settling = False
        self._tasks = Tasks(self, total)
        self._actors = Actors(self)
        self._functions: set[bytes] = set()  # ids of those that were submitted here
        self._promises: weakref.WeakSet[Ref[Any]] = weakref.WeakSet()
        self._requests: dict[int, Callable[[Message], None]] = {}
        self._next_request = 0
        self._over: str | None = None  # why, once the session is
        self.loop.add(self._control, self._on_control, self._on_node_lost)
        _all.add(self)

    # ---------------------------------------------------------------------------------- references

    def new_refs(self, count: int) -> list[Ref[Any]]:
        """Make references that we own. The lock is held."""
        first = self._last + 1
        self._last += count
        return [Ref(self, self.id, number) for number in range(first, first + count)]

    def settle(self, ref: Ref[Any], blob: Blob) -> None:
        """Give a reference its value and tell who waits for it. The lock is held."""
        due = ref.settle(blob)
        if blob.kind == ERROR:
            self._errors += 1
        if not due:
            return
        # An error settles whatever depends on it, and so on: a long chain is a loop, not a recursion.
        self._due.extend(due)
        if not self._settling:
            self._settling = True
            try:
                while self._due:
                    self._due.popleft()()
            finally:
                self._settling = False

    def put(self, value: Any) -> ObjectRef[Any]:
        """Keep a copy of a value; see `Engine.put`."""
        blob = to_blob(value)
        self._inputs(blob, (), {})
        with self.lock:
            self._check_alive()
            [ref] = self.new_refs(1)
        ref.blob = blob
        return ref

    def promise(self) -> tuple[ObjectRef[Any], Settle]:
        """Give a reference and what settles it; see `Engine.promise`."""
        with self.lock:
            self._check_alive()
            [ref] = self.new_refs(1)
            self._promises.add(ref)
        return ref, partial(self._settle_promise, ref)

    def _settle_promise(self, ref: Ref[Any], outcome: Done[Any] | Failed) -> None:
        if isinstance(outcome, Done) and isinstance(outcome.value, Ref):
            self._follow(ref, outcome.value)
            return
        try:
            blob = to_blob(outcome.value) if isinstance(outcome, Done) else _error(outcome.error)
        except TypeError as error:
            blob = _error(error)
        self._settle_now(ref, blob)

    def _follow(self, ref: Ref[Any], source: Ref[Any]) -> None:
        def settle() -> None:
            assert source.blob is not None
            self._settle_now(ref, source.blob)

        self._when_settled(source, settle)

    def _settle_now(self, ref: Ref[Any], blob: Blob) -> None:
        with self.lock:
            self.settle(ref, blob)
        self.loop.drain()
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

    def _inputs(self, blob: Blob, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Ref[Any]]:
        """Give the references that stand on their own; all those in `blob` must be of this session."""
        for ref in blob.refs:
            self._mine(ref)
        return [value for value in (*args, *kwargs.values()) if isinstance(value, Ref)]

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
            with self.waiting():
                self.loop.run_until(enough, deadline)
        settled: list[ObjectRef[Any]] = [ref for ref in mine if ref.blob is not None]
        ready = settled[:num_returns]
        taken = set(map(id, ready))
        return ready, [ref for ref in mine if id(ref) not in taken]

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Lend the cores of the calling task; see `Engine.waiting`."""
        self._before_wait()
        try:
            yield
        finally:
            self._after_wait()

    # Hooks of a worker, which gives its cores away while a task of its waits.

    def _before_wait(self) -> None:
        pass

    def _after_wait(self) -> None:
        pass

    def _on_idle(self) -> float | None:
        return None

    def _work(self) -> object:
        """What this thread works on for somebody else."""
        return None

    # --------------------------------------------------------------------------------------- tasks

    def submit(
        self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: TaskOptions
    ) -> list[ObjectRef[Any]]:
        """Start a task; see `Engine.submit`."""
        if function.definition.id not in self._functions:
            self._meet(function.definition)
        blob = _arguments(args, kwargs)
        inputs = self._inputs(blob, args, kwargs) if blob.refs else []
        with self.lock:
            self._check_alive()
            refs = self.new_refs(options.num_returns or 1)
            self._tasks.add(Task(function, blob, options, refs, self._work()), inputs)
        self.loop.help()
        return list(refs) if options.num_returns else []

    def _meet(self, definition: Definition) -> None:
        definition.bundle()  # here, so that a function that cannot be pickled is refused at the call
        self._functions.add(definition.id)
        end = weakref.finalize(definition, _forget, weakref.ref(self), definition.id)
        end.atexit = False

    def forget(self, function: bytes) -> None:
        """Nobody can submit that function again: those who have it need not keep it."""
        with self.lock:
            self._functions.discard(function)
            self._tasks.forget(function)
            for peer in self.peers.values():
                if function in peer.shipped:
                    peer.shipped.remove(function)
                    self.send(peer, ("forget", function))

    def actor(
        self, cls: ActorType, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: ActorOptions
    ) -> ActorRef:
        """Start an actor; see `Engine.actor`."""
        if options.max_restarts:
            raise UnsupportedError("max_restarts of actors", self.name)
        blob = _arguments(args, kwargs)
        inputs = self._inputs(blob, args, kwargs)
        made = to_blob((cls, options.max_concurrency))
        actor = secrets.token_bytes(8)
        named = _entry(self.namespace if options.namespace is None else options.namespace, options.name, made)
        resources = {"CPU": options.num_cpus, **options.resources}
        held = {name: amount for name, amount in resources.items() if amount}
        answer: list[Message] = []

        def accepted(message: Message) -> None:
            # The first answer says whether the name was free, the second that there is a worker.
            answer.append(message)
            if message[0] == "accepted":
                self._requests[message[1]] = partial(self._actors.found, actor)
            elif message[0] == "taken":
                self._actors.refused(actor)

        with self.lock:
            self._check_alive()
            self._actors.made(actor, cls.name)
            self.request(("actor",), actor, held, *named, reply=accepted)
        name = ActorName(actor, cls.name, self._dropped)
        if options.name:
            self.loop.run_until(lambda: answer)
            if answer[0][0] == "taken":
                raise ActorAlreadyExistsError(options.name)
        with self.lock:
            self._check_alive()
            call = Call("__init__", blob, self.new_refs(1), made=made)
            self._actors.call(name, call, inputs)
        return name

    def _dropped(self, actor: bytes) -> None:
        # From __del__, so from any thread at any moment: the loop does it soon.
        self.loop.later(partial(self._drop, actor))
        self.loop.wake()

    def _drop(self, actor: bytes) -> None:
        with self.lock:
            if self._over is None:
                self._actors.dropped(actor)

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
        inputs = self._inputs(blob, args, kwargs) if blob.refs else []
        with self.lock:
            self._check_alive()
            refs = self.new_refs(options.num_returns or 1)
            self._actors.call(actor, Call(method, blob, refs, options.num_returns), inputs)
        self.loop.help()
        return list(refs) if options.num_returns else []

    def find(self, name: str, namespace: str | None) -> tuple[ActorRef, ActorType]:
        """Give the living actor of that name; see `Engine.find`."""
        space = (self.namespace if namespace is None else namespace, name)
        message = self._ask(("find",), space)
        if message[0] == "unknown":
            raise ValueError(f"no living actor is named {name!r}; {suggest(name, message[2])}")
        cls, _ = Blob(BODY, message[3]).load()
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
            if mine.blob is None:
                self._cancel(mine.owner, mine.number, force=force, recursive=recursive)
        self.loop.drain()
        self.loop.wake()

    def _cancel(self, owner: bytes, number: int, *, force: bool, recursive: bool) -> None:
        if owner == self.id:
            ref = Ref[Any](self, owner, number)
            if not self._tasks.cancel(ref, force=force, recursive=recursive):
                self._actors.cancel(ref, force=force)
            return
        for peer in self.peers.values():  # whoever lent it to us is, or knows, its owner
            if (owner, number) in peer.borrowed:
                self.send(peer, ("withdraw", owner, number, force, recursive))

    def cluster(self) -> Cluster:
        """Tell what there is; see `Engine.cluster`."""
        _, _, total, free = self._ask(("cluster",))
        node = {"NodeID": self.namespace or "local", "Alive": True, "Resources": total}
        return Cluster(total=total, available=free, nodes=[node])

    # ------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Leave the session; see `Engine.close`."""
        with self.lock:
            self._end("the session was shut down")
        self.loop.close()
        self.loop.drain()

    def abandon(self) -> None:
        """In a forked child: the session is the parent's."""
        self._over = _FORKED
        self.loop.abandon()

    def _check_alive(self) -> None:
        if self._over is not None:
            raise NodeDiedError(self._over)

    def _end(self, why: str) -> None:
        """Fail whatever is pending. The lock is held."""
        if self._over is not None:
            return
        self._over = why
        error = NodeDiedError(why)
        self._tasks.fail_all(error)
        self._actors.fail_all(error)
        borrowed = [ref for peer in self.peers.values() for ref in peer.borrowed.values()]
        for ref in (*borrowed, *self._promises):
            self.settle(ref, _error(error))
        requests, self._requests = self._requests, {}
        for reply in requests.values():
            reply(("over",))
        self.loop.remove(self._control)

    def _on_error(self, error: BaseException) -> None:
        """A message could not be handled, so nobody knows what else is lost: end loudly."""
        traceback.print_exception(error)
        self._end(f"{type(error).__name__}: {error}")

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

    def _on_control(self, message: Message, fds: list[Descriptor]) -> None:
        match message[0]:
            case "granted" | "gone" | "accepted" | "taken" | "found" | "unknown" | "cluster":
                if fds:
                    self._attach(message[2], fds[0])
                self._requests.pop(message[1])(message)
            case "attach":
                self._attach(message[1], fds[0])
            case "died":
                self._on_died(message[1], message[2])
            case "reclaim":
                self._tasks.reclaim()
            case "failing":
                self._end(f"its node process failed: {message[1]}")
            case _:
                self._on_order(message)

    def _on_order(self, message: Message) -> None:
        raise ValueError(f"unknown message from the node: {message[0]!r}")

    def _on_node_lost(self) -> None:
        self._end("its node process ended")

    # --------------------------------------------------------------------------------------- peers

    def _attach(self, number: int, descriptor: Descriptor) -> None:
        """Begin to talk to a process. That a connection is silent means nothing: the node tells deaths."""
        peer = self.peers[number] = Peer(number, Channel(socket.socket(fileno=descriptor.detach())))
        self.loop.add(peer.channel, partial(self._on_message, peer), lambda: None)

    def send(self, peer: Peer, message: Message, fds: Sequence[Descriptor] = ()) -> None:
        """Send a message to a process. The lock is held."""
        self.loop.send(peer.channel, message, fds)

    def _on_died(self, number: int, how: str) -> None:
        peer = self.peers.pop(number, None)
        if peer is None:
            return
        while self.loop.read_now(peer.channel):  # it may have answered before it died
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

    def _on_message(self, peer: Peer, message: Message, fds: list[Descriptor]) -> None:
        match message[0]:
            case "result":
                if peer.lease is not None:
                    self._tasks.results(peer.lease, message[1], fds, message[2])
                else:
                    self._actors.results(peer, message[1], fds)
            case "givenback":
                if peer.lease is not None:
                    self._tasks.given_back(peer.lease, message[1], waits=message[2])
            case "settle":
                _, owner, number, encoded = message
                blob = self.parcels.decode(peer, encoded, fds)
                if (ref := peer.borrowed.pop((owner, number), None)) is not None:
                    self.settle(ref, blob)
            case "withdraw":
                self._withdraw(*message[1:])
            case _:
                self.on_work(peer, message, fds)

    def _withdraw(self, owner: bytes, number: int, force: bool, recursive: bool) -> None:
        with suppress(ValueError):  # by force, of an actor's call: whoever asked could not know what it is
            self._cancel(owner, number, force=force, recursive=recursive)

    def on_work(self, peer: Peer, message: Message, fds: list[Descriptor]) -> None:
        """Take work from another process: only workers do."""
        raise ValueError(f"unknown message: {message[0]!r}")

    def ship(self, peer: Peer, definition: Definition) -> None:
        """Send a function to a process that does not have it yet."""
        peer.shipped.add(definition.id)
        fds: list[Descriptor] = []
        bundle = self.parcels.encode(peer, to_blob(definition.bundle()), fds)
        self.send(peer, ("ship", bundle), fds)


def _arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Blob:
    if not args and not kwargs:
        return _NO_ARGS
    try:
        return to_blob((args, kwargs))
    except TypeError:
        for name, value in (*enumerate(args, 1), *kwargs.items()):
            to_blob(value, f"argument {name}")  # raises the same with a better name
        raise


def _entry(namespace: str, name: str | None, made: Blob) -> tuple[tuple[str, str] | None, bytes]:
    """What the node keeps of a named actor, for those who look for it."""
    if name is None:
        return None, b""
    if made.refs or made.kind != BODY:
        raise TypeError(f"the class of the actor {name!r} holds data or references: give those to __init__")
    return (namespace, name), made.data


def _error(error: BaseException) -> Blob:
    return Blob(ERROR, pack_error(error))


def _forget(engine: "weakref.ref[Embedded]", function: bytes) -> None:
    # From a finaliser, so from any thread at any moment: the loop does it soon.
    if (owner := engine()) is not None:
        owner.loop.later(partial(owner.forget, function))
        owner.loop.wake()


def _abandon_all() -> None:
    for engine in list(_all):
        engine.abandon()


os.register_at_fork(after_in_child=_abandon_all)

"""A process of the session, seen from inside: its connections, the references it owns, and its end.

Each process owns the values it asked for and talks straight to the workers it was lent; the node
process only lends. Messages come in here and are handed on: what is queued where is in `_tasks` and
`_actors`, how values travel in `_parcels`, what runs in `_worker`. `Engine` is written on this, in
`_engine`.
"""

import os
import socket
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._core._gates import gate
from ...errors import NodeDiedError, OwnerDiedError
from .._engine import Engine
from .._errors import pack_error
from .._remote import Definition, known
from ._actors import Actors, Call
from ._budget import Share
from ._handles import tether_of
from ._leases import Task
from ._loop import Loop
from ._machine import Machine
from ._memory import here
from ._parcels import Parcels
from ._peers import Peer
from ._streams import Streams
from ._tally import Tally
from ._tasks import Tasks
from ._timeline import RECORDED
from ._values import ERROR, NONE, Blob, Ref, to_blob
from ._wire import Channel, Descriptor, Message

if TYPE_CHECKING:
    from .._options import TaskOptions
    from ._bursts import Plain

__all__ = ["Hub", "packed"]

_all: "weakref.WeakSet[Hub]" = weakref.WeakSet()


class Hub(Engine):
    """What a driver and every worker are to the others of their session."""

    def __init__(
        self,
        control: socket.socket,
        machine: Machine,
        *,
        namespace: str = "",
        maker: bytes = b"",
    ) -> None:
        """Make one; `maker` is how the ids of its actors begin, so that the node knows whose they are."""
        self._maker, self._actors_made = maker, 0
        self.id = maker or os.urandom(8)
        self.namespace = namespace
        self.loop = Loop(self._on_idle, self._on_error)
        self.lock = self.loop.lock
        self.peers: dict[int, Peer] = {}
        self.parcels = Parcels(self)
        self._share: Share | None = None
        self._control = Channel(control)
        self._numbers = count(1)  # of the references that are made here
        self._submitted: deque[Task | Plain] = deque()  # tasks that nobody has looked at yet
        self._told: deque[Call] = deque()  # likewise calls of actors
        self._latest: tuple[TaskOptions | None, bool] = None, False  # their options, whether those are plain
        self._errors = 0  # references that failed: `get` of a list looks at all when this moves
        self._due: deque[Callable[[], None]] = deque()  # callbacks of references that have settled
        self._settling = False
        self._promises: weakref.WeakSet[Ref[Any]] = weakref.WeakSet()
        self.machine = machine
        self._tasks = Tasks(self, machine)
        self._actors = Actors(self)
        self.streams = Streams(self)
        self.tethers: weakref.WeakValueDictionary[bytes, Ref[Any]] = weakref.WeakValueDictionary()
        self.pinned: list[Ref[Any]] = []  # tethers that nobody can count
        self._functions: dict[bytes, Blob] = {}  # those that were submitted here, in the form to be sent
        self._requests: dict[int, Callable[[Message], None]] = {}
        self._next_request = 0
        self._over: str | None = None  # why, once the session is
        self.loop.add(self._control, self._on_control, self._on_node_lost)
        _all.add(self)

    # ---------------------------------------------------------------------------------- references

    def new_refs(self, count: int) -> list[Ref[Any]]:
        """Make references that we own."""
        return [Ref(self, self.id, next(self._numbers)) for _ in range(count)]

    def take_submitted(self) -> None:
        """Queue the tasks and calls that were submitted; whoever waits for anything has done this before."""
        if self._submitted or self._told:
            with self.lock:
                self._take_submitted()

    def _take_submitted(self) -> None:
        if self._submitted:
            self._tasks.take(self._submitted)
        if self._told:
            self._actors.take(self._told)
        if self._over is not None:
            self._fail_all(NodeDiedError(self._over))

    def _fail_all(self, error: BaseException) -> None:
        self._tasks.fail_all(error)
        self._actors.fail_all(error)

    def settle(self, ref: Ref[Any], blob: Blob) -> None:
        """Give a reference its value and tell who waits for it. The lock is held."""
        if blob.kind != ERROR and ref.then is None:  # as nearly all
            if ref.blob is None:
                ref.blob = blob
            return
        due = ref.settle(blob)
        if blob.kind == ERROR:
            self._errors += 1
        if not due:
            return
        # An error settles whatever depends on it, and so on: a long chain is a loop, not a recursion.
        for then in due:
            self._due.append(
                partial(self._tasks.input_settled, then, ref) if isinstance(then, Task) else then
            )
        if not self._settling:
            self._settling = True
            try:
                while self._due:
                    self._due.popleft()()
            finally:
                self._settling = False

    def _cancel(self, owner: bytes, number: int, *, force: bool, recursive: bool) -> None:
        """Ask the task of a reference to end, or whoever knows it. The lock is held."""
        if owner == self.id:
            self.take_submitted()
            ref = Ref[Any](self, owner, number)
            if not self._tasks.cancel(ref, force=force, recursive=recursive):
                self._actors.cancel(ref, force=force, recursive=recursive)
            return
        for peer in self.peers.values():  # whoever lent it to us is, or knows, its owner
            if (owner, number) in peer.borrowed:
                self.send(peer, ("withdraw", owner, number, force, recursive))

    def hear(self) -> None:
        """Read what all peers have said by now, without waiting. The lock is held."""
        for peer in list(self.peers.values()):
            while self.loop.read_now(peer.channel):
                pass

    # ------------------------------------------------------------------------------------ the node

    def tell_node(self, message: Message, fds: Sequence[Descriptor] = ()) -> None:
        """Send a message to the node. The lock is held."""
        self.loop.send(self._control, message, fds)

    def request(
        self,
        head: Message,
        *facts: Any,
        reply: Callable[[Message], None],
        fds: Sequence[Descriptor] = (),
    ) -> None:
        """Ask the node for something; `reply` gets the answer with the lock held, as is it now."""
        self._next_request += 1
        self._requests[self._next_request] = reply
        self.tell_node((*head, self._next_request, *facts), fds)

    def _ask(self, head: Message, *facts: Any) -> Message:
        """Ask the node for something, and wait for the answer."""
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
            case "granted" | "denied" | "gone" | "accepted" | "taken" | "unknown" | "cluster" | "held":
                if fds:
                    self._attach(message[2], fds[0])
                self._requests.pop(message[1])(message)
            case "found" | "tether":
                self._requests.pop(message[1])((*message, *fds))
            case "attach":
                self._attach(message[1], fds[0])
            case "died":
                self._on_died(message[1], message[2], restarts=message[3])
            case "reclaim":
                self._tasks.reclaim()
            case "tell":
                self.tell_node(("told", message[1], self.facts()))
            case "trace":
                self.tell_node(("told", message[1], self.trace()))
            case "shrink":
                self.loop.later(here.shrink)
            case "failing":
                self._end(f"its node process failed: {message[1]}")
            case _:
                self._on_order(message, fds)

    def _on_order(self, message: Message, fds: list[Descriptor]) -> None:
        raise ValueError(f"unknown message from the node: {message[0]!r}")

    def facts(self) -> dict[str, Any]:
        """Say what this process does, in plain values, for those who look at the session."""
        memory = here.usage()
        held = {"objects": memory.held, "on_disk": memory.spilled}
        return {**self._tasks.counts(), "calls": self._actors.pending, **held}

    def record(self) -> None:
        """Keep from now on when tasks and calls of ours were submitted, ready, sent and answered."""
        self._tasks.ways, self._tasks.times = deque(maxlen=RECORDED), {}
        self._actors.record = self._tasks
        self._latest = None, False

    def trace(self) -> tuple[list[Any], list[Any]]:
        """Give what is known of tasks that ran here, and of those that we own; see `_timeline`."""
        return [], list(self._tasks.ways)

    def _on_node_lost(self) -> None:
        self._end("its node process ended")

    # --------------------------------------------------------------------------------------- peers

    @property
    def passed(self) -> int:
        """Bytes that have passed the sockets of this process, those to the dead left out."""
        channels = [self._control, *[peer.channel for peer in self.peers.values()]]
        return sum(channel.passed for channel in channels)

    def _attach(self, number: int, descriptor: Descriptor) -> None:
        """Begin to talk to a process. That a connection is silent means nothing: the node tells deaths."""
        peer = self.peers[number] = Peer(number, Channel(socket.socket(fileno=descriptor.detach())))
        self.loop.add(peer.channel, partial(self._on_message, peer), lambda: None)

    def send(self, peer: Peer, message: Message, fds: Sequence[Descriptor] = ()) -> None:
        """Send a message to a process. The lock is held."""
        if peer.channel.send(message, fds):
            self.loop.await_room(peer.channel)

    def ship(self, peer: Peer, definition: Definition, calls: int = 0) -> None:
        """Send a function to a process that does not have it yet, and after how many calls that is to end."""
        peer.shipped.add(definition.id)
        fds: list[Descriptor] = []
        bundle = self.parcels.encode(peer, self._functions[definition.id], fds)
        gate("function.shipping")
        self.send(peer, ("ship", bundle, calls), fds)

    def meet(self, definition: Definition) -> None:
        """See a function for the first time; `TypeError` here, at the call, if it cannot be sent."""
        self._functions[definition.id] = to_blob(definition.bundle(), definition.name)
        self._await_end(definition)

    def _await_end(self, definition: Definition) -> None:
        end = weakref.finalize(definition, _forget, weakref.ref(self), definition.id)
        end.atexit = False

    def forget(self, function: bytes) -> None:
        """Nobody can submit that function again: those who have it need not keep it."""
        if (again := known(function)) is not None:  # it has come once more since its last one went
            self._await_end(again)
            return
        with self.lock:
            self._functions.pop(function, None)
            self._tasks.forget(function)
            for peer in self.peers.values():
                if function in peer.shipped:
                    peer.shipped.remove(function)
                    self.send(peer, ("forget", function))

    def _on_died(self, number: int, how: str, *, restarts: bool = False) -> None:
        peer = self.peers.pop(number, None)
        if peer is None:
            return
        while self.loop.read_now(peer.channel):  # it may have answered before it died
            pass
        self.loop.remove(peer.channel)
        if peer.lease is not None:
            self._tasks.lost(peer.lease, how)
        self._actors.lost(peer, how, restarts=restarts)
        for ref in list(peer.borrowed.values()):
            self.settle(ref, packed(OwnerDiedError(repr(ref))))
        self.parcels.lost(peer)
        self._on_peer_died(peer)

    def _on_peer_died(self, peer: Peer) -> None:
        """A process that we talked to has died; a worker forgets what it was asked to do for it."""

    def _on_message(self, peer: Peer, message: Message, fds: list[Descriptor]) -> None:
        match message[0]:
            case "result":
                if peer.lease is not None:
                    self._tasks.results(peer.lease, message[1], fds, message[2], message[3])
                else:
                    self._actors.results(peer, message[1], fds)
            case "items":
                self.streams.arrived(peer, message, fds, self._refs_of(peer, message[1]))
            case "givenback":
                if peer.lease is not None:
                    self._tasks.given_back(peer.lease, message[1], waits=message[2])
            case "unknown":
                if peer.lease is not None:
                    self._tasks.unknown(peer.lease, message[1])
            case "leaving":
                if peer.lease is not None:
                    self._tasks.left(peer.lease)
            case "settle":
                _, owner, number, encoded = message
                blob = self.parcels.decode(peer, encoded, fds)
                if (ref := peer.borrowed.pop((owner, number), None)) is not None:
                    self.settle(ref, blob)
            case "unseen":
                self.parcels.unshare(peer, message[1])
            case "astray":
                self.parcels.astray(peer, message[1])
            case "withdraw":
                _, owner, number, force, recursive = message
                with suppress(ValueError):  # who wants to force an actor's call cannot know what it is
                    self._cancel(owner, number, force=force, recursive=recursive)
            case _:
                self._on_work(peer, message, fds)

    def _refs_of(self, peer: Peer, number: int) -> list[Ref[Any]]:
        """Give the references of a task or call that runs there."""
        if peer.lease is not None:
            return self._tasks.refs_of(peer.lease, number)
        return self._actors.refs_of(peer, number)

    def _on_work(self, peer: Peer, message: Message, fds: list[Descriptor]) -> None:
        """Take work from another process: only workers do."""
        raise ValueError(f"unknown message: {message[0]!r}")

    def _on_idle(self) -> float | None:
        """Before each wait for messages, behind the shield: how long it may last."""
        if self._submitted or self._told:
            errors = self._errors
            with self.lock.bare:
                self._take_submitted()
            if self._errors != errors:  # what needs one that has failed settles here: no answer will come
                return 0.0
        if self._actors.due:
            with self.lock.bare:
                self._actors.flush()
        return self._tidy() if here.busy else None

    def _tidy(self) -> float | None:
        with self.lock:
            left = here.tidy()
            if self._over is None:
                self.parcels.send_unseen()
                if here.short:
                    here.short = False
                    self.tell_node(("shortage",))
        return left

    def use_memory(self, tally: Tally, slot: int, folder: Path) -> None:
        """Begin to count what this process holds of its session's memory."""
        budget = int(self.machine.resources["object_store_memory"])
        self._share = Share(tally, slot, budget, folder, self.loop.wake)
        here.enter(self._share)

    # ------------------------------------------------------------------------------------- tethers

    def keep_tether(self, actor: bytes, tether: Ref[Any]) -> Ref[Any] | None:
        """Give the tether that this process has already, or this one: one descriptor is enough."""
        return self.tethers.setdefault(actor, tether)

    def another_tether(self, actor: bytes) -> Ref[Any] | None:
        """Ask the node for a tether of an actor; None if it has ended."""
        message = self._ask(("tether",), actor)
        return self._new_tether(actor, message[2]) if len(message) > 2 else None

    def _new_tether(self, actor: bytes, end: Descriptor) -> Ref[Any]:
        with self.lock:
            [ref] = self.new_refs(1)
        return self.tethers.setdefault(actor, tether_of(ref, end))

    def _drop_tethers(self) -> None:
        """Close them all: the names that are left are of no use any more."""
        for tether in list(self.tethers.values()):
            tether.blob = NONE
        self.pinned.clear()

    def let_go(self, actor: bytes) -> None:
        """No name of a dead actor is left; from a finaliser, so from any thread at any moment."""
        self.loop.later(partial(self._let_go, actor))
        self.loop.wake()

    def _let_go(self, actor: bytes) -> None:
        with self.lock:
            if actor not in self.tethers:
                self._actors.let_go(actor)

    # ------------------------------------------------------------------------------------- the end

    @property
    def over(self) -> bool:
        """Whether the session has ended."""
        return self._over is not None

    def _check_alive(self) -> None:
        if self._over is not None:
            raise NodeDiedError(self._over)

    def _end(self, why: str) -> None:
        """Fail whatever is pending. The lock is held."""
        if self._over is not None:
            return
        self._over = why
        self._tasks.take(self._submitted)
        self._actors.take(self._told)
        error = NodeDiedError(why)
        self._fail_all(error)
        borrowed = [ref for peer in self.peers.values() for ref in peer.borrowed.values()]
        for ref in (*borrowed, *self._promises):
            self.settle(ref, packed(error))
        requests, self._requests = self._requests, {}
        for reply in requests.values():
            reply(("over",))
        for peer in self.peers.values():
            self.parcels.lost(peer)
        self.loop.remove(self._control)
        self._drop_tethers()

    def _on_error(self, error: BaseException) -> None:
        """A message could not be handled, so nobody knows what else is lost: end loudly."""
        traceback.print_exception(error)
        self._end(f"{type(error).__name__}: {error}")

    def abandon(self) -> None:
        """In a forked child: the session is the parent's."""
        self._over = "this process is a fork of the one that started it"
        self.loop.abandon()
        self._drop_tethers()


def packed(error: BaseException) -> Blob:
    """Give an error in the form of a value."""
    return Blob(ERROR, pack_error(error))


def _forget(hub: "weakref.ref[Hub]", function: bytes) -> None:
    # From a finaliser, so from any thread at any moment: the loop does it soon.
    if (owner := hub()) is not None:
        owner.loop.later(partial(owner.forget, function))
        owner.loop.wake()


def _abandon_all() -> None:
    for hub in list(_all):
        hub.abandon()


os.register_at_fork(after_in_child=_abandon_all)

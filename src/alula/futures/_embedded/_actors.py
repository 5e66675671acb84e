"""The caller's side of actors: one queue for each, so that its calls arrive in their order.

Calls that are made while earlier ones run are sent together, before this process waits for anything or
when results come. When an actor's process dies and is started again, the node tells so: whoever made the
actor makes it anew, and every caller connects to the new process and sends what may be sent again,
before anything later.
"""

import weakref
from collections import deque
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from ...errors import (
    ActorDiedError,
    ActorUnavailableError,
    PendingCallsLimitExceeded,
    TaskCancelledError,
)
from .._errors import pack_error, unpack_error
from .._options import MethodOptions
from ._handles import ActorName, Terms
from ._unread import unread
from ._values import ERROR, NONE, Blob, Ref
from ._wire import Descriptor, Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._hub import Hub
    from ._peers import Peer
    from ._tasks import Tasks

__all__ = ["Actors", "Call"]

_MOST = 1000  # calls that an actor is given at once, if they run one after the other
_BATCH_FDS = 200
_BATCH_BYTES = 1 << 20


class Call:
    """One call of a method that has no result yet, or the making of the actor.

    Attributes
    ----------
    actor
        Whom it is for; that keeps the actor alive until the result is here.
    made
        The class and how it runs, if this makes the actor.
    parent
        The work inside which it was made, if it was.
    """

    __slots__ = (
        "actor",
        "args",
        "attempts",
        "cancelled",
        "inputs",
        "made",
        "method",
        "missing",
        "options",
        "parent",
        "refs",
    )

    def __init__(
        self,
        actor: ActorName,
        method: str,
        args: Blob,
        refs: list[Ref[Any]],
        options: MethodOptions,
        parent: object = None,
        inputs: "Sequence[Ref[Any]]" = (),
        made: Blob | None = None,
    ) -> None:
        self.actor: ActorName | None = actor
        self.inputs = inputs  # until it is queued
        self.method, self.args, self.refs, self.options = method, args, refs, options
        self.parent, self.made = parent, made
        self.missing = 0  # inputs that are pending
        self.attempts = 0  # that have failed
        self.cancelled = False

    @property
    def number(self) -> int:
        """The number of its first reference."""
        return self.refs[0].number

    def gives(self, ref: Ref[Any]) -> bool:
        """Whether a reference of ours is to one of its results."""
        return ref in self.refs

    def again(self, terms: Terms) -> bool:
        """Count a failed attempt; tell whether there may be another."""
        own = self.options.max_task_retries
        most = terms.retries if own is None else own
        self.attempts += 1
        return not self.cancelled and (most < 0 or self.attempts <= most)


class _Actor:
    __slots__ = (
        "connecting",
        "creation",
        "dead",
        "due",
        "held",
        "id",
        "inflight",
        "late",
        "name",
        "peer",
        "queue",
        "restarts",
        "terms",
    )

    def __init__(self, actor: ActorName) -> None:
        self.id, self.name, self.terms = actor.id, actor.cls_name, actor.terms
        self.queue: deque[Call] = deque()
        self.inflight: dict[int, Call] = {}
        self.late: dict[int, Call] = {}  # those that wait for inputs, if later ones may overtake them
        self.creation: Call | None = None  # if we made it: while it is not made, or may have to be again
        self.restarts = 0  # how often it was made again
        self.peer: Peer | None = None
        self.connecting = False
        self.due = False  # it has calls queued that will be sent before the next wait
        self.dead: str | bytes | None = None  # how it ended: a text, or a carried error
        self.held: object = None  # then: what tells that no name of it is left here

    @property
    def busy(self) -> bool:
        return bool(self.queue or self.inflight or self.late)

    def calls(self) -> "Iterator[Call]":
        return chain(self.inflight.values(), self.late.values(), self.queue)


class Actors:
    """The actors that this process calls. Every method is called with the hub's lock held.

    Attributes
    ----------
    due
        Actors whose queued calls are to be sent before the next wait for messages.
    record
        Where the ways of calls are recorded, with those of tasks, if they are.
    """

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._actors: dict[bytes, _Actor] = {}
        self._by_peer: dict[int, _Actor] = {}
        self.due: list[_Actor] = []
        self.record: Tasks | None = None
        self._collecting = False

    @property
    def busy(self) -> bool:
        """Whether anything depends on this process: calls without a result, an actor that may restart."""
        return any(s.busy or (s.creation is not None and s.dead is None) for s in self._actors.values())

    @property
    def pending(self) -> int:
        """How many calls have no result yet."""
        return sum(len(state.queue) + len(state.inflight) for state in self._actors.values())

    # -------------------------------------------------------------------------------- making actors

    def making(self, call: Call) -> None:
        """Take note of an actor that we are making; the node answers `found` when it has a worker."""
        assert call.actor is not None
        state = self._actors[call.actor.id] = _Actor(call.actor)
        state.creation, state.connecting = call, True
        call.missing = 1  # until `make`

    def make(self, actor: bytes, inputs: "Sequence[Ref[Any]]") -> None:
        """The name was free: the actor is made when its inputs are there, and a worker."""
        state = self._actors.get(actor)
        if state is not None and state.creation is not None:  # else it was buried already
            self._await_inputs(state, state.creation, inputs)
            state.creation.missing -= 1
            if self.record is not None:
                self.record.note(state.creation.number, 0 if state.creation.missing else 1)
            self._send_creation(state)

    def refused(self, actor: bytes) -> None:
        """It was not made after all."""
        del self._actors[actor]

    def _send_creation(self, state: _Actor) -> None:
        call = state.creation
        if call is None or call.missing or state.peer is None or call.number in state.inflight:
            return
        assert call.made is not None
        fds: list[Descriptor] = []
        state.inflight[call.number] = call
        encode, peer = self._hub.parcels.encode, state.peer
        args, made = encode(peer, call.args, fds), encode(peer, call.made, fds)
        if self.record is not None:
            self.record.note(call.number, 2)
        self._hub.send(peer, ("make", call.number, state.id, args, made, state.restarts), fds)

    def _made(self, state: _Actor, failed: bool) -> None:
        assert state.creation is not None
        state.creation.actor = None  # what it takes to make it again keeps nobody alive
        if failed or not state.terms.restarts:
            state.creation = None

    # -------------------------------------------------------------------------------- calls

    def take(self, told: deque[Call]) -> None:
        """Queue calls that were made, those of one burst to be sent together."""
        if len(told) > 1:
            self._collecting = True
            try:
                while told:
                    self.call(told.popleft())
            finally:
                self._collecting = False
            self.flush()
        elif told:
            self.call(told.popleft())

    def call(self, call: Call) -> None:
        """Queue a call behind the earlier ones of this process.

        Raises
        ------
        PendingCallsLimitExceeded
            If too many are there already.
        """
        actor = call.actor
        assert actor is not None
        state = self._actors.get(actor.id)
        if state is None:
            state = self._actors[actor.id] = _Actor(actor)
        most = state.terms.most_pending
        if 0 < most <= len(state.queue) + len(state.inflight) + len(state.late):
            raise PendingCallsLimitExceeded(state.name, most)
        if state.dead is not None:
            self._fail(state, call)
            return
        if call.inputs:
            self._await_inputs(state, call, call.inputs)
            call.inputs = ()
        if self.record is not None:
            self.record.note(call.number, 0 if call.missing else 1)
        if call.missing and not state.terms.ordered:
            state.late[call.number] = call
        else:
            state.queue.append(call)
            self._push(state)

    def _await_inputs(self, state: _Actor, call: Call, inputs: "Sequence[Ref[Any]]") -> None:
        for ref in inputs:
            if ref.blob is None:
                call.missing += 1
                ref.on_settled(partial(self._input_settled, state, call))

    def _input_settled(self, state: _Actor, call: Call) -> None:
        call.missing -= 1
        if call.missing or state.dead is not None:
            return
        if self.record is not None:
            self.record.note(call.number, 1)
        if call is state.creation:
            self._send_creation(state)
            return
        if state.late.pop(call.number, None) is not None:
            state.queue.append(call)
        self._push(state)

    def _push(self, state: _Actor) -> None:
        """See to it that what is queued will be sent: now, if nothing is on its way, else with others."""
        if state.due:
            return
        if state.peer is None:
            self._connect(state)
        elif not (state.inflight or self._collecting):
            self._send(state)
        else:
            state.due = True
            self.due.append(state)
            # What runs beside others may need what is queued, so that must not wait for a result.
            if not (state.terms.serial or self._collecting):
                self._hub.loop.wake()

    def flush(self) -> None:
        """Send all that is queued."""
        due, self.due = self.due, []
        for state in due:
            state.due = False
            if state.peer is not None:
                self._send(state)
            elif state.queue and state.dead is None:  # its process has died meanwhile
                self._connect(state)

    def _send(self, state: _Actor) -> None:
        queue, inflight, peer = state.queue, state.inflight, state.peer
        assert peer is not None
        most = _MOST if state.terms.serial else 1 << 60
        encode = self._hub.parcels.encode
        while queue and not queue[0].missing and len(inflight) < most:
            batch: list[Any] = []
            fds: list[Descriptor] = []
            size = 0
            room = most - len(inflight)
            while queue and not queue[0].missing and len(batch) < room:
                if size >= _BATCH_BYTES or len(fds) >= _BATCH_FDS:
                    break
                call = queue.popleft()
                number, options, args = call.refs[0].number, call.options, call.args
                inflight[number] = call
                returns: Any = options.num_returns
                if returns.__class__ is str:
                    returns = self._hub.streams.terms(peer, number, returns)
                group, name = options.concurrency_group, options.name
                sent: Message = () if args is NONE else encode(peer, args, fds)
                batch.append((number, call.method, returns, sent, group, name))
                size += args.size
            if self.record is not None:
                for number, *_ in batch:
                    self.record.note(number, 2)
            self._hub.send(peer, ("calls", batch), fds)

    def results(self, peer: "Peer", results: list[Any], fds: list[Descriptor]) -> None:
        """An actor has finished calls."""
        state = self._by_peer.get(peer.id)
        if state is None:  # killed meanwhile
            return
        decode, settle, inflight = self._hub.parcels.decode, self._hub.settle, state.inflight
        for number, encoded in results:
            blobs = [decode(peer, item, fds) for item in encoded]
            call = inflight.pop(number, None)
            if call is None:
                continue
            failed = bool(blobs) and blobs[-1].kind == ERROR
            if call is state.creation:
                self._made(state, failed)
            elif failed and call.options.retry_exceptions and self._retried(state, call, blobs[-1]):
                continue
            if self.record is not None:
                self.record.note_end(_shown(state, call), number)
            if failed:
                blobs = unread(blobs, self._hub.loop)
            for ref, blob in zip(call.refs, blobs, strict=True):
                settle(ref, blob)
        if state.queue and state.peer is not None and not state.due:
            self._send(state)

    def refs_of(self, peer: "Peer", number: int) -> list[Ref[Any]]:
        """Give the references of a call that runs there."""
        state = self._by_peer.get(peer.id)
        call = state.inflight.get(number) if state is not None else None
        return call.refs if call is not None else []

    def _retried(self, state: _Actor, call: Call, blob: Blob) -> bool:
        wanted = call.options.retry_exceptions
        if isinstance(wanted, tuple) and not isinstance(_unpacked(blob), wanted):
            return False
        if not call.again(state.terms):
            return False
        state.queue.appendleft(call)
        return True

    # -------------------------------------------------------------------------------- its process

    def _connect(self, state: _Actor) -> None:
        if not state.connecting:
            state.connecting = True
            self._hub.request(("connect",), state.id, reply=partial(self.found, state.id))

    def found(self, actor: bytes, message: tuple[Any, ...]) -> None:
        """The node has answered: a connection to the actor's worker, or how it ended."""
        state = self._actors.get(actor)
        if state is None or state.dead is not None:
            return
        state.connecting = False
        if message[0] == "granted":
            state.peer = self._hub.peers[message[2]]
            self._by_peer[state.peer.id] = state
            self._send_creation(state)
            self._send(state)
        elif message[0] == "gone":
            self._bury(state, message[2])

    def killed(self, actor: bytes) -> None:
        """We have had it killed: for us it is dead from now on."""
        state = self._actors.get(actor)
        if state is not None and state.dead is None:
            if state.peer is not None:
                self._by_peer.pop(state.peer.id, None)
            self._bury(state, "it was killed")

    def lost(self, peer: "Peer", how: str | bytes, *, restarts: bool) -> None:
        """A process has died; it may have been an actor's."""
        state = self._by_peer.pop(peer.id, None)
        if state is None:
            return
        if not restarts:
            self._bury(state, how)
            return
        state.peer = None
        self._take_back(state, how)
        if state.creation is not None:
            state.restarts += 1
        if state.creation is not None or state.queue:
            self._connect(state)

    def _take_back(self, state: _Actor, how: str | bytes) -> None:
        """Queue again what was on its way and may be, before what is queued; the rest has failed."""
        again: list[Call] = []
        inflight, state.inflight = state.inflight, {}
        unmade = state.creation is not None and state.creation.number in inflight
        for call in inflight.values():
            if call is state.creation:
                continue
            if (unmade and not call.cancelled) or call.again(state.terms):  # unmade, it has run nothing
                again.append(call)
            elif call.cancelled:
                self._settle(state, call, self._cancelled(state, call))
            else:
                self._settle(state, call, ActorUnavailableError(state.name, str(how)))
        state.queue.extendleft(reversed(again))

    def let_go(self, actor: bytes) -> None:
        """No name of it is left here: if it is dead, nobody can ask for it."""
        state = self._actors.get(actor)
        if state is not None and state.dead is not None:
            del self._actors[actor]

    def _bury(self, state: _Actor, how: str | bytes) -> None:
        state.dead, state.peer = how, None
        calls = list(state.calls())
        if (creation := state.creation) is not None and creation.number not in state.inflight:
            calls.append(creation)
        for held in (state.inflight, state.late, state.queue):
            held.clear()
        state.creation = None
        for call in calls:
            self._fail(state, call)
        tether = self._hub.tethers.get(state.id)
        if tether is None:  # nobody is left here who could call it
            self.let_go(state.id)
        else:
            state.held = weakref.ref(tether, lambda _: self._hub.let_go(state.id))

    def _fail(self, state: _Actor, call: Call) -> None:
        how = state.dead
        assert how is not None
        if isinstance(how, bytes):
            self._settle_blob(state, call, Blob(ERROR, how))
        else:
            self._settle(state, call, ActorDiedError(state.name, how))

    def _settle(self, state: _Actor, call: Call, error: BaseException) -> None:
        self._settle_blob(state, call, Blob(ERROR, pack_error(error)))

    def _settle_blob(self, state: _Actor, call: Call, blob: Blob) -> None:
        call.actor = None
        if self.record is not None:
            self.record.note_end(_shown(state, call), call.number)
        for ref in call.refs:
            self._hub.settle(ref, blob)

    # -------------------------------------------------------------------------------- cancelling

    def cancel(self, ref: Ref[Any], *, force: bool, recursive: bool) -> bool:
        """Take the call of a reference of ours out of its queue; False if it is no call of an actor.

        Raises
        ------
        ValueError
            If `force`: an actor has other callers, who want it alive.
        """
        for state in self._actors.values():
            for call in state.calls():
                if call.gives(ref):
                    if force:
                        raise ValueError(
                            "an actor's call cannot be cancelled by force; kill() ends the actor"
                        )
                    self._cancel(state, call, recursive=recursive)
                    return True
        return False

    def cancel_children(self, parent: object) -> None:
        """Ask all calls to end that were made inside that work."""
        for state in list(self._actors.values()):
            for call in [call for call in state.calls() if call.parent is parent]:
                self._cancel(state, call, recursive=True)

    def _cancel(self, state: _Actor, call: Call, *, recursive: bool) -> None:
        if call.number in state.inflight:
            call.cancelled = True
            if state.peer is not None:
                self._hub.send(state.peer, ("cancel", call.number, recursive, False))
            return
        if state.late.pop(call.number, None) is None:
            state.queue.remove(call)
        self._settle(state, call, self._cancelled(state, call))
        self._push(state)  # another may be the first now

    def _cancelled(self, state: _Actor, call: Call) -> TaskCancelledError:
        return TaskCancelledError(_shown(state, call))

    def give_up(self, ref: Ref[Any]) -> None:
        """Whoever awaited a reference was cancelled: so is the call behind it, if it is a coroutine."""
        for state in self._by_peer.values():
            for call in state.inflight.values():
                if call.gives(ref) and state.peer is not None:
                    self._hub.send(state.peer, ("unwanted", call.number))

    def fail_all(self, error: BaseException) -> None:
        """The session is over: nothing that is pending will come."""
        for state in self._actors.values():
            for call in list(state.calls()):
                self._settle(state, call, error)
            for held in (state.inflight, state.late, state.queue):
                held.clear()
            state.dead, state.peer, state.creation = "it ended with its session", None, None


def _shown(state: _Actor, call: Call) -> str:
    return call.options.name or f"{state.name}.{call.method}"


def _unpacked(blob: Blob) -> BaseException | None:
    try:
        return unpack_error(blob.data)
    except Exception:  # a user's class that cannot be had here: whoever asks for the value will see
        return None

"""The caller's side of actors: one queue for each, so that its calls arrive in their order."""

from collections import deque
from typing import TYPE_CHECKING, Any

from ...errors import ActorDiedError, TaskCancelledError
from .._errors import pack_error
from ._values import ERROR, Blob, Ref
from ._wire import Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._hub import Hub
    from ._peers import Peer

__all__ = ["ActorName", "Actors", "Call"]


class ActorName:
    """An actor's identity in every process of the session.

    The one that the actor was made with ends it when it goes, unless it has been sent to other processes:
    then the actor lives until the session ends or it is killed.
    """

    __slots__ = ("_dropped", "cls_name", "id", "shared")

    def __init__(self, actor: bytes, cls_name: str, dropped: "Callable[[bytes], None] | None" = None) -> None:
        self.id, self.cls_name = actor, cls_name
        self.shared = False
        self._dropped = dropped

    def __reduce__(self) -> tuple[Any, ...]:
        self.shared = True
        return ActorName, (self.id, self.cls_name)

    def __del__(self) -> None:
        if self._dropped is not None and not self.shared:
            self._dropped(self.id)

    def __repr__(self) -> str:
        return f"{self.cls_name}({self.id.hex()[-8:]})"


class Call:
    """One call of a method that has no result yet, or the making of the actor.

    Attributes
    ----------
    made
        The class and how many calls it runs at once, if this makes the actor.
    """

    __slots__ = ("args", "made", "method", "missing", "refs", "returns")

    def __init__(
        self, method: str, args: Blob, refs: list[Ref[Any]], returns: Any = 1, made: Blob | None = None
    ) -> None:
        self.method, self.args, self.refs, self.returns, self.made = method, args, refs, returns, made
        self.missing = 0  # inputs that are pending

    @property
    def number(self) -> int:
        """The number of its first reference."""
        return self.refs[0].number

    def gives(self, ref: Ref[Any]) -> bool:
        """Whether a reference of ours is to one of its results."""
        return ref in self.refs


class _Actor:
    __slots__ = ("dead", "ending", "id", "inflight", "name", "peer", "queue")

    def __init__(self, actor: bytes, name: str) -> None:
        self.id, self.name = actor, name
        self.queue: deque[Call] = deque()
        self.inflight: dict[int, Call] = {}
        self.peer: Peer | None = None
        self.dead: str | None = None
        self.ending = False


class Actors:
    """The actors that this process calls. Every method is called with the hub's lock held."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._actors: dict[bytes, _Actor] = {}
        self._by_peer: dict[int, _Actor] = {}

    @property
    def any(self) -> bool:
        """Whether this process calls any actor that is not known to be dead."""
        return any(state.dead is None for state in self._actors.values())

    def made(self, actor: bytes, name: str) -> None:
        """Take note of an actor that we are making; the node answers `found` when it has a worker."""
        self._actors[actor] = _Actor(actor, name)

    def found(self, actor: bytes, message: tuple[Any, ...]) -> None:
        """The node has answered: a connection to the actor's worker, or how it ended."""
        state = self._actors.get(actor)
        if state is None or state.dead is not None:
            return
        if message[0] == "granted":
            state.peer = self._hub.peers[message[2]]
            self._by_peer[state.peer.id] = state
            self._push(state)
        elif message[0] == "gone":
            self._bury(state, message[2])

    def call(self, actor: ActorName, call: Call, inputs: "Sequence[Ref[Any]]") -> None:
        """Queue a call behind the earlier ones of this process."""
        state = self._actors.get(actor.id)
        if state is None:
            state = self._actors[actor.id] = _Actor(actor.id, actor.cls_name)
            self._hub.request(("connect",), actor.id, reply=lambda m: self.found(actor.id, m))
        if state.dead is not None:
            self._fail(state, call)
            return
        for ref in inputs:
            if ref.blob is None:
                call.missing += 1
                ref.on_settled(lambda: self._input_settled(state, call))
        state.queue.append(call)
        self._push(state)

    def _input_settled(self, state: _Actor, call: Call) -> None:
        call.missing -= 1
        if not call.missing:
            self._push(state)

    def _push(self, state: _Actor) -> None:
        if state.peer is None:
            return
        while state.queue and not state.queue[0].missing:
            call = state.queue.popleft()
            fds: list[Descriptor] = []
            state.inflight[call.number] = call
            args = self._hub.parcels.encode(state.peer, call.args, fds)
            made = call.made and self._hub.parcels.encode(state.peer, call.made, fds)
            returns = call.returns
            if returns.__class__ is str:
                returns = self._hub.streams.terms(state.peer, call.number, returns)
            self._hub.send(state.peer, ("call", call.number, call.method, returns, args, made), fds)
        if state.ending and not state.queue and not state.inflight:
            self._hub.send(state.peer, ("exit",))

    def results(self, peer: "Peer", results: list[Any], fds: list[Descriptor]) -> None:
        """An actor has finished calls."""
        state = self._by_peer.get(peer.id)
        if state is None:  # killed meanwhile
            return
        for number, encoded in results:
            blobs = [self._hub.parcels.decode(peer, item, fds) for item in encoded]
            call = state.inflight.pop(number, None)
            if call is not None:
                for ref, blob in zip(call.refs, blobs, strict=True):
                    self._hub.settle(ref, blob)
        self._push(state)

    def refs_of(self, peer: "Peer", number: int) -> list[Ref[Any]]:
        """Give the references of a call that runs there."""
        state = self._by_peer.get(peer.id)
        call = state.inflight.get(number) if state is not None else None
        return call.refs if call is not None else []

    def dropped(self, actor: bytes) -> None:
        """The last handle is gone: the actor ends when it has done what it was asked."""
        state = self._actors.get(actor)
        if state is None:
            return
        if state.dead is not None:
            del self._actors[actor]
            return
        state.ending = True
        self._push(state)

    def refused(self, actor: bytes) -> None:
        """It was not made after all."""
        del self._actors[actor]

    def killed(self, actor: bytes) -> None:
        """We have had it killed: for us it is dead from now on."""
        state = self._actors.get(actor)
        if state is not None and state.dead is None:
            if state.peer is not None:
                self._by_peer.pop(state.peer.id, None)
            self._bury(state, "was killed")

    def lost(self, peer: "Peer", how: str) -> None:
        """A process has died; it may have been an actor's."""
        state = self._by_peer.pop(peer.id, None)
        if state is not None:
            self._bury(state, how)

    def _bury(self, state: _Actor, how: str) -> None:
        state.dead = how
        state.peer = None
        calls = [*state.inflight.values(), *state.queue]
        state.inflight.clear()
        state.queue.clear()
        for call in calls:
            self._fail(state, call)
        if state.ending:  # nobody is left who could call it
            del self._actors[state.id]

    def _fail(self, state: _Actor, call: Call) -> None:
        assert state.dead is not None
        self._settle(call, ActorDiedError(state.name, f"its process {state.dead}"))

    def _settle(self, call: Call, error: BaseException) -> None:
        blob = Blob(ERROR, pack_error(error))
        for ref in call.refs:
            self._hub.settle(ref, blob)

    def cancel(self, ref: Ref[Any], *, force: bool) -> bool:
        """Take the call of a reference of ours out of its queue; False if it is no call of an actor.

        Raises
        ------
        ValueError
            If `force`: an actor has other callers, who want it alive.
        """
        for state in self._actors.values():
            for call in (*state.queue, *state.inflight.values()):
                if call.gives(ref):
                    if force:
                        raise ValueError(
                            "an actor's call cannot be cancelled by force; kill() ends the actor"
                        )
                    self._cancel(state, call)
                    return True
        return False

    def _cancel(self, state: _Actor, call: Call) -> None:
        if call.number not in state.inflight:
            state.queue.remove(call)
            self._settle(call, TaskCancelledError(f"{state.name}.{call.method}"))
            self._push(state)
        elif state.peer is not None:
            self._hub.send(state.peer, ("cancel", call.number, False, False))

    def fail_all(self, error: BaseException) -> None:
        """The session is over: nothing that is pending will come."""
        for state in self._actors.values():
            for call in (*state.inflight.values(), *state.queue):
                self._settle(call, error)
            state.inflight.clear()
            state.queue.clear()
            state.dead, state.peer = "ended with its session", None

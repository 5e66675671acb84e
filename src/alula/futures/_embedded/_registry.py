"""The actors of a session, as the node process knows them: names, handles, deaths and new beginnings.

An actor has a worker process to itself. It ends when the last copy of its tether is closed (see
`_handles`), when it is killed or leaves, and with the process that made it unless it is detached. When its
process dies otherwise it gets another one, as often as it may; whoever made it then makes it again there,
since only the maker knows how.
"""

import os
import selectors
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from .._options import Frozen
from ._environments import merged
from ._wire import Descriptor

if TYPE_CHECKING:
    from ._node_process import Node, Worker

__all__ = ["Registry"]

_EPITAPHS = 1000  # dead actors of which it is kept how they ended

Epitaph: TypeAlias = str | bytes  # how an actor ended: a clause, or an error in carried form

_NO_HANDLES = "it ended when no handle to it was left"
_KILLED = "it was killed"


@dataclass(slots=True, eq=False)
class _Actor:
    id: bytes
    maker: "Worker"
    resources: Mapping[str, float]
    env: Frozen  # its surroundings
    name: tuple[str, str] | None
    cls: bytes
    restarts: int  # that are left; less than 0 for any number
    detached: bool
    worker: "Worker | None" = None
    made: bool = False  # its `__init__` has run
    ending: Epitaph | None = None  # why its process is about to end for good
    waiting: list[tuple["Worker", int]] = field(default_factory=list)  # who wants to be connected to it
    tethers: set[Descriptor] = field(default_factory=set)


class Registry:
    """All actors of one session."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._actors: dict[bytes, _Actor] = {}
        self._names: dict[tuple[str, str], _Actor] = {}
        self._dead: dict[bytes, Epitaph] = {}
        self._expected: dict[bytes, list[tuple[Worker, int]]] = {}  # asked for before their makers' orders
        self.handlers: dict[str, Callable[..., None]] = {
            "actor": self.on_actor,
            "connect": self.on_connect,
            "find": self.on_find,
            "tether": self.on_tether,
            "made": self.on_made,
            "ending": self.on_ending,
        }

    @property
    def workers(self) -> "list[Worker]":
        """The processes that are actors."""
        return [actor.worker for actor in self._actors.values() if actor.worker is not None]

    # ------------------------------------------------------------------------------------- beginnings

    def on_actor(
        self,
        client: "Worker",
        number: int,
        actor: bytes,
        resources: Mapping[str, float],
        name: tuple[str, str] | None,
        cls: bytes,
        env: Frozen,
        restarts: int,
        detached: bool,
        tether: Descriptor,
    ) -> None:
        """A process wants a worker for itself alone, perhaps under a name."""
        client.actors_made += 1
        if name in self._names:
            self._dead[actor] = f"the name {name[1]!r} was taken" if name else ""
            self._node.send(client, ("taken", number))
            return
        self._node.send(client, ("accepted", number))
        if actor in self._dead:  # killed by somebody who was faster with his message
            self._node.send(client, ("gone", number, self._dead[actor]))
            return
        made = _Actor(actor, client, resources, merged(client.env, env), name, cls, restarts, detached)
        made.waiting = [(client, number), *self._expected.pop(actor, ())]
        self._actors[actor] = made
        if name is not None:
            self._names[name] = made
        self._watch(made, tether)
        self._node.ask(client, resources, made.env, actor)

    def deny(self, actor: bytes, why: str) -> None:
        """No process can be had for an actor."""
        self._bury(self._actors[actor], why)

    def placed(self, actor: bytes, worker: "Worker") -> None:
        """An actor has got its process."""
        made = self._actors[actor]
        made.worker, worker.actor = worker, actor
        made.maker.children.add(worker.id)
        for client, number in made.waiting:
            self._node.join(client, number, worker)
        made.waiting.clear()

    def on_made(self, worker: "Worker") -> None:
        """An actor's `__init__` has run: a detached one needs its maker no more."""
        actor = self._of(worker)
        if actor is not None:
            actor.made = True
            if actor.detached:
                actor.maker.children.discard(worker.id)

    def _of(self, worker: "Worker") -> _Actor | None:
        actor = self._actors.get(worker.actor or b"")
        return actor if actor is not None and actor.worker is worker else None

    # ---------------------------------------------------------------------------------------- handles

    def is_due(self, actor: bytes) -> bool:
        """Whether the order that makes an actor is still to come: a handle may be faster than it."""
        session, maker, number = (
            actor[:4],
            int.from_bytes(actor[4:8], "big"),
            int.from_bytes(actor[8:], "big"),
        )
        workers = self._node.workers
        return (
            session == self._node.config["session"]
            and maker in workers
            and number > workers[maker].actors_made
            and actor not in self._dead
        )

    def on_connect(self, client: "Worker", number: int, actor: bytes) -> None:
        """A process wants to talk to an actor."""
        known = self._actors.get(actor)
        if known is not None and known.worker is not None:
            self._node.join(client, number, known.worker)
        elif known is not None:
            known.waiting.append((client, number))
        elif self.is_due(actor):
            self._expected.setdefault(actor, []).append((client, number))
        else:
            ours = actor.startswith(self._node.config["session"])
            how = self._dead.get(actor, "it has ended" if ours else "it is not of this session")
            self._node.send(client, ("gone", number, how))

    def on_find(self, client: "Worker", number: int, name: tuple[str, str]) -> None:
        """A process looks for an actor by name."""
        self._node.reap()  # who saw it die must not find it here
        if (actor := self._names.get(name)) is not None:
            self._node.send(client, ("found", number, actor.id, actor.cls), (self._another(actor),))
        else:
            known = [n for space, n in self._names if space == name[0]]
            self._node.send(client, ("unknown", number, known))

    def on_tether(self, client: "Worker", number: int, actor: bytes) -> None:
        """A process has a name without a tether, and wants to pass it on."""
        known = self._actors.get(actor)
        fds = (self._another(known),) if known is not None and known.ending is None else ()
        self._node.send(client, ("tether", number), fds)

    def _another(self, actor: _Actor) -> Descriptor:
        reads, holds = os.pipe()
        self._watch(actor, Descriptor(reads))
        return Descriptor(holds)

    def _watch(self, actor: _Actor, tether: Descriptor) -> None:
        actor.tethers.add(tether)
        done = partial(self._on_let_go, actor, tether)
        self._node.selector.register(tether, selectors.EVENT_READ, done)

    def _on_let_go(self, actor: _Actor, tether: Descriptor, events: int) -> None:
        """Nobody holds that tether any more."""
        if tether not in actor.tethers:  # the actor was buried in the same moment
            return
        self._node.selector.unregister(tether)
        actor.tethers.discard(tether)
        if actor.tethers or actor.detached or actor.ending is not None:
            return
        if actor.worker is None:
            self._bury(actor, _NO_HANDLES)
        else:
            actor.ending = _NO_HANDLES
            self._forget_name(actor)
            self._node.send(actor.worker, ("exit",))

    # ------------------------------------------------------------------------------------------- ends

    def on_ending(self, worker: "Worker", why: Epitaph) -> None:
        """An actor is about to end by itself."""
        if (actor := self._of(worker)) is not None:
            actor.ending = why
            self._forget_name(actor)

    def kill(self, actor: bytes, *, no_restart: bool) -> None:
        """End an actor at once."""
        known = self._actors.get(actor)
        if known is None:
            if self.is_due(actor):
                self._bury_due(actor, "it was killed before it began")
            return
        if known.worker is not None:
            known.worker.last_words = "was killed by kill()"
            self._node.kill(known.worker)
        if no_restart:
            self._bury(known, _KILLED if known.worker is not None else "it was killed before it began")

    def lost(self, worker: "Worker", how: str) -> tuple[Epitaph, bool]:
        """A process that was an actor's has ended: give how, and whether the actor starts again."""
        actor = self._of(worker)
        how = f"its process {how}"
        if actor is None:
            return self._dead.get(worker.actor or b"", how), False
        actor.worker = None
        actor.maker.children.discard(worker.id)
        if actor.ending is None and actor.restarts and self._may_begin(actor):
            actor.restarts -= 1 if actor.restarts > 0 else 0
            self._node.ask(actor.maker, actor.resources, actor.env, actor.id)
            return how, True
        self._bury(actor, actor.ending or self._why(actor, how))
        return self._dead[actor.id], False

    def _may_begin(self, actor: _Actor) -> bool:
        return actor.maker.id in self._node.workers and bool(actor.tethers or actor.detached)

    def _why(self, actor: _Actor, how: str) -> str:
        if actor.maker.id in self._node.workers:
            return how
        if actor.detached and actor.made:
            return f"{how}, and nobody can make it again since the process that made it has ended"
        return "it ended with the process that made it"

    def orphan(self, maker: "Worker") -> None:
        """A process has ended: what it was about to make never begins."""
        for actor in [a for a in self._actors.values() if a.maker is maker and a.worker is None]:
            self._bury(actor, "it ended before it began, with the process that made it")
        start = self._node.maker(maker.id)
        for due in [actor for actor in self._expected if actor.startswith(start)]:
            self._bury_due(due, "it ended before it began, with the process that made it")

    def _bury(self, actor: _Actor, how: Epitaph) -> None:
        """Forget an actor and its name."""
        del self._actors[actor.id]
        self._forget_name(actor)
        for tether in actor.tethers:
            self._node.selector.unregister(tether)
        actor.tethers.clear()
        self._node.queue = deque(request for request in self._node.queue if request.actor != actor.id)
        self._tell_gone(actor.id, actor.waiting, how)

    def _bury_due(self, actor: bytes, how: Epitaph) -> None:
        self._tell_gone(actor, self._expected.pop(actor, []), how)

    def _tell_gone(self, actor: bytes, waiting: "list[tuple[Worker, int]]", how: Epitaph) -> None:
        self._dead[actor] = how
        if len(self._dead) > _EPITAPHS:
            del self._dead[next(iter(self._dead))]
        for client, number in waiting:
            self._node.send(client, ("gone", number, how))

    def _forget_name(self, actor: _Actor) -> None:
        if actor.name is not None and self._names.get(actor.name) is actor:
            del self._names[actor.name]

    def abandon(self) -> None:
        """In a forked child: let go of the ends of tethers, which are the node's."""
        for actor in self._actors.values():
            for tether in actor.tethers:
                os.close(tether.detach())  # which frames of the parent's may hold, and never let go of here

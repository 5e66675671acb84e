"""Names of actors, which the kernel counts: an actor ends when nobody is left who could call it.

A name holds the actor's *tether*, the writing end of a pipe whose reading end the node process keeps. It
travels as a reference does, nested in values, so each process that has the name, each value that
contains it and each message on its way has the descriptor open. When the last copy is closed, also by the
death of its process, the node reads the end of the file: the actor may go.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import ActorDiedError
from .._remote import ActorType
from ._values import TETHER, Blob, Ref, travels
from ._wire import Descriptor

if TYPE_CHECKING:
    from ._hub import Hub

__all__ = ["ActorName", "Terms", "new_tether", "tether_of"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What callers have to know of how an actor runs.

    Attributes
    ----------
    serial
        Whether it runs one call after the other.
    ordered
        Whether calls of one caller keep their order, also when the inputs of one are late.
    most_pending
        Calls that one process may have waiting; 0 or less for any number.
    retries
        Further attempts of a call whose process died; less than 0 for any number.
    restarts
        Whether it may start again.
    """

    serial: bool
    ordered: bool
    most_pending: int
    retries: int
    restarts: bool

    @classmethod
    def of(cls, actor: ActorType) -> "Terms":
        """Take them from an actor class with its options."""
        options, serial = actor.options, actor.is_serial
        return cls(
            serial,
            serial and not options.allow_out_of_order_execution,
            options.max_pending_calls,
            options.max_task_retries,
            options.max_restarts != 0,
        )


class ActorName:
    """An actor's identity in every process of the session.

    Attributes
    ----------
    id
        How its maker's id begins, and a number.
    cls_name
        For people.
    tether
        What keeps the actor alive. None in the actor's own process, which does not count, and where a
        name came from outside of the session's messages.
    """

    __slots__ = ("_engine", "cls_name", "id", "terms", "tether")

    def __init__(
        self,
        actor: bytes,
        cls_name: str,
        terms: Terms,
        tether: Ref[Any] | None,
        engine: "Hub | None" = None,
    ) -> None:
        self.id, self.cls_name, self.terms, self.tether = actor, cls_name, terms, tether
        self._engine = engine

    def __reduce__(self) -> tuple[Any, ...]:
        engine, tether = self._engine, self.tether
        if engine is not None and engine.over:
            raise ActorDiedError(self.cls_name, "it ended with its session")
        if engine is not None and tether is None:
            # Not kept: the actor's own process would hold its own tether, and so never end.
            tether = engine.tethers.get(self.id) or engine.another_tether(self.id)
        if engine is not None and tether is not None and not travels():
            # Nobody can tell where that pickle goes, so the actor is held for as long as this process lives.
            engine.pinned.append(tether)
            tether = None
        return _arrived, (self.id, self.cls_name, self.terms, tether)

    def check(self, engine: "Hub") -> None:
        """Raise `ActorDiedError` if it is of another session."""
        if self._engine is not None and self._engine is not engine:
            raise ActorDiedError(self.cls_name, "it ended with its session")

    def __repr__(self) -> str:
        return f"{self.cls_name}({self.id.hex()[-8:]})"


def _arrived(actor: bytes, cls_name: str, terms: Terms, tether: Ref[Any] | None) -> ActorName:
    engine: Any = None if tether is None else tether.engine
    if engine is not None:
        tether = engine.keep_tether(actor, tether)
    return ActorName(actor, cls_name, terms, tether, engine)


def new_tether() -> tuple[Descriptor, Descriptor]:
    """Make the two ends of an actor's tether: the one that the node reads, and the one that names hold."""
    reads, holds = os.pipe()
    return Descriptor(reads), Descriptor(holds)


def tether_of(ref: Ref[Any], end: Descriptor) -> Ref[Any]:
    """Make a fresh reference an actor's tether, which then travels like any other."""
    ref.blob = Blob(TETHER, end)
    return ref

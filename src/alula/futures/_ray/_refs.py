"""References to what Ray keeps: to values and to actors, and how both travel."""

import pickle
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import ray

from ...errors import ActorDiedError
from .._refs import ObjectRef

if TYPE_CHECKING:
    from ._engine import RayEngine

__all__ = ["NOT_PICKLED", "Origin", "RayActor", "RayRef", "here"]

T = TypeVar("T")

NOT_PICKLED = (TypeError, AttributeError, pickle.PicklingError, RecursionError)
"""What a pickler raises, depending on what it met."""


class _Here:
    """Ray is one per process, and so are the engine and the session that an arriving reference is of."""

    engine: "RayEngine"
    session = ""


here = _Here()


class Origin(NamedTuple):
    """Where a reference comes from: what an error message needs, and what tells sessions apart.

    Attributes
    ----------
    session
        The cluster and, after a slash, the driver; for a value of another session Ray may wait for ever.
    task
        The name of the task or method that makes the value, or of the actor's class.
    attempts
        How often at most that is tried.
    actor
        The name of the actor's class, if it is of an actor.
    """

    session: str
    task: str
    attempts: int = 1
    actor: str = ""


class RayRef(ObjectRef[T]):
    """A reference of Ray's.

    Attributes
    ----------
    raw
        Ray's own reference; as long as it lives, Ray keeps the value.
    origin
        Where it comes from.
    """

    __slots__ = ("origin", "raw")

    def __init__(self, raw: Any, origin: Origin) -> None:
        self.raw, self.origin = raw, origin

    @property
    def engine(self) -> "RayEngine":
        """The engine of this process."""
        return here.engine

    def binary(self) -> bytes:
        """Ray's identity of the value: 28 bytes."""
        identity: bytes = self.raw.binary()
        return identity

    def __reduce__(self) -> tuple[Any, ...]:
        # Ray's own pickler must see its reference, whoever pickles this: it counts the holders. Inside a
        # value of Ray's it lends the reference; outside (in a closure, say) it keeps the value for good.
        return _revive_ref, (ray.cloudpickle.dumps(self.raw), *self.origin)


class RayActor:
    """An actor of Ray's.

    Attributes
    ----------
    raw
        Ray's own handle; the actor ends when the last one is gone.
    session
        As of an `Origin`.
    cls
        The name of its class.
    groups
        The names of its concurrency groups.
    retries
        How often a call is tried again after a crash, if it does not say so itself.
    """

    __slots__ = ("cls", "groups", "raw", "retries", "session")

    def __init__(self, raw: Any, session: str, cls: str, groups: tuple[str, ...], retries: int) -> None:
        self.raw, self.session, self.cls, self.groups, self.retries = raw, session, cls, groups, retries

    def __reduce__(self) -> tuple[Any, ...]:
        if here.session not in ("", self.session):  # Ray would end this process
            raise ActorDiedError(self.cls, "it ended with its session")
        raw = ray.cloudpickle.dumps(self.raw)
        return _revive_actor, (raw, self.session, self.cls, self.groups, self.retries)


def _revive_ref(raw: bytes, session: str, *origin: Any) -> RayRef[Any]:
    return RayRef(ray.cloudpickle.loads(raw), Origin(_arrived(session), *origin))


def _revive_actor(raw: bytes, session: str, *rest: Any) -> RayActor:
    return RayActor(ray.cloudpickle.loads(raw), _arrived(session), *rest)


def _arrived(session: str) -> str:
    """What comes from another driver of this cluster is good here: Ray has just made it known."""
    same = session.partition("/")[0] == here.session.partition("/")[0]
    return here.session if same else session

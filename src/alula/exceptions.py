"""Ray's names of the errors, so that ``except ray.exceptions.GetTimeoutError`` goes on working."""

from .errors import (
    ActorAlreadyExistsError,
    ActorDiedError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    OwnerDiedError,
    TaskCancelledError,
    WorkerCrashedError,
)
from .errors import FutureError as RayError
from .errors import TaskError as RayTaskError

RayActorError = ActorDiedError

__all__ = [
    "ActorAlreadyExistsError",
    "ActorDiedError",
    "GetTimeoutError",
    "NodeDiedError",
    "ObjectLostError",
    "OwnerDiedError",
    "RayActorError",
    "RayError",
    "RayTaskError",
    "TaskCancelledError",
    "WorkerCrashedError",
]


def __getattr__(name: str) -> object:
    raise AttributeError(f"alula.exceptions has no {name!r}; it has {', '.join(__all__)}")

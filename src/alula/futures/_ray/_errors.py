"""Ray's errors in our words: the one place where they are translated.

Every class of ``ray.exceptions`` has a row in `_TRANSLATIONS`, its own or that of a class above it. Rows
stand by name, so that a class which only some versions of Ray have needs no import.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import ray

from ...errors import (
    ActorAlreadyExistsError,
    ActorDiedError,
    FutureError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    OwnerDiedError,
    TaskCancelledError,
    TaskError,
    WorkerCrashedError,
)
from .._errors import unpack_error
from ._refs import RayRef

__all__ = ["Raised", "Retry", "known_translation", "raised", "translate"]

_Row: TypeAlias = Callable[[Any, RayRef[Any]], BaseException]


class Raised(Exception):
    """What a user's code raised, on its way through Ray.

    Attributes
    ----------
    packed
        The error, as `pack_error` carries it.
    text
        For Ray's own messages.
    task_id
        Ray's name, in hexadecimal, of the task that raised. Who asks for another task's value and finds
        this error has met a task that was not run, because an input of it failed.
    """

    def __init__(self, packed: bytes, text: str, task_id: str) -> None:
        super().__init__(packed, text, task_id)
        self.packed, self.text, self.task_id = packed, text, task_id

    def __str__(self) -> str:
        return self.text


class Retry(Raised):
    """The same, after which Ray is to run the task again."""


def raised(packed: bytes, text: str, *, retry: bool = False) -> Raised:
    """Make, in the task that is to raise it, what carries an error through Ray."""
    return (Retry if retry else Raised)(packed, text, ray.get_runtime_context().get_task_id())


_MARK: Final = f"{Raised.__module__}.{Raised.__qualname__}: "  # stands before the text in a traceback


def translate(error: BaseException, ref: RayRef[Any]) -> BaseException:
    """Say in our words how the task behind a reference failed.

    Parameters
    ----------
    error
        Any error of Ray's.
    ref
        The reference whose value was asked for; errors that know no name of their own get it from here.

    Returns
    -------
    BaseException
        With Ray's error as its ``__cause__``, unless it is a `TaskError`, whose cause is the user's.
    """
    row = known_translation(type(error)) or _other
    ours = row(error, ref)
    if ours.__cause__ is None:
        ours.__cause__ = error
    return ours


def known_translation(cls: type[BaseException]) -> _Row | None:
    """Give the row for a class of errors, if there is one."""
    return next((_TRANSLATIONS[c.__name__] for c in cls.__mro__ if c.__name__ in _TRANSLATIONS), None)


def _task(error: Any, ref: RayRef[Any]) -> BaseException:
    cause = error.cause
    if isinstance(cause, Raised):
        ours = unpack_error(cause.packed)
        if cause.task_id != ref.raw.task_id().hex():
            _note_input(ours, ref)
        return ours
    if known_translation(type(cause)) is not None:  # an input of the task had failed in Ray's own way
        ours = translate(cause, ref)
        if not isinstance(ours, TaskCancelledError):
            _note_input(ours, ref)
        return ours
    # What Ray itself met while it ran the task, such as a result that cannot be pickled.
    return TaskError.of(cause, task=ref.origin.task, remote_traceback=_traceback(error))


def _note_input(error: BaseException, ref: RayRef[Any]) -> None:
    error.add_note(f"{ref.origin.task} was not run: this input of it could not be computed")


def _traceback(error: Any) -> str:
    return str(getattr(error, "traceback_str", error))


def _crashed(how: str) -> _Row:
    return lambda error, ref: WorkerCrashedError(ref.origin.task, ref.origin.attempts, how)


def _actor_died(error: Any, ref: RayRef[Any]) -> BaseException:
    text = str(error)
    actor = ref.origin.task.rpartition(".")[0]
    if getattr(error, "actor_init_failed", False):
        # The text is all that is left: Ray drops the error itself.
        return ActorDiedError(actor, "its __init__ raised " + text.rpartition(_MARK)[2])
    found = re.search(r"The actor is dead because (.+?)\.(\s|$)", text)
    return ActorDiedError(actor, found[1] if found else text)


def _actor_unavailable(error: Any, ref: RayRef[Any]) -> BaseException:
    why = "it cannot be reached now, and the call may or may not have run"
    return ActorDiedError(ref.origin.task.rpartition(".")[0], why)


def _lost(error: Any, ref: RayRef[Any]) -> BaseException:
    return ObjectLostError(repr(ref), str(error).partition("\n")[0])


def _gone(error: Any, ref: RayRef[Any]) -> BaseException:
    return NodeDiedError(str(error).partition("\n")[0])


def _other(error: Any, ref: RayRef[Any]) -> BaseException:
    return FutureError(f"{ref.origin.task}: {type(error).__name__}: {error}")


_TRANSLATIONS: Final[Mapping[str, _Row]] = {
    "RayTaskError": _task,
    "TaskCancelledError": lambda error, ref: TaskCancelledError(ref.origin.task),
    "GetTimeoutError": lambda error, ref: GetTimeoutError(ref.origin.task, 0),
    # A process or a machine is gone.
    "WorkerCrashedError": _crashed("died"),
    "OutOfMemoryError": _crashed("was ended because the machine ran out of memory"),
    "NodeDiedError": _crashed("was lost with its machine"),
    "LocalRayletDiedError": _gone,
    "RpcError": _gone,
    "AuthenticationError": _gone,
    "RaySystemError": _lost,
    # An actor.
    "RayActorError": _actor_died,
    "ActorUnavailableError": _actor_unavailable,
    "ActorHandleNotFoundError": _actor_died,
    "ActorAlreadyExistsError": lambda error, ref: ActorAlreadyExistsError(ref.origin.task),
    # A value.
    "ObjectLostError": _lost,
    "OwnerDiedError": lambda error, ref: OwnerDiedError(repr(ref)),
    # What has no class of ours: rare, or of features that are not used here.
    **dict.fromkeys(
        (
            "ActorPlacementGroupRemoved",
            "ActorUnschedulableError",
            "AsyncioActorExit",
            "CrossLanguageError",
            "ObjectRefStreamEndOfStreamError",
            "ObjectStoreFullError",
            "OufOfBandObjectRefSerializationException",
            "OutOfDiskError",
            "PendingCallsLimitExceeded",
            "PlasmaObjectNotAvailable",
            "RayCgraphCapacityExceeded",
            "RayChannelError",
            "RayDirectTransportError",
            "RuntimeEnvSetupError",
            "StreamingGeneratorReplayInconsistentError",
            "TaskPlacementGroupRemoved",
            "TaskUnschedulableError",
            "UnserializableException",
            "UserCodeException",
        ),
        _other,
    ),
}

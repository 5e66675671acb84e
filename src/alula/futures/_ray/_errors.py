"""Ray's errors in our words: the one place where they are translated.

Every class of ``ray.exceptions`` has a row in `_TRANSLATIONS`, its own or that of a class above it. Rows
stand by name, so that a class which only some versions of Ray have needs no import.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeAlias

import ray

from ...errors import (
    ActorAlreadyExistsError,
    ActorDiedError,
    ActorUnavailableError,
    ActorUnschedulableError,
    EngineError,
    FutureError,
    GetTimeoutError,
    NodeDiedError,
    ObjectFetchTimedOutError,
    ObjectFreedError,
    ObjectLostError,
    ObjectReconstructionFailedError,
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    OwnerDiedError,
    PendingCallsLimitExceeded,
    ReferenceCountingAssertionError,
    RuntimeEnvSetupError,
    StreamingGeneratorReplayInconsistentError,
    TaskCancelledError,
    TaskError,
    TaskUnschedulableError,
    UnserializableException,
    WorkerCrashedError,
)
from .._errors import unpack_error
from ._refs import Origin, RayRef

__all__ = ["Raised", "Retry", "in_our_words", "known_translation", "raised", "translate"]

_Row: TypeAlias = Callable[[Any, "_About"], BaseException]


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


class _About(NamedTuple):
    """What an error is about.

    Attributes
    ----------
    origin
        What was called, or is to be.
    value
        The reference that was asked for, as people see it; without one, the name of the task.
    task_id
        Ray's name of the task that makes the value, in hexadecimal, if there is one.
    """

    origin: Origin
    value: str
    task_id: str | None


def translate(error: BaseException, of: RayRef[Any] | Origin) -> BaseException:
    """Say in our words how a task failed, or a call of Ray's.

    Parameters
    ----------
    error
        Any error of Ray's.
    of
        The reference whose value was asked for, or what was called and gave none. Errors that know no
        name of their own get it from here.

    Returns
    -------
    BaseException
        With Ray's error as its ``__cause__``, unless it is a `TaskError`, whose cause is the user's.
    """
    row = known_translation(type(error)) or _other
    ours = row(error, _about(of))
    if ours.__cause__ is None:
        ours.__cause__ = error
    return ours


@contextmanager
def in_our_words(of: Origin) -> Iterator[None]:
    """Translate what a call of Ray's raises that gives no value."""
    try:
        yield
    except ray.exceptions.RayError as error:
        ours = translate(error, of)
        raise ours from ours.__cause__


def _about(of: RayRef[Any] | Origin) -> _About:
    if isinstance(of, RayRef):
        return _About(of.origin, repr(of), of.raw.task_id().hex())
    return _About(of, of.task, None)


def known_translation(cls: type[BaseException]) -> _Row | None:
    """Give the row for a class of errors, if there is one."""
    return next((_TRANSLATIONS[c.__name__] for c in cls.__mro__ if c.__name__ in _TRANSLATIONS), None)


# ------------------------------------------------------------------------------------------- a task


def _task(error: Any, about: _About) -> BaseException:
    cause = error.cause
    if isinstance(cause, Raised):
        ours = unpack_error(cause.packed)
        if cause.task_id != about.task_id:
            _note_input(ours, about)
        return ours
    if known_translation(type(cause)) is not None:  # an input of the task had failed in Ray's own way
        ours = translate(cause, about.origin)
        if not isinstance(ours, TaskCancelledError):
            _note_input(ours, about)
        return ours
    # What Ray itself met while it ran the task, such as a result that cannot be pickled.
    return TaskError.of(cause, task=about.origin.task, remote_traceback=_traceback(error))


def _note_input(error: BaseException, about: _About) -> None:
    error.add_note(f"{about.origin.task} was not run: this input of it could not be computed")


def _traceback(error: Any) -> str:
    return str(getattr(error, "traceback_str", error))


def _crashed(how: str) -> _Row:
    return lambda error, about: WorkerCrashedError(about.origin.task, about.origin.attempts, how)


def _named(make: Callable[[str, str], BaseException]) -> _Row:
    """Give the row of an error that takes the name of a task, and Ray's words on what happened."""
    return lambda error, about: make(about.origin.task, _first_line(error))


def _first_line(error: Any) -> str:
    text = getattr(error, "error_message", None) or str(error)
    return str(text).strip().partition("\n")[0].partition(" lease_id=")[0].rstrip(".")


def _whole(error: Any) -> str:
    return str(getattr(error, "error_message", None) or error).strip()


# ------------------------------------------------------------------------------------------ an actor


def _actor_died(error: Any, about: _About) -> BaseException:
    text, actor = str(error), about.origin.actor
    if getattr(error, "actor_init_failed", False):
        # The text is all that is left: Ray drops the error itself.
        return ActorDiedError(actor, "its __init__ raised " + text.rpartition(_MARK)[2])
    found = re.search(r"The actor (?:is dead|died) because (.+?)\.(\s|$)", text)
    return ActorDiedError(actor, found[1] if found else text)


def _actor_unavailable(error: Any, about: _About) -> BaseException:
    found = re.search(r"is unavailable: (.+?)\. The task may", str(error), re.DOTALL)
    return ActorUnavailableError(about.origin.actor, found[1] if found else str(error))


def _too_many_calls(error: Any, about: _About) -> BaseException:
    found = re.search(r"more than (\d+) tasks", str(error))
    return PendingCallsLimitExceeded(about.origin.actor, int(found[1]) if found else 0)


# ------------------------------------------------------------------------------------------- a value

_WHY_NOT_AGAIN: Final[Mapping[str, str]] = {
    "MAX_ATTEMPTS_EXCEEDED": "its task has no attempts left: max_retries= allows more",
    "LINEAGE_EVICTED": "how to compute it was forgotten to save memory",
    "PUT": "it was put, and no task makes it: let a task return it instead",
    "RETRIES_DISABLED": "its task has max_retries=0, or is a call of an actor with max_task_retries=0",
    "BORROWED": "only the process that submitted its task could do so",
    "REF_NOT_FOUND": "the engine has forgotten it, which is a fault in the engine",
    "TASK_CANCELLED": "its task was cancelled",
    "LINEAGE_DISABLED": "the cluster is told not to compute values again",
}


def _not_again(error: Any, about: _About) -> BaseException:
    name = ray.exceptions.ErrorType.Name(error.reason) if error.reason else ""
    why = _WHY_NOT_AGAIN.get(name.removeprefix("OBJECT_UNRECONSTRUCTABLE_"))
    return ObjectReconstructionFailedError(about.value, why or str(error.reason_message))


def _system(error: Any, about: _About) -> BaseException:
    """What Ray calls an error of its own; among them, a value that raises when it is unpickled."""
    if error.traceback_str:
        return ObjectLostError(about.value, f"it cannot be unpickled here: {error.client_exc}")
    return EngineError(about.origin.task, str(error.client_exc))


def _gone(error: Any, about: _About) -> BaseException:
    return NodeDiedError(_first_line(error))


def _other(error: Any, about: _About) -> BaseException:
    return FutureError(f"{about.origin.task}: {type(error).__name__}: {error}")


_REMOVED: Final = "its placement group was removed"

_TRANSLATIONS: Final[Mapping[str, _Row]] = {
    "RayTaskError": _task,
    "TaskCancelledError": lambda error, about: TaskCancelledError(about.origin.task),
    "TaskUnschedulableError": _named(TaskUnschedulableError),
    "TaskPlacementGroupRemoved": lambda error, about: TaskUnschedulableError(about.origin.task, _REMOVED),
    "RuntimeEnvSetupError": lambda error, about: RuntimeEnvSetupError(about.origin.task, _whole(error)),
    "UnserializableException": lambda error, about: UnserializableException(about.origin.task, _whole(error)),
    "GetTimeoutError": lambda error, about: GetTimeoutError(about.origin.task, 0),
    # A process or a machine is gone.
    "WorkerCrashedError": _crashed("died"),
    "OutOfMemoryError": lambda error, about: OutOfMemoryError(about.origin.task, about.origin.attempts),
    "NodeDiedError": _crashed("was lost with its machine"),
    "LocalRayletDiedError": _gone,
    "RpcError": _gone,
    "AuthenticationError": _gone,
    # An actor.
    "RayActorError": _actor_died,
    "ActorUnavailableError": _actor_unavailable,
    "ActorHandleNotFoundError": _actor_died,
    "ActorAlreadyExistsError": lambda error, about: ActorAlreadyExistsError(about.origin.task),
    "ActorUnschedulableError": lambda error, about: ActorUnschedulableError(
        about.origin.actor, _first_line(error)
    ),
    "ActorPlacementGroupRemoved": lambda error, about: ActorUnschedulableError(about.origin.actor, _REMOVED),
    "PendingCallsLimitExceeded": _too_many_calls,
    # A value.
    "ObjectLostError": lambda error, about: ObjectLostError(about.value, "all machines that had it are gone"),
    "OwnerDiedError": lambda error, about: OwnerDiedError(about.value),
    "ObjectReconstructionFailedError": _not_again,
    "ObjectFetchTimedOutError": lambda error, about: ObjectFetchTimedOutError(about.value),
    "ObjectFreedError": lambda error, about: ObjectFreedError(about.value),
    "ReferenceCountingAssertionError": lambda error, about: ReferenceCountingAssertionError(about.value),
    "ObjectStoreFullError": lambda error, about: ObjectStoreFullError(about.value, _first_line(error)),
    "OutOfDiskError": lambda error, about: OutOfDiskError(about.value, _first_line(error)),
    "StreamingGeneratorReplayInconsistentError": _named(StreamingGeneratorReplayInconsistentError),
    # Ray itself.
    "RaySystemError": _system,
    **dict.fromkeys(("RayChannelError", "RayCgraphCapacityExceeded"), _named(EngineError)),
    # What has no class of ours: what Ray raises and catches itself, or of features that are not used here.
    **dict.fromkeys(
        (
            "AsyncioActorExit",
            "CrossLanguageError",
            "ObjectRefStreamEndOfStreamError",
            "OufOfBandObjectRefSerializationException",
            "PlasmaObjectNotAvailable",
            "RayDirectTransportError",
            "UserCodeException",
        ),
        _other,
    ),
}

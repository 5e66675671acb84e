"""Ray's errors arrive as ours."""

from typing import Any

import pytest

import alula
from alula.errors import (
    ActorAlreadyExistsError,
    ActorDiedError,
    ActorUnavailableError,
    ActorUnschedulableError,
    AlulaError,
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
    TaskUnschedulableError,
    UnserializableException,
    WorkerCrashedError,
)
from alula.futures import Engine

pytestmark = pytest.mark.usefixtures("ray_is_installed")

LOST = ("00" * 28, None, "")  # what Ray's errors about values are made of


def ray_errors() -> list[type[BaseException]]:
    from ray import exceptions

    found = vars(exceptions).values()
    return [c for c in found if isinstance(c, type) and issubclass(c, exceptions.RayError)]


def test_every_error_of_ray_has_a_translation() -> None:
    from alula.futures._ray._errors import known_translation

    missing = [c.__name__ for c in ray_errors() if known_translation(c) is None and c.__name__ != "RayError"]
    assert missing == []
    assert len(ray_errors()) > 30


@pytest.mark.parametrize(
    ("name", "args", "ours"),
    [
        ("WorkerCrashedError", (), WorkerCrashedError),
        ("OutOfMemoryError", ("full",), OutOfMemoryError),
        ("NodeDiedError", ("unplugged",), WorkerCrashedError),
        ("LocalRayletDiedError", (), NodeDiedError),
        ("RpcError", ("no answer",), NodeDiedError),
        ("TaskCancelledError", (), TaskCancelledError),
        ("TaskUnschedulableError", ("no such node",), TaskUnschedulableError),
        ("TaskPlacementGroupRemoved", (), TaskUnschedulableError),
        ("RuntimeEnvSetupError", ("no such package",), RuntimeEnvSetupError),
        ("UnserializableException", ("Traceback",), UnserializableException),
        ("GetTimeoutError", ("late",), GetTimeoutError),
        ("ActorDiedError", (), ActorDiedError),
        ("RayActorError", (), ActorDiedError),
        ("ActorUnavailableError", ("away", None), ActorUnavailableError),
        ("ActorUnschedulableError", ("no such node",), ActorUnschedulableError),
        ("ActorPlacementGroupRemoved", (), ActorUnschedulableError),
        ("ActorAlreadyExistsError", ("taken",), ActorAlreadyExistsError),
        ("PendingCallsLimitExceeded", ("because more than 2 tasks",), PendingCallsLimitExceeded),
        ("ObjectLostError", LOST, ObjectLostError),
        ("ObjectFreedError", LOST, ObjectFreedError),
        ("ObjectFetchTimedOutError", LOST, ObjectFetchTimedOutError),
        ("ObjectReconstructionFailedError", LOST[:1], ObjectReconstructionFailedError),
        ("ReferenceCountingAssertionError", LOST, ReferenceCountingAssertionError),
        ("OwnerDiedError", LOST, OwnerDiedError),
        ("ObjectStoreFullError", ("full",), ObjectStoreFullError),
        ("OutOfDiskError", ("full",), OutOfDiskError),
        ("RaySystemError", (ValueError("broken"), "Traceback"), ObjectLostError),
        ("RaySystemError", (ValueError("broken"),), EngineError),
        ("RayChannelTimeoutError", (ValueError("broken"),), EngineError),
        (
            "StreamingGeneratorReplayInconsistentError",
            ("3, not 4",),
            StreamingGeneratorReplayInconsistentError,
        ),
        ("CrossLanguageError", (None,), FutureError),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_an_error_of_ray_becomes_ours_and_is_its_cause(
    engine: Engine, name: str, args: tuple[Any, ...], ours: type[AlulaError]
) -> None:
    import ray.exceptions

    from alula.futures._ray._errors import translate
    from alula.futures._ray._refs import RayRef

    ref = alula.put(1)
    assert isinstance(ref, RayRef)
    cls = getattr(ray.exceptions, name)
    theirs = cls.__new__(cls) if args == (None,) else cls(*args)
    error = translate(theirs, ref)
    assert type(error) is ours
    assert error.__cause__ is theirs


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("PUT", "it was put"),
        ("MAX_ATTEMPTS_EXCEEDED", "no attempts left"),
        ("RETRIES_DISABLED", "max_retries=0"),
        ("BORROWED", "only the process that submitted"),
    ],
)
def test_why_a_value_cannot_be_computed_again_is_said(engine: Engine, reason: str, why: str) -> None:
    from ray.exceptions import ErrorType
    from ray.exceptions import ObjectReconstructionFailedError as Theirs

    from alula.futures._ray._errors import translate

    number = ErrorType.Value(f"OBJECT_UNRECONSTRUCTABLE_{reason}")
    error = translate(Theirs("00" * 28, number), alula.put(1))  # type: ignore[arg-type]  # a RayRef, as the engine is Ray
    assert why in str(error)


def test_what_fails_as_it_is_called_fails_in_our_words(engine: Engine) -> None:
    class Late:
        def wait(self, value: int) -> int:
            return value

    late = alula.remote(Late).options(max_pending_calls=2).remote()
    promise, settle = engine.promise()
    refs = [late.wait.remote(promise) for _ in range(2)]
    with pytest.raises(PendingCallsLimitExceeded, match="2 calls") as caught:
        late.wait.remote(3)
    assert (caught.value.limit, caught.value.actor[-4:]) == (2, "Late")
    settle(alula.graph.Done(1))
    assert alula.get(refs) == [1, 1]


def test_an_unknown_error_of_ray_is_still_one_of_ours(engine: Engine) -> None:
    import ray.exceptions

    from alula.futures._ray._errors import translate

    class Brand(ray.exceptions.RayError):  # type: ignore[misc]  # Ray is not type-checked here
        pass

    error = translate(Brand("new"), alula.put(1))  # type: ignore[arg-type]  # a RayRef, as the engine is Ray
    assert type(error) is FutureError
    assert "Brand: new" in str(error)


def test_a_value_that_cannot_be_unpickled_is_lost(engine: Engine) -> None:
    class Broken:
        def __reduce__(self) -> tuple[Any, ...]:
            return (int, ("no number",))

    with pytest.raises(ObjectLostError, match="no number"):
        alula.get(alula.remote(lambda: Broken()).remote())

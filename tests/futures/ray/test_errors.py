"""Ray's errors arrive as ours."""

import inspect
from typing import Any

import pytest

import alula
from alula import errors, exceptions
from alula.errors import AlulaError, FutureError, NodeDiedError, ObjectLostError, PendingCallsLimitExceeded
from alula.futures import Engine

pytestmark = pytest.mark.usefixtures("ray_is_installed")

TEXTS = ("00" * 28, "no such thing", "")  # what Ray's errors are made of, as far as they take texts

OTHERWISE = {
    "NodeDiedError": "WorkerCrashedError",  # a task's; ours is of the session itself
    "ActorPlacementGroupRemoved": "ActorUnschedulableError",
    "RayActorError": "ActorDiedError",
    "RayChannelTimeoutError": "EngineError",
    "RpcError": "NodeDiedError",
    "TaskPlacementGroupRemoved": "TaskUnschedulableError",
    "CrossLanguageError": "FutureError",
}
"""The names of ours for errors of Ray's of which there is none of the same name, or in another sense."""


def ray_errors() -> list[type[BaseException]]:
    from ray import exceptions

    found = vars(exceptions).values()
    return [c for c in found if isinstance(c, type) and issubclass(c, exceptions.RayError)]


def test_every_error_of_ray_has_a_translation() -> None:
    from alula.futures._ray._errors import known_translation

    missing = [c.__name__ for c in ray_errors() if known_translation(c) is None and c.__name__ != "RayError"]
    assert missing == []
    assert len(ray_errors()) > 30


def made(cls: type[BaseException]) -> BaseException:
    """Make an error of Ray's as Ray does, as far as that matters: with texts, if it takes any."""
    name = cls.__name__
    if name in ("RaySystemError", "RayChannelTimeoutError"):
        return cls(ValueError("broken"))
    if name == "ActorUnavailableError":
        return cls("away", None)
    if name in ("ActorDiedError", "RayActorError", "CrossLanguageError"):  # they take objects of Ray's
        return cls() if name != "CrossLanguageError" else cls.__new__(cls)
    wanted = [
        each
        for each in list(inspect.signature(cls.__init__).parameters.values())[1:]
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    return cls(*TEXTS[: len(wanted)])


@pytest.mark.parametrize("name", sorted({*exceptions.__all__, *OTHERWISE} - {"RayError", "RayTaskError"}))
def test_an_error_of_ray_becomes_ours_of_its_name_and_is_its_cause(engine: Engine, name: str) -> None:
    import ray.exceptions

    from alula.futures._ray._errors import translate
    from alula.futures._ray._refs import RayRef

    ref = alula.put(1)
    assert isinstance(ref, RayRef)
    theirs = made(getattr(ray.exceptions, name))
    error = translate(theirs, ref)
    ours: type[AlulaError] = getattr(errors, OTHERWISE.get(name, ""), None) or getattr(exceptions, name)
    assert type(error) is ours
    assert error.__cause__ is theirs


def test_a_value_that_ray_cannot_unpickle_is_lost(engine: Engine) -> None:
    import ray.exceptions

    from alula.futures._ray._errors import translate

    theirs = ray.exceptions.RaySystemError(ValueError("broken"), "Traceback")
    error = translate(theirs, alula.put(1))  # type: ignore[arg-type]  # a RayRef, as the engine is Ray
    assert (type(error), error.__cause__) == (ObjectLostError, theirs)


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


@pytest.mark.parametrize(
    ("theirs", "call"),
    [
        ("wait", lambda ref: alula.wait([ref])),
        ("wait", alula.cancel),
        ("kill", lambda ref: alula.kill(alula.remote(type("Idle", (), {})).remote())),
        ("nodes", lambda ref: alula.nodes()),
        ("timeline", lambda ref: alula.timeline()),
    ],
    ids=["wait", "cancel", "kill", "nodes", "timeline"],
)
def test_a_call_that_gives_no_value_fails_in_our_words(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, theirs: str, call: Any
) -> None:
    """No test can break Ray at that very moment, so the call of Ray's is what breaks."""
    import ray.exceptions

    def broken(*args: Any, **kwargs: Any) -> None:
        raise ray.exceptions.RpcError("no answer")

    ref = alula.put(1)
    monkeypatch.setattr(ray, theirs, broken)
    with pytest.raises(NodeDiedError) as caught:
        call(ref)
    assert isinstance(caught.value.__cause__, ray.exceptions.RpcError)

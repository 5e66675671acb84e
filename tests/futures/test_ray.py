"""What only the Ray adapter has to do: translate, start quietly, leave nothing, tell sessions apart."""

import gc
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
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
    TaskError,
    TaskUnschedulableError,
    UnserializableException,
    WorkerCrashedError,
)
from alula.futures import ActorHandle, Engine, current

pytestmark = pytest.mark.usefixtures("ray_is_installed")

LOST = ("00" * 28, None, "")  # what Ray's errors about values are made of
MARK = "TEST_OF_THE_RAY_ENGINE"  # in the environment of every process that a script starts


@pytest.fixture(scope="module")
def engine(ray_is_installed: None) -> Iterator[Engine]:
    alula.init(engine="ray", num_cpus=2)
    yield current()
    alula.shutdown()


TELL = """
import json, os
def tell(answer):
    with open(os.environ["ANSWER"], "w") as file:
        json.dump(answer, file)
"""


@dataclass
class Done:
    """What came of a program; its answer is what it gave to `tell`."""

    returncode: int
    stdout: str
    stderr: str
    answer: Any


def script(code: str, mark: str = "", **environment: str) -> Done:
    """Run a program with a Ray of its own.

    Its answer comes by a file, for Ray writes to the output of a program whenever it has something to say:
    that a worker died, for example.
    """
    # `os.environ` may hold what Ray set for this process.
    clean = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    with tempfile.NamedTemporaryFile("r") as file:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", TELL + textwrap.dedent(code)],
            env={**clean, MARK: mark, "ANSWER": file.name, **environment},
            text=True,
            capture_output=True,
            timeout=55,
            check=False,
        )
        text = file.read()
    return Done(done.returncode, done.stdout, done.stderr, json.loads(text) if text else None)


def answer(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return done.answer


def alive(mark: str) -> list[str]:
    """Give the command lines of living processes that have the mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended meanwhile
            continue
    return found


# ------------------------------------------------------------------------------------------- errors


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


# -------------------------------------------------------------------------------------- in a worker


def test_a_task_finds_the_engine_that_runs_it(engine: Engine) -> None:
    @alula.remote
    def look() -> tuple[str, bool]:
        with pytest.raises(RuntimeError, match="initialised already"):
            alula.init()
        return current().name, alula.is_initialized()

    assert alula.get(look.remote()) == ("ray", True)


def test_a_reference_in_a_closure_is_kept(engine: Engine) -> None:
    def capturing() -> Any:
        ref = alula.put("captured")
        return alula.remote(lambda: alula.get(ref))

    task = capturing()
    gc.collect()
    assert [alula.get(task.remote()) for _ in range(2)] == ["captured"] * 2


def test_a_reference_and_a_handle_survive_any_pickler(engine: Engine) -> None:
    class Keeper:
        def keep(self, packed: bytes) -> Any:
            self.ref = cloudpickle.loads(packed)
            return alula.get(self.ref)

    keeper = alula.remote(Keeper).remote()
    again = cloudpickle.loads(cloudpickle.dumps(keeper))
    assert isinstance(again, ActorHandle)
    assert alula.get(again.keep.remote(cloudpickle.dumps(alula.put(7)))) == 7


def test_an_actor_that_nobody_described_describes_itself(engine: Engine) -> None:
    from ray.experimental import internal_kv

    class Found:
        def here(self) -> bool:
            return True

    found = alula.remote(Found).options(name="undescribed").remote()
    assert internal_kv._internal_kv_del(found._actor.raw._actor_id.binary(), namespace=b"alula")
    assert alula.get(alula.get_actor("undescribed").here.remote()) is True


def test_tasks_and_actors_have_their_names_in_ray(engine: Engine) -> None:
    import ray

    class Named:
        def name(self) -> Any:
            return ray.get_runtime_context().get_task_name()

    task = alula.remote(Named.name).options(name="chosen")
    assert alula.get(task.remote(None)) == "chosen"
    assert alula.get(alula.remote(Named).remote().name.remote()).endswith("Named.name")


def test_one_who_is_told_and_fails_does_not_silence_the_others(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda hooked: seen.append(hooked.exc_value))
    fault = RuntimeError("told and failed")

    def fail(error: BaseException | None) -> None:
        raise fault

    ref = alula.put(1)
    engine.watch(ref, fail)
    assert ref.future().result(30) == 1
    assert seen == [fault]


def test_a_task_that_must_not_be_retried_has_one_attempt(engine: Engine) -> None:
    with pytest.raises(WorkerCrashedError) as caught:
        alula.get(alula.remote(max_retries=0)(lambda: os._exit(1)).remote())
    assert caught.value.attempts == 1
    assert type(caught.value.__cause__).__name__ == "WorkerCrashedError"


def test_the_trace_of_an_error_has_no_frames_of_ray(engine: Engine) -> None:
    with pytest.raises(TaskError) as caught:
        alula.get(alula.remote(lambda: 1 / 0).remote())
    assert "site-packages/ray/" not in caught.value.remote_traceback
    assert "_raylet" not in caught.value.remote_traceback


# ----------------------------------------------------------------------------------------- sessions


def test_it_starts_quietly_and_leaves_nothing() -> None:
    done = script(
        """
        import os, alula
        alula.init(engine="ray", num_cpus=1)
        telemetry = alula.remote(lambda: os.environ["RAY_USAGE_STATS_ENABLED"])
        inside = alula.get(telemetry.remote())
        alula.shutdown()
        tell([inside, os.environ.get("RAY_USAGE_STATS_ENABLED")])
        """,
        mark="quiet",
    )
    assert answer(done) == ["0", None]
    assert (done.stderr, done.stdout) == ("", "")
    assert alive("quiet") == []


def test_a_session_that_has_ended_gives_nothing_and_starts_nothing() -> None:
    done = script(
        """
        import ray, alula
        from alula.futures import current

        def tried(call):
            try:
                return repr(call())
            except Exception as error:
                return type(error).__name__

        echo = alula.remote(lambda x: x)
        class Actor:
            def live(self): pass
        def session():
            alula.init(engine="ray", num_cpus=1)
            return current()
        old, told = session(), []
        ref, result, actor = alula.put(1), echo.remote(2), alula.remote(Actor).remote()
        promise, settle = old.promise()
        old.watch(promise, lambda error: told.append(type(error).__name__))
        alula.shutdown()
        after = [tried(call) for call in (lambda: alula.get(ref), result.future, old.promise)]
        after += told + [ray.is_initialized()]
        session()
        later = [tried(call) for call in (
            lambda: alula.get(ref), lambda: alula.wait([result]), result.future, lambda: echo.remote(ref),
            lambda: echo.remote([ref]), lambda: alula.cancel(result), actor.live.remote,
            lambda: alula.kill(actor), lambda: settle(alula.graph.Done(1)), lambda: alula.get(echo.remote(3)),
        )]
        alula.shutdown()
        tell([after, later])
        """
    )
    after, later = answer(done)
    assert after == ["NodeDiedError"] * 4 + [False]
    assert later == ["ObjectLostError"] * 6 + ["ActorDiedError"] * 2 + ["None", "3"]


def test_a_ray_that_runs_already_is_used_and_left_running() -> None:
    done = script(
        """
        import logging, os, ray, alula
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level=logging.ERROR)
        try:
            alula.init(engine="ray", num_cpus=2)
        except alula.errors.SettingError as error:
            refused = error.setting
        alula.init(engine="ray")
        value = alula.get(alula.remote(lambda: 7).remote())
        alula.shutdown()
        left = ray.get(ray.remote(lambda: 8).remote())
        ray.shutdown(wait_for_processes=True)
        tell([refused, value, left])
        """
    )
    assert answer(done) == ["num_cpus", 7, 8]


def test_a_cluster_is_joined_and_stays_up(engine: Engine) -> None:
    import ray

    class Shared:
        def greet(self, name: str) -> str:
            return f"hello {name}"

        def exchange(self, refs: list[Any]) -> list[Any]:
            return [alula.put(alula.get(refs[0]) + 1)]

    shared = alula.remote(Shared).options(name="shared", namespace="both").remote()
    done = script(
        """
        import alula
        alula.init(engine="ray", namespace="both")
        shared = alula.get_actor("shared")
        value = alula.get(shared.greet.remote("from afar"))
        [ref] = alula.get(shared.exchange.remote([alula.put(6)]))
        seven = alula.get(ref)
        alula.shutdown()
        tell([value, seven])
        """,
        ALULA_ADDRESS=ray.get_runtime_context().gcs_address,
        RAY_AUTH_MODE="token",  # as Ray starts by default, and asks of whoever joins
    )
    assert answer(done) == ["hello from afar", 7]
    assert alula.get(shared.greet.remote("again")) == "hello again"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999"])
def test_where_nobody_listens_is_said_at_once(address: str) -> None:
    done = script(
        f"""
        import alula
        try:
            alula.init({address!r}, engine="ray")
        except ConnectionError as error:
            tell(str(error))
        """
    )
    assert address in answer(done)


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"address": "ray://127.0.0.1:1"}, "address"),
        ({"address": "nonsense"}, "address"),
        ({"address": "127.0.0.1:1", "num_cpus": 2}, "num_cpus"),
        ({"address": "127.0.0.1:1", "resources": {"tpu": 1}}, "resources"),
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_refused(given: dict[str, Any], setting: str) -> None:
    done = script(
        f"""
        import alula
        try:
            alula.init(engine="ray", **{given!r})
        except alula.errors.SettingError as error:
            tell(error.setting)
        """
    )
    assert answer(done) == setting


def test_gates_are_passed_in_the_workers() -> None:
    done = script(
        """
        import alula
        alula.init(engine="ray", num_cpus=1)
        try:
            alula.get(alula.remote(max_retries=0)(lambda: 1).remote())
        except alula.errors.WorkerCrashedError as error:
            tell(error.attempts)
        alula.shutdown()
        """,
        ALULA_FAULTS="task.finished=kill@1",
    )
    assert answer(done) == 1


def test_without_ray_the_error_says_how_to_get_it() -> None:
    done = script(
        """
        import sys
        sys.modules["ray"] = None
        import alula
        try:
            alula.init(engine="ray")
        except alula.errors.MissingExtraError as error:
            tell(str(error))
        """
    )
    assert "pip install 'alula[ray]'" in answer(done)


def test_importing_alula_does_not_import_ray() -> None:
    done = script("import sys, alula.futures; tell('ray' in sys.modules)")
    assert answer(done) is False

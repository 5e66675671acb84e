"""What only the Ray adapter has to do: translate, start quietly, leave nothing, tell sessions apart."""

import gc
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import alula
from alula.errors import (
    ActorDiedError,
    AlulaError,
    FutureError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    OwnerDiedError,
    TaskCancelledError,
    TaskError,
    WorkerCrashedError,
)
from alula.futures import ActorHandle, Engine, current

pytestmark = pytest.mark.usefixtures("ray_is_installed")

MARK = "TEST_OF_THE_RAY_ENGINE"  # in the environment of every process that a script starts


@pytest.fixture(scope="module")
def engine(ray_is_installed: None) -> Iterator[Engine]:
    alula.init(engine="ray", num_cpus=2)
    yield current()
    alula.shutdown()


def script(code: str, mark: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a program with a Ray of its own; its last line of output is JSON."""
    # `os.environ` may hold what Ray set for this process.
    clean = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env={**clean, MARK: mark, **environment},
        text=True,
        capture_output=True,
        timeout=55,
        check=False,
    )


def answer(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


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
        ("OutOfMemoryError", ("full",), WorkerCrashedError),
        ("NodeDiedError", ("unplugged",), WorkerCrashedError),
        ("LocalRayletDiedError", (), NodeDiedError),
        ("TaskCancelledError", (), TaskCancelledError),
        ("GetTimeoutError", ("late",), GetTimeoutError),
        ("ActorDiedError", (), ActorDiedError),
        ("ActorUnavailableError", ("away", None), ActorDiedError),
        ("ObjectLostError", ("00" * 28, None, ""), ObjectLostError),
        ("ObjectFreedError", ("00" * 28, None, ""), ObjectLostError),
        ("OwnerDiedError", ("00" * 28, None, ""), OwnerDiedError),
        ("RaySystemError", (ValueError("broken"),), ObjectLostError),
        ("ObjectStoreFullError", ("full",), FutureError),
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
    theirs = getattr(ray.exceptions, name)(*args)
    error = translate(theirs, ref)
    assert type(error) is ours
    assert error.__cause__ is theirs


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
    assert "ray" not in caught.value.remote_traceback.replace("test_ray", "")


# ----------------------------------------------------------------------------------------- sessions


def test_it_starts_quietly_and_leaves_nothing() -> None:
    done = script(
        """
        import json, os, alula
        alula.init(engine="ray", num_cpus=1)
        telemetry = alula.remote(lambda: os.environ["RAY_USAGE_STATS_ENABLED"])
        inside = alula.get(telemetry.remote())
        alula.shutdown()
        print(json.dumps([inside, os.environ.get("RAY_USAGE_STATS_ENABLED")]))
        """,
        mark="quiet",
    )
    assert answer(done) == ["0", None]
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)
    assert alive("quiet") == []


def test_a_session_that_has_ended_gives_nothing_and_starts_nothing() -> None:
    done = script(
        """
        import json, ray, alula
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
        print(json.dumps([after, later]))
        """
    )
    after, later = answer(done)
    assert after == ["NodeDiedError"] * 4 + [False]
    assert later == ["ObjectLostError"] * 6 + ["ActorDiedError"] * 2 + ["None", "3"]


def test_a_ray_that_runs_already_is_used_and_left_running() -> None:
    done = script(
        """
        import json, logging, os, ray, alula
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
        print(json.dumps([refused, value, left]))
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
        import json, alula
        alula.init(engine="ray", namespace="both")
        shared = alula.get_actor("shared")
        value = alula.get(shared.greet.remote("from afar"))
        [ref] = alula.get(shared.exchange.remote([alula.put(6)]))
        seven = alula.get(ref)
        alula.shutdown()
        print(json.dumps([value, seven]))
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
        import json, alula
        try:
            alula.init({address!r}, engine="ray")
        except ConnectionError as error:
            print(json.dumps(str(error)))
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
        import json, alula
        try:
            alula.init(engine="ray", **{given!r})
        except alula.errors.SettingError as error:
            print(json.dumps(error.setting))
        """
    )
    assert answer(done) == setting


def test_gates_are_passed_in_the_workers() -> None:
    done = script(
        """
        import json, alula
        alula.init(engine="ray", num_cpus=1)
        try:
            alula.get(alula.remote(max_retries=0)(lambda: 1).remote())
        except alula.errors.WorkerCrashedError as error:
            print(json.dumps(error.attempts))
        alula.shutdown()
        """,
        ALULA_FAULTS="task.finished=kill@1",
    )
    assert answer(done) == 1


def test_without_ray_the_error_says_how_to_get_it() -> None:
    done = script(
        """
        import json, sys
        sys.modules["ray"] = None
        import alula
        try:
            alula.init(engine="ray")
        except alula.errors.MissingExtraError as error:
            print(json.dumps(str(error)))
        """
    )
    assert "pip install 'alula[ray]'" in answer(done)


def test_importing_alula_does_not_import_ray() -> None:
    done = script("import json, sys, alula.futures; print(json.dumps('ray' in sys.modules))")
    assert answer(done) is False

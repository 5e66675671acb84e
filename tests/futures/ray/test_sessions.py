"""Starting quietly, joining, leaving nothing, and telling sessions apart."""

from typing import Any

import pytest

import alula
from alula.futures import Engine
from tests.futures.ray.programs import alive, answer, script

pytestmark = pytest.mark.usefixtures("ray_is_installed")


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
        refused = []
        for given in ({"num_cpus": 2}, {"namespace": "other"}, {"log_to_driver": False}):
            try:
                alula.init(engine="ray", **given)
            except alula.errors.SettingError as error:
                refused.append(error.setting)
        alula.init(engine="ray")
        value = alula.get(alula.remote(lambda: 7).remote())
        alula.shutdown()
        left = ray.get(ray.remote(lambda: 8).remote())
        ray.shutdown(wait_for_processes=True)
        tell([refused, value, left])
        """
    )
    assert answer(done) == [["num_cpus", "namespace", "log_to_driver"], 7, 8]


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


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "ray://127.0.0.1:1"])
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
        ({"address": "http://127.0.0.1:1"}, "address"),
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

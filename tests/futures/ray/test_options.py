"""Every option reaches Ray."""

import os
from typing import Any

import pytest
import ray
import ray.util.scheduling_strategies as rays

import alula
from alula.errors import (
    ActorUnschedulableError,
    GetTimeoutError,
    RuntimeEnvSetupError,
    TaskUnschedulableError,
    UnsupportedError,
)
from alula.futures import Engine
from alula.futures._options import ActorOptions, MethodOptions, TaskOptions
from alula.futures._ray._words import actor_words, method_words, task_words
from alula.util import scheduling_strategies as ours

NOWHERE = "ab" * 28  # a node that there is not


@alula.remote
def resources() -> dict[str, Any]:
    found: dict[str, Any] = ray.get_runtime_context().get_assigned_resources()
    return found


@alula.remote
def process() -> int:
    return os.getpid()


class Quiet:
    def resources(self) -> dict[str, Any]:
        found: dict[str, Any] = ray.get_runtime_context().get_assigned_resources()
        return found

    def variable(self, name: str) -> str | None:
        return os.environ.get(name)


def test_what_a_task_holds_is_what_it_asked_for(engine: Engine) -> None:
    asked = resources.options(num_cpus=0.5, memory=10_000)
    assert alula.get(asked.remote()) == {"CPU": 0.5, "memory": 10_000}


def test_what_an_actor_holds_is_what_it_asked_for(engine: Engine) -> None:
    asked = alula.remote(Quiet).options(num_cpus=1, memory=10_000)
    assert alula.get(asked.remote().resources.remote()) == {"CPU": 1, "memory": 10_000}


@pytest.mark.parametrize(
    "given",
    [
        {"num_gpus": 1},
        {"resources": {"unicorn": 1}},
        {"accelerator_type": "A100"},
        {"label_selector": {"a": "b"}},
    ],
    ids=str,
)
def test_what_no_node_has_is_waited_for(engine: Engine, given: dict[str, Any]) -> None:
    ref = resources.options(**given).remote()
    with pytest.raises(GetTimeoutError):
        alula.get(ref, timeout=0.2)
    alula.cancel(ref)


@pytest.mark.parametrize(
    "made_by", [ours.NodeAffinitySchedulingStrategy, rays.NodeAffinitySchedulingStrategy]
)
def test_a_task_and_an_actor_go_where_they_are_bound_to(engine: Engine, made_by: Any) -> None:
    [node] = alula.nodes()
    here, nowhere = made_by(node["NodeID"], soft=False), made_by(NOWHERE, soft=False)
    assert alula.get(process.options(scheduling_strategy=here).remote()) != os.getpid()
    with pytest.raises(TaskUnschedulableError, match="process can run nowhere"):
        alula.get(process.options(scheduling_strategy=nowhere).remote())
    with pytest.raises(ActorUnschedulableError, match="Quiet can live nowhere"):
        alula.get(alula.remote(Quiet).options(scheduling_strategy=nowhere).remote().resources.remote())


@pytest.mark.parametrize("made_by", [ours, rays])
def test_conditions_on_labels_reach_ray(made_by: Any) -> None:
    hard = {"a": made_by.In("x", "y"), "b": made_by.NotIn("z"), "c": made_by.Exists()}
    asked = made_by.NodeLabelSchedulingStrategy(hard, soft={"d": made_by.DoesNotExist()})
    made = task_words(TaskOptions().merged({"scheduling_strategy": asked}), "t")["scheduling_strategy"]
    found = {each.key: (type(each.operator), getattr(each.operator, "values", None)) for each in made.hard}
    assert found == {"a": (rays.In, ["x", "y"]), "b": (rays.NotIn, ["z"]), "c": (rays.Exists, None)}
    assert [(each.key, type(each.operator)) for each in made.soft] == [("d", rays.DoesNotExist)]


@pytest.mark.parametrize("strategy", ["DEFAULT", "SPREAD"])
def test_a_strategy_may_be_a_word(engine: Engine, strategy: str) -> None:
    assert alula.get(process.options(scheduling_strategy=strategy).remote()) > 0


def test_a_placement_group_is_refused() -> None:
    asked = rays.PlacementGroupSchedulingStrategy(None)
    with pytest.raises(UnsupportedError, match="PlacementGroup"):
        process.options(scheduling_strategy=asked)


def test_a_worker_ends_after_as_many_calls_as_it_may_run(engine: Engine) -> None:
    once = alula.remote(max_calls=1)(os.getpid)
    first, second = (alula.get(once.remote()) for _ in range(2))
    assert first != second


def test_the_environment_is_that_of_the_task_and_of_the_actor(engine: Engine) -> None:
    asked = {"env_vars": {"ASKED_FOR": "yes"}}

    @alula.remote(runtime_env=asked)
    def variable() -> str | None:
        return os.environ.get("ASKED_FOR")

    quiet = alula.remote(Quiet).options(runtime_env=asked).remote()
    assert alula.get([variable.remote(), quiet.variable.remote("ASKED_FOR")]) == ["yes", "yes"]


def test_an_environment_that_cannot_be_made_is_an_error_of_the_task(
    engine: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = process.options(runtime_env={"py_modules": ["gcs://_ray_pkg_00000000.zip"]})
    with pytest.raises(RuntimeEnvSetupError, match="process"):
        alula.get(asked.remote())


def test_words_for_tasks() -> None:
    options = TaskOptions().merged(
        {"num_gpus": 0.5, "memory": 5.0, "resources": {"a": 2}, "max_retries": -1, "num_returns": 2}
    )
    assert task_words(options, "shown") == {
        "name": "shown",
        "num_cpus": 1,
        "num_gpus": 0.5,
        "memory": 5,
        "resources": {"a": 2},
        "accelerator_type": None,
        "label_selector": None,
        "scheduling_strategy": "DEFAULT",
        "num_returns": 2,
        "max_retries": -1,
        "retry_exceptions": False,
    }


def test_words_for_actors() -> None:
    given = {
        "max_restarts": 2,
        "max_task_retries": 3,
        "max_concurrency": 4,
        "max_pending_calls": 5,
        "name": "n",
        "namespace": "s",
        "lifetime": "detached",
        "allow_out_of_order_execution": True,
    }
    words = actor_words(ActorOptions().merged(given))
    assert words.items() >= {**given, "max_task_retries": -1}.items()
    plain = actor_words(ActorOptions())
    assert (plain["allow_out_of_order_execution"], plain["max_task_retries"]) == (None, 0)


def test_words_for_methods() -> None:
    given = {"num_returns": "streaming", "max_task_retries": 2, "concurrency_group": "io", "backpressure": 3}
    words = method_words(MethodOptions().merged(given), "shown", 7)
    assert words.pop("_generator_backpressure_num_objects") == given.pop("backpressure")
    assert words == {**given, "name": "shown", "retry_exceptions": False}
    assert method_words(MethodOptions(), "shown", 7)["max_task_retries"] == 7

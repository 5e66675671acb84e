"""Options are checked where they are written, and frozen."""

from dataclasses import fields
from typing import Any

import cloudpickle
import pytest

from alula.errors import UnsupportedError
from alula.futures import ActorOptions, MethodOptions, TaskOptions

PLACEMENT = {
    "num_gpus": 0.5,
    "memory": 1e9,
    "accelerator_type": "H100",
    "label_selector": {"zone": "a"},
    "scheduling_strategy": "SPREAD",
    "runtime_env": {"env_vars": {"A": "1"}},
    "metadata": {"a": 1},
}
TASK = {
    "num_cpus": 0.5,
    "resources": {"disk": 2.0},
    "num_returns": 3,
    "max_retries": -1,
    "retry_exceptions": (KeyError,),
    "name": "mine",
    "max_calls": 7,
    "backpressure": 2,
    **PLACEMENT,
}
ACTOR = {
    "num_cpus": 2.0,
    "resources": {"disk": 1.0},
    "max_restarts": -1,
    "max_task_retries": 2,
    "max_concurrency": 4,
    "concurrency_groups": {"io": 2},
    "max_pending_calls": 9,
    "lifetime": "detached",
    "allow_out_of_order_execution": True,
    "name": "mine",
    "namespace": "here",
    "get_if_exists": True,
    **PLACEMENT,
}
METHOD = {
    "num_returns": "streaming",
    "max_task_retries": 3,
    "retry_exceptions": True,
    "concurrency_group": "io",
    "name": "mine",
    "backpressure": 1,
}


@pytest.mark.parametrize(
    ("options", "given"), [(TaskOptions(), TASK), (ActorOptions(), ACTOR), (MethodOptions(), METHOD)]
)
def test_every_option_can_be_given(
    options: TaskOptions | ActorOptions | MethodOptions, given: dict[str, Any]
) -> None:
    merged = options.merged(given)
    assert {name: getattr(merged, name) for name in given} == given
    assert set(given) == {field.name for field in fields(options) if field.init}
    assert options == type(options)()


def test_what_is_not_given_stays() -> None:
    merged = TaskOptions().merged({"num_cpus": 2}).merged({"max_retries": 0})
    assert (merged.num_cpus, merged.max_retries) == (2, 0)


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"num_cpu": 1}, ValueError, "did you mean 'num_cpus'"),
        ({"num_cpus": "2"}, TypeError, "num_cpus"),
        ({"num_cpus": True}, TypeError, "num_cpus"),
        ({"num_cpus": -1}, ValueError, "num_cpus"),
        ({"num_cpus": float("nan")}, ValueError, "num_cpus"),
        ({"resources": [1]}, TypeError, "resources"),
        ({"resources": {"CPU": 1}}, ValueError, "num_cpus="),
        ({"resources": {"disk": -1}}, ValueError, "disk"),
        ({"max_retries": -2}, ValueError, "max_retries"),
        ({"max_retries": 1.0}, TypeError, "max_retries"),
        ({"num_returns": -1}, ValueError, "num_returns"),
        ({"retry_exceptions": KeyError}, TypeError, "retry_exceptions"),
        ({"retry_exceptions": ["KeyError"]}, TypeError, "retry_exceptions"),
        ({"name": ""}, ValueError, "name"),
        ({"name": 3}, TypeError, "name"),
        ({"metadata": "x"}, TypeError, "metadata"),
        ({"num_gpus": -1}, ValueError, "num_gpus"),
        ({"resources": {"GPU": 1}}, ValueError, "num_gpus="),
        ({"num_returns": "stream"}, ValueError, "streaming"),
        ({"scheduling_strategy": "FAST"}, ValueError, "SPREAD"),
        ({"label_selector": {"zone": 1}}, TypeError, "zone"),
        ({"scheduling_strategy": 3}, TypeError, "scheduling_strategies"),
        ({"num_gpus": 1.5}, ValueError, "whole"),
        ({"resources": {"memory": 1}}, ValueError, "memory="),
        ({"runtime_env": "x"}, TypeError, "runtime_env"),
        ({"runtime_env": {"env_vars": {"A": 1}}}, TypeError, "env_vars"),
    ],
    ids=str,
)
def test_a_wrong_option_of_a_task_is_refused(
    given: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        TaskOptions().merged(given)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"max_retries": 1}, ValueError),
        ({"max_restarts": -2}, ValueError),
        ({"max_concurrency": 0}, ValueError),
        ({"concurrency_groups": {"io": 0}}, ValueError),
        ({"concurrency_groups": {1: 1}}, TypeError),
        ({"lifetime": "long"}, ValueError),
        ({"get_if_exists": True}, ValueError),
        ({"get_if_exists": 1}, TypeError),
        ({"namespace": 1}, TypeError),
    ],
    ids=str,
)
def test_a_wrong_option_of_an_actor_is_refused(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ActorOptions().merged(given)


@pytest.mark.parametrize("name", ["fallback_strategy", "placement_group"])
def test_what_only_a_cluster_has_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        TaskOptions().merged({name: 1})


def test_amounts_are_kept_to_four_places_and_nothing_is_left_out() -> None:
    options = TaskOptions().merged({"num_cpus": 0.00011, "resources": {"a": 1, "b": 0}})
    assert options.num_cpus == 0.0001
    assert dict(options.resources) == {"a": 1}


def test_what_holds_a_gpu_is_run_once_by_a_process_unless_it_says_otherwise() -> None:
    calls = [
        TaskOptions().merged(given).calls
        for given in ({}, {"num_gpus": 0.5}, {"num_gpus": 1, "max_calls": 0}, {"max_calls": 7})
    ]
    assert calls == [0, 1, 0, 7]


def test_metadata_of_several_calls_is_merged_by_key() -> None:
    options = TaskOptions().merged({"metadata": {"a": 1, "b": 1}}).merged({"_metadata": {"b": 2}})
    assert options.metadata == {"a": 1, "b": 2}


def test_options_cannot_be_changed_and_can_be_pickled() -> None:
    options = TaskOptions().merged(TASK)
    with pytest.raises(AttributeError):
        options.num_cpus = 3  # type: ignore[misc]  # what is tested
    with pytest.raises(TypeError):
        options.resources["disk"] = 3  # type: ignore[index]  # what is tested
    assert cloudpickle.loads(cloudpickle.dumps(options)) == options

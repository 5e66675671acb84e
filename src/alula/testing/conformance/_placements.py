"""What a task may ask of its process and its machine: GPUs, variables, labels, a strategy, calls."""

import os
from typing import Any

import pytest

from ...errors import ActorUnschedulableError, TaskUnschedulableError
from ...futures import (
    Exists,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    get,
    nodes,
    remote,
)
from ._part import Part, ended, value

__all__ = ["Placements"]

_NOWHERE = "ab" * 28  # the id of no machine


@remote
def variable(name: str) -> str | None:
    """Give a variable of the process."""
    return os.environ.get(name)


class _Process:
    def variable(self, name: str) -> str | None:
        return os.environ.get(name)


Process = remote(_Process)


def _here() -> str:
    return str(next(node["NodeID"] for node in nodes() if node["Alive"]))


class Placements(Part):
    """Where tasks and actors run, and in which surroundings."""

    def test_a_task_without_a_gpu_sees_none(self) -> None:
        assert not value(variable.remote("CUDA_VISIBLE_DEVICES"))

    def test_a_task_has_the_variables_that_it_asks_for_and_others_have_not(self) -> None:
        task = variable.options(runtime_env={"env_vars": {"ALULA_TEST_MINE": "1"}})
        assert value(task.remote("ALULA_TEST_MINE")) == "1"
        assert value(variable.remote("ALULA_TEST_MINE")) is None

    def test_what_a_task_starts_inherits_its_variables(self) -> None:
        parent = remote(lambda: get(variable.remote("ALULA_TEST_MINE")))
        env = {"env_vars": {"ALULA_TEST_MINE": "2"}}
        assert value(parent.options(runtime_env=env).remote()) == "2"

    def test_an_actor_has_variables_of_its_own(self) -> None:
        actor = Process.options(runtime_env={"env_vars": {"ALULA_TEST_MINE": "3"}}).remote()
        assert value(actor.variable.remote("ALULA_TEST_MINE")) == "3"

    def test_a_process_ends_after_as_many_calls_of_a_function_as_it_may_run(self) -> None:
        once = remote(max_calls=1)(os.getpid)
        pids = [value(once.remote()) for _ in range(3)]
        assert len(set(pids)) == 3
        assert all(ended(pid) for pid in pids)

    @pytest.mark.parametrize(
        "strategy",
        [
            "SPREAD",
            NodeLabelSchedulingStrategy({"ray.io/node-id": Exists()}),
            NodeAffinitySchedulingStrategy(_NOWHERE, soft=True),
        ],
        ids=["spread", "labels", "another machine if there is one"],
    )
    def test_a_strategy_that_a_machine_satisfies(self, strategy: Any) -> None:
        assert value(variable.options(scheduling_strategy=strategy).remote("PATH"))

    def test_whoever_insists_on_a_machine_runs_on_it(self) -> None:
        here = NodeAffinitySchedulingStrategy(_here(), soft=False)
        assert value(variable.options(scheduling_strategy=here).remote("PATH"))
        assert value(variable.options(label_selector={"ray.io/node-id": _here()}).remote("PATH"))

    def test_whoever_insists_on_a_machine_that_does_not_exist_is_refused(self) -> None:
        there = NodeAffinitySchedulingStrategy(_NOWHERE, soft=False)
        with pytest.raises(TaskUnschedulableError, match="variable"):
            value(variable.options(scheduling_strategy=there).remote("PATH"))
        with pytest.raises(ActorUnschedulableError, match="_Process"):
            value(Process.options(scheduling_strategy=there).remote().variable.remote("PATH"))

"""Where tasks run, who is there, and what a runtime does not have."""

import inspect
import os
from collections.abc import Iterator
from typing import Any

import pytest

import alula as om
from alula import runtime
from alula._core._settings import Settings
from alula.errors import GetTimeoutError, LabelError, UnsupportedError
from alula.runtime import AsyncResult, Runtime, default
from alula.testing import Turnstile
from alula.workflow import Executor
from tests.runtime.estimators import Adder, Held

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 30.0


@pytest.fixture
def gpu() -> Iterator[Executor]:
    """An executor with a label of its own that takes work from the queue."""
    with Executor.open(Settings.load(), labels=("gpu",), name="gpu@here", claims=True) as made:
        yield made


def run_queued(executor: Executor) -> int:
    """Let an executor run what waits for it; give the number of tasks."""
    handles = executor.claim(10)
    for handle in handles:
        handle.result(ENOUGH)
    return len(handles)


# --------------------------------------------------------------------------------------- the labels


def test_s3_labels_is_a_dict_of_lists_by_the_names_of_executors() -> None:
    labels = om.runtime.labels()
    assert labels == {om.workflow.default_executor().lease.name: ["default"]}
    assert next(iter(labels)).startswith("alula@")


@pytest.mark.usefixtures("line")
def test_s4_a_label_sends_the_call_to_an_executor_that_has_it(gpu: Executor) -> None:
    result = om.runtime.require('gpu').model('mymodel').fit('data-X', 'data-Y')  # fmt: skip
    assert result.status == "PENDING"
    assert run_queued(gpu) == 1
    assert result.get(ENOUGH).version == 2


@pytest.mark.usefixtures("line")
def test_a_label_is_gone_on_the_next_call(gpu: Executor) -> None:
    waiting = om.runtime.require("gpu").model("mymodel").fit("data-X", "data-Y")
    assert om.runtime.model("mymodel").fit("data-X", "data-Y").get(ENOUGH).version == 2
    assert waiting.status == "PENDING"


def test_a_label_belongs_to_the_runtime_that_was_returned(gpu: Executor) -> None:
    plain = default().runtime
    labelled = plain.require("gpu")
    assert labelled is not plain
    answer = labelled.ping(wait=False)
    assert plain.ping()["worker"] != "gpu@here"
    run_queued(gpu)
    assert answer.get(ENOUGH)["worker"] == "gpu@here"


def test_a_model_may_be_asked_for_with_its_label(gpu: Executor) -> None:
    om.models.put(Adder(), "adder")
    result = om.runtime.model("adder", require="gpu").fit([[1.0]])
    assert (result.status, run_queued(gpu)) == ("PENDING", 1)


def test_a_label_that_nobody_has_waits_and_a_warning_names_those_there_are() -> None:
    om.models.put(Adder(), "adder")
    with pytest.warns(UserWarning, match=r"\['tpu'\] .*known labels are \['default'\]"):
        result = om.runtime.require("tpu").model("adder").fit([[1.0]])
    assert not result.ready()
    result.revoke()
    assert result.status == "REVOKED"


def test_local_is_this_process_whatever_the_labels(gpu: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_WHERE", "queue")
    answer = om.runtime.require("local").ping(timeout=ENOUGH)
    assert answer["worker"] == om.workflow.default_executor().lease.name


def test_nothing_required_takes_back_what_was() -> None:
    plain = om.runtime.require("gpu", num_cpus=2).require()
    assert plain.ping(timeout=ENOUGH)["message"] == "pong"


@pytest.mark.parametrize("label", [5, "", " ", "a,b", ("gpu",)])
def test_what_is_no_label_is_refused(label: Any) -> None:
    with pytest.raises(LabelError, match="label must be valid"):
        om.runtime.require(label)
    with pytest.raises(AssertionError):
        om.runtime.ping(require=label)


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        ({"num_cpu": 2}, ValueError),
        ({"num_cpus": -1}, ValueError),
        ({"num_cpus": "two"}, TypeError),
        ({"num_returns": 2}, ValueError),
        ({"placement_group": 1}, UnsupportedError),
    ],
)
def test_what_is_no_resource_is_refused(resources: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        om.runtime.require("default", **resources)


def test_a_task_holds_the_resources_that_were_required(turnstile: Turnstile) -> None:
    om.models.put(Held(turnstile), "held")
    both = om.runtime.require(num_cpus=2).model("held").fit([[1.0]])
    turnstile.arrived()
    one = om.runtime.model("held").fit([[1.0]])
    assert (both.status, one.status) == ("STARTED", "PENDING")
    turnstile.let()
    assert {both.get(ENOUGH).version, one.get(ENOUGH).version} == {2, 3}


# ----------------------------------------------------------------------------------- who is there


def test_workers_names_the_tasks_that_run(turnstile: Turnstile) -> None:
    om.models.put(Held(turnstile), "held")
    result = om.runtime.model("held").fit([[1.0]])
    turnstile.arrived()
    [(name, tasks)] = om.runtime.workers().items()
    assert (name, tasks) == (om.workflow.default_executor().lease.name, [result.id])
    turnstile.let()
    result.get(ENOUGH)
    assert om.runtime.workers() == {name: []}


def test_status_describes_each_executor(turnstile: Turnstile) -> None:
    om.models.put(Held(turnstile), "held")
    result = om.runtime.model("held").fit([[1.0]])
    turnstile.arrived()
    [facts] = om.runtime.status().values()
    assert facts["queues"] == ["default"]
    assert len(facts["loadavg"]) == 3
    assert facts["uptime"] > 0
    [process] = facts["processes"]
    turnstile.let()
    assert om.runtime.model("held").predict([[1.0]]).get(ENOUGH) != [os.getpid()]
    assert process != os.getpid()
    result.get(ENOUGH)


def test_a_ping_comes_back_with_what_it_was_given() -> None:
    answer = om.runtime.ping(1, "two", timeout=ENOUGH, three=3)
    assert (answer["message"], answer["args"], answer["kwargs"]) == ("pong", (1, "two"), {"three": 3})
    assert answer["worker"] in om.runtime.labels()
    assert "T" in answer["time"]


def test_a_ping_need_not_be_waited_for() -> None:
    answer = om.runtime.ping(wait=False)
    assert isinstance(answer, AsyncResult)
    assert answer.get(ENOUGH)["args"] == ()


def test_a_ping_may_be_asked_to_fail() -> None:
    with pytest.raises(RuntimeError, match="asked to fail"):
        om.runtime.ping(exception=True, timeout=ENOUGH)


def test_a_ping_that_nobody_answers_ends() -> None:
    with pytest.warns(UserWarning, match="known labels"), pytest.raises(GetTimeoutError):
        om.runtime.ping(require="tpu", timeout=0)


# ------------------------------------------------------------------------------------- what is not


@pytest.mark.parametrize("name", ["modell", "predict"])
def test_what_a_runtime_does_not_have_says_what_it_has(name: str) -> None:
    for place in (om.runtime, default().runtime):
        with pytest.raises(AttributeError, match=rf"has no '{name}'; .*'m"):
            getattr(place, name)


def test_the_functions_of_the_module_are_those_of_the_default_instance() -> None:
    for name in ("experiment", "labels", "model", "ping", "require", "result", "status", "workers"):
        assert getattr(runtime, name).__doc__ == getattr(Runtime, name).__doc__
        assert getattr(runtime, name).__name__ == name
    assert list(inspect.signature(om.runtime.model).parameters) == ["name", "require"]

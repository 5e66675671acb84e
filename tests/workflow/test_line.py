"""Only so many workflows run at once, and only so many wait for that."""

from pathlib import Path
from queue import Full
from typing import Any

import pytest

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import WorkflowCancellationError, WorkflowExecutionError, WorkflowOutputNotReady
from alula.graph import Graph
from alula.testing import Turnstile
from alula.workflow import Executor
from alula.workflow._line import Limits
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, fail_unless, held, noted

HELD = held.options(num_cpus=0.1)


def statuses() -> dict[str, str]:
    return {id_: str(status) for id_, status in workflow.list_all()}


def test_beyond_the_limits_nothing_is_accepted_and_nothing_left_behind(turnstile: Turnstile) -> None:
    workflow.init(max_running_workflows=2, max_pending_workflows=1)
    refs = [workflow.run_async(HELD.bind(turnstile, n), workflow_id=f"w{n}") for n in range(3)]
    turnstile.arrived()
    turnstile.arrived()
    with pytest.raises(Full, match="Workflow queue has been full: 2 running here and 1 waiting"):
        workflow.run_async(HELD.bind(turnstile, 3), workflow_id="w3")
    assert statuses() == {"w0": "RUNNING", "w1": "RUNNING", "w2": "PENDING"}
    turnstile.let()
    assert alula.get(refs) == [0, 1, 2]
    assert workflow.run(HELD.bind(turnstile, 3), workflow_id="w3") == 3
    assert set(statuses().values()) == {"SUCCESSFUL"}


@ON_BOTH
def test_they_run_in_the_order_in_which_they_came(turnstile: Turnstile, tally: Tally) -> None:
    workflow.init(max_running_workflows=1)
    refs = [workflow.run_async(HELD.bind(turnstile), workflow_id="first")]
    refs += [workflow.run_async(noted.bind(tally, name), workflow_id=name) for name in "abc"]
    turnstile.arrived()
    assert (statuses()["a"], tally.counts()) == ("PENDING", {})
    turnstile.let()
    alula.get(refs)
    assert tally.path.read_text().split() == ["a", "b", "c"]


def test_what_waits_may_be_cancelled_and_never_runs(turnstile: Turnstile, tally: Tally) -> None:
    workflow.init(max_running_workflows=1)
    first = workflow.run_async(HELD.bind(turnstile, 1))
    second = workflow.run_async(noted.bind(tally, "second"), workflow_id="second")
    third = workflow.run_async(add.bind(3), workflow_id="third")
    turnstile.arrived()
    workflow.cancel("second")
    assert workflow.get_status("second") == "CANCELED"
    with pytest.raises(WorkflowCancellationError):
        alula.get(second)
    turnstile.let()
    assert alula.get([first, third]) == [1, 3]
    assert tally.counts() == {}


@ON_BOTH
def test_what_waits_may_be_cancelled_from_elsewhere(turnstile: Turnstile, tally: Tally) -> None:
    workflow.init(max_running_workflows=1)
    first = workflow.run_async(HELD.bind(turnstile, 1))
    second = workflow.run_async(noted.bind(tally, "second"), workflow_id="second")
    turnstile.arrived()
    with Executor.open(Settings.load()) as other:
        other.cancel("second")
    turnstile.let()
    assert alula.get(first) == 1
    with pytest.raises(WorkflowCancellationError):
        alula.get(second)
    assert tally.counts() == {}


def test_what_waits_is_active(turnstile: Turnstile) -> None:
    workflow.init(max_running_workflows=1)
    refs = [workflow.run_async(HELD.bind(turnstile, n), workflow_id=f"w{n}") for n in range(2)]
    with pytest.raises(RuntimeError, match="PENDING"):
        workflow.resume("w1")
    turnstile.let()
    assert workflow.get_output("w1") == 1
    del refs


def test_a_failure_makes_room(tmp_path: Path, turnstile: Turnstile) -> None:
    workflow.init(max_running_workflows=1, max_pending_workflows=0)
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(tmp_path / "no", 1))
    assert workflow.run(add.bind(1)) == 1


def test_a_closed_process_leaves_what_waits_to_be_resumed_behind_what_ran(turnstile: Turnstile) -> None:
    with Executor.open(Settings.load(), limits=Limits(1, -1)) as first:
        handles = [first.submit(Graph.of(HELD.bind(turnstile, n)), id=f"w{n}") for n in range(3)]
        turnstile.arrived()
        assert [str(handle.status) for handle in handles] == ["RUNNING", "PENDING", "PENDING"]
    for handle in handles:
        with pytest.raises(WorkflowOutputNotReady):
            handle.result(0)
    assert set(statuses().values()) == {"RESUMABLE"}
    turnstile.let()
    workflow.reset_default_executor()
    workflow.init(max_running_workflows=1, max_pending_workflows=0)
    taken = workflow.resume_all()
    assert [id_ for id_, _ in taken] == ["w0", "w1", "w2"]
    assert alula.get([ref for _, ref in taken]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"max_running_workflows": 2}),
        ({"max_running_workflows": 2}, {"max_running_workflows": 3}),
        ({"max_running_workflows": 2}, {"max_pending_workflows": 3}),
        ({"max_pending_workflows": 3}, {"max_pending_workflows": -1}),
    ],
)
def test_other_limits_than_those_in_use_are_refused(first: dict[str, Any], second: dict[str, Any]) -> None:
    workflow.init(**first)
    workflow.init(**first)
    workflow.init()
    with pytest.raises(ValueError, match=f"{next(iter(second))} is .* already"):
        workflow.init(**second)


def test_other_limits_are_refused_when_workflows_are_in_use() -> None:
    workflow.list_all()
    workflow.init(max_running_workflows=-1, max_pending_workflows=-1)
    with pytest.raises(ValueError, match="already"):
        workflow.init(max_running_workflows=1)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"max_running_workflows": 0}, ValueError),
        ({"max_running_workflows": -2}, ValueError),
        ({"max_pending_workflows": -2}, ValueError),
        ({"max_running_workflows": 1.5}, TypeError),
        ({"max_running_workflows": True}, TypeError),
        ({"max_pending_workflows": "9"}, TypeError),
    ],
)
def test_limits_that_are_none_are_refused_by_name(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(wrong))):
        workflow.init(**wrong)


# ------------------------------------------------------------------------------------- resume_all


def _failed(tmp_path: Path, workflow_id: str) -> None:
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(tmp_path / "flag", workflow_id), workflow_id=workflow_id)


def test_resume_all_takes_what_failed_if_it_is_told_to_and_never_what_was_cancelled(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    _failed(tmp_path, "failed")
    ref = workflow.run_async(HELD.bind(turnstile), workflow_id="cancelled")
    turnstile.arrived()
    workflow.cancel("cancelled")
    (tmp_path / "flag").touch()
    assert workflow.resume_all() == []
    [(workflow_id, output)] = workflow.resume_all(include_failed=True)
    assert (workflow_id, alula.get(output)) == ("failed", "failed")
    assert workflow.resume_all(include_failed=True) == []
    del ref


def test_resume_all_leaves_what_it_cannot_resume_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _failed(tmp_path, "old")
    _failed(tmp_path, "new")
    (tmp_path / "flag").touch()
    with workflow.default_executor()._store.transaction() as connection:
        connection.exec_driver_sql("UPDATE workflows SET python = '2.7' WHERE id = 'old'")
    [(workflow_id, _)] = workflow.resume_all(include_failed=True)
    assert workflow_id == "new"
    assert "'old' cannot be resumed" in caplog.text
    assert workflow.get_output("new") == "new"

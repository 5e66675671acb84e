"""Who follows a workflow sees each change of a task, wherever it runs, and comes to an end."""

from pathlib import Path
from queue import Queue

import pytest

from alula import workflow
from alula._core._settings import Settings
from alula.errors import WorkflowNotFoundError
from alula.graph import Graph
from alula.testing import Turnstile
from alula.workflow import Executor, TaskInfo
from alula.workflow._watch import TOPIC
from tests.faults.processes import eventually
from tests.workflow.bodies import add, held


def names(task: TaskInfo) -> tuple[str, str]:
    return task.task_id, task.status


def test_each_change_of_a_task_is_seen_from_elsewhere(home: Path, turnstile: Turnstile) -> None:
    slow = held.options(**workflow.options(task_id="slow")).bind(turnstile, 1)
    last = add.options(**workflow.options(task_id="last"))
    workflow.run_async(last.bind(slow, 1), workflow_id="w")
    with Executor.open(Settings.load()) as other:
        changes = other.follow("w")
        assert [names(next(changes)) for _ in range(2)] == [("slow", "RUNNING"), ("last", "PENDING")]
        turnstile.let()
        seen = [names(task) for task in changes]
    assert seen[0] == ("slow", "SUCCESSFUL")
    assert seen[-1] == ("last", "SUCCESSFUL")


def test_each_record_is_rung_for_who_follows_and_for_nobody_else(home: Path, turnstile: Turnstile) -> None:
    rings: Queue[None] = Queue()
    with Executor.open(Settings.load()) as runner, Executor.open(Settings.load()) as other:
        stop = other._store.listen(TOPIC, lambda: rings.put(None))
        first, second = (held.bind(turnstile, n) for n in range(2))
        unheard = runner.submit(Graph.of(add.bind(first, second)), id="unheard", where="here")
        turnstile.let(1)
        assert eventually(lambda: "SUCCESSFUL" in [task.status for task in other.records.tasks("unheard")])
        assert rings.empty()
        changes = other.follow("unheard")
        next(changes)
        assert eventually(lambda: runner._runs._followed.wanted)
        third = runner.submit(Graph.of(held.bind(turnstile, held.bind(turnstile))), id="w", where="here")
        turnstile.let(1)
        rings.get(timeout=150)
        turnstile.let()
        third.result(150)
        unheard.result(150)
        stop()


def test_one_that_has_ended_is_seen_as_it_is() -> None:
    workflow.run(add.bind(1), workflow_id="w")
    assert [task.status for task in workflow.follow("w")] == ["SUCCESSFUL"]


def test_one_that_nobody_is_at_work_on_is_not_waited_for(home: Path, turnstile: Turnstile) -> None:
    with Executor.open(Settings.load()) as other:
        other.submit(Graph.of(held.bind(turnstile)), id="w", where="here")
        turnstile.arrived()
        changes = workflow.follow("w")
        assert next(changes).status == "RUNNING"
    assert [task.status for task in changes] == ["PENDING"]
    assert workflow.get_status("w") == "RESUMABLE"


def test_an_unknown_one_is_refused_at_once() -> None:
    with pytest.raises(WorkflowNotFoundError):
        workflow.follow("nobody")

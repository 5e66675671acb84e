"""Records that somebody has changed, and clocks that somebody has set."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import alula
from alula import workflow
from alula.errors import SealError, StoreUnavailableError, WorkflowExecutionError
from alula.graph import Graph
from alula.testing import Clock
from tests.conftest import Open
from tests.workflow.bodies import Tally, noted


def forge(column: str, where: str = "1 = 1") -> None:
    """Put a pickle that nobody has signed in place of what is recorded."""
    statement = f"UPDATE workflow_tasks SET {column} = :forged WHERE {column} IS NOT NULL AND {where}"
    with workflow.default_executor()._store.transaction() as connection:
        assert connection.execute(text(statement), {"forged": b"cos\nsystem\n(S'exit 1'\ntR."}).rowcount


@alula.remote
def refuses(value: int) -> int:
    raise ValueError(value)


@pytest.fixture
def failed(tally: Tally) -> None:
    with pytest.raises(WorkflowExecutionError):
        workflow.run(refuses.bind(noted.bind(tally, "first")), workflow_id="w")


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize("column", ["value", "call"])
def test_an_unsigned_value_or_call_fails_its_task_unopened(column: str) -> None:
    forge(column)
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.resume("w")
    assert isinstance(caught.value.__cause__, SealError)
    assert workflow.get_status("w") == workflow.FAILED


@pytest.mark.usefixtures("failed")
def test_unsigned_options_cannot_be_gone_on_with() -> None:
    forge("head")
    with pytest.raises(SealError, match="the options of task"):
        workflow.resume("w")
    assert workflow.get_status("w") == workflow.RESUMABLE


@pytest.mark.usefixtures("failed")
def test_an_unsigned_output_is_not_given() -> None:
    forge("value")
    with pytest.raises(SealError, match="a stored value was refused"):
        workflow.get_output("w", task_id="tests.workflow.bodies.noted")


def test_records_of_a_newer_alula_are_not_touched() -> None:
    workflow.run(noted.bind(Tally(Path("/dev/null")), "x"), workflow_id="w")
    with workflow.default_executor()._store.transaction() as connection:
        connection.execute(text("UPDATE layers SET version = 99 WHERE layer = 'workflow'"))
    workflow.reset_default_executor()
    for call in (workflow.list_all, lambda: workflow.resume("w"), lambda: workflow.get_output("w")):
        with pytest.raises(StoreUnavailableError, match=r"newer Alula .* workflow \(format 99.*upgrade"):
            call()


def test_a_clock_set_back_makes_who_sleeps_wait_and_nothing_else(open_timed: Open, clock: Clock) -> None:
    executor = open_timed()
    asleep = executor.submit(Graph.of(workflow.sleep(60)), id="asleep")
    executor.output("asleep", task_id="workflow.sleep.due").result(timeout=150)
    clock.jump(-500)
    assert executor.submit(Graph.of(alula.remote(abs).bind(-1)), id="w").result(timeout=150) == 1
    clock.advance(60)
    assert not asleep.done()
    clock.advance(500)
    assert asleep.result(timeout=150) is None


def test_a_deadline_is_by_the_clock_and_no_record_is_before_its_time(open_timed: Open, clock: Clock) -> None:
    executor = open_timed()
    late: Any = executor.submit(Graph.of(workflow.sleep(60)), id="late", timeout=30)
    clock.jump(31)
    with pytest.raises(TimeoutError):
        late.result(timeout=150)
    assert executor.status("late") == "FAILED"

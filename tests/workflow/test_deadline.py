"""A workflow has so much time, wherever it goes on."""

from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowOutputNotReady, WorkflowTimeoutError
from alula.graph import Graph
from alula.testing import Clock, Turnstile
from alula.workflow._line import Limits
from tests.conftest import Open
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, held, noted

pytestmark = ON_BOTH


@pytest.mark.parametrize(("given", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError)])
def test_a_wrong_timeout_is_refused(given: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="timeout"):
        workflow.run(add.bind(1), workflow_id="w", timeout=given)
    assert workflow.list_all() == []


def test_a_workflow_whose_time_is_over_fails_and_its_tasks_end(turnstile: Turnstile) -> None:
    with pytest.raises(WorkflowTimeoutError, match=r"the end of workflow 'w' did not come within 0\.2 s"):
        workflow.run(held.options(num_cpus=2).bind(turnstile), workflow_id="w", timeout=0.2)
    assert workflow.get_status("w") == "FAILED"
    assert workflow.run(add.options(num_cpus=2).bind(1)) == 1
    with pytest.raises(WorkflowOutputNotReady, match=r"time of 0\.2 s was over; fork") as caught:
        workflow.get_output("w")
    assert isinstance(caught.value.__cause__, WorkflowTimeoutError)


def test_one_in_time_gives_its_value() -> None:
    made = workflow.create(add.bind(1, 2))
    assert made.run("a", timeout=60) == 3
    assert alula.get([made.run_async("b", None, 60), workflow.run_async(add.bind(4), timeout=60)]) == [3, 4]


def test_what_comes_after_its_time_is_not_recorded(
    open_timed: Open, clock: Clock, turnstile: Turnstile, tally: Tally
) -> None:
    executor = open_timed()
    handle = executor.submit(Graph.of(add.bind(held.bind(turnstile, 1))), id="w", timeout=10)
    turnstile.arrived()
    clock.advance(9.5)
    assert executor.status("w") == "RUNNING"
    clock.advance(0.5)
    with pytest.raises(WorkflowTimeoutError):
        handle.result()
    turnstile.let()
    with pytest.raises(WorkflowTimeoutError, match="within 10 s"):
        executor.resume("w").result()
    assert executor.records.value("w", "tests.workflow.bodies.held") is None


def test_who_goes_on_has_the_time_that_is_left(open_timed: Open, clock: Clock, turnstile: Turnstile) -> None:
    first = open_timed()
    first.submit(Graph.of(held.bind(turnstile, 1)), id="w", timeout=10)
    turnstile.arrived()
    first.close()
    clock.advance(4)
    second = open_timed()
    handle = second.resume("w")
    turnstile.arrived()
    clock.advance(5.5)
    assert second.status("w") == "RUNNING"
    clock.advance(0.5)
    with pytest.raises(WorkflowTimeoutError):
        handle.result()


def test_one_that_nobody_takes_from_the_queue_fails(open_timed: Open, clock: Clock) -> None:
    executor = open_timed()
    with pytest.warns(UserWarning, match="waits there"):
        handle = executor.submit(Graph.of(add.bind(1)), id="w", labels=["gpu"], where="queue", timeout=10)
    clock.advance(10)
    with pytest.raises(WorkflowTimeoutError):
        handle.result()
    assert executor.status("w") == "FAILED"
    assert open_timed("gpu").claim() == []


def test_one_that_waits_in_line_fails_at_its_time(
    open_timed: Open, clock: Clock, turnstile: Turnstile, tally: Tally
) -> None:
    executor = open_timed(limits=Limits(running=1))
    first = executor.submit(Graph.of(held.bind(turnstile, 1)))
    late = executor.submit(Graph.of(noted.bind(tally, "late")), id="late", timeout=10)
    third = executor.submit(Graph.of(add.bind(3)), timeout=30)
    clock.advance(10)
    with pytest.raises(WorkflowTimeoutError, match="'late' did not come within 10 s"):
        late.result()
    assert (late.status, third.status) == ("FAILED", "PENDING")
    turnstile.let()
    assert (first.result(), third.result()) == (1, 3)
    assert tally.counts() == {}


def test_one_that_is_claimed_too_late_fails(open_timed: Open, clock: Clock) -> None:
    first, second = open_timed(), open_timed(claims=True)
    first.submit(Graph.of(add.bind(1)), id="w", where="queue", timeout=10)
    first.close()
    clock.advance(10)
    [handle] = second.claim()
    with pytest.raises(WorkflowTimeoutError):
        handle.result()

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import (
    GetTimeoutError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowOutputNotReady,
    WorkflowTimeoutError,
)
from alula.graph import Graph, Node
from alula.testing import Clock, Turnstile
from alula.workflow import Executor
from tests.conftest import Open
from tests.workflow.bodies import Tally, add, fail_unless


@alula.remote
def together(*values: Any) -> list[Any]:
    return list(values)


@alula.remote
def told(turnstile: Turnstile, *values: Any) -> int:
    for value in values:
        workflow.set_event("progress", value)
    turnstile.wait()
    return len(values)


def test_a_signal_reaches_the_task_that_waits_for_it() -> None:
    ref = workflow.run_async(workflow.wait_for_signal("go"), workflow_id="w")
    workflow.signal("w", "other", 1)
    assert alula.wait([ref], timeout=0.05)[0] == []
    workflow.signal("w", "go", {"approved": True})
    assert alula.get(ref) == {"approved": True}


def test_one_sent_before_anybody_waits_is_kept(turnstile: Turnstile) -> None:
    @alula.remote
    def first(turnstile: Turnstile) -> Node[Any]:
        turnstile.wait()
        return workflow.wait_for_signal("go")

    ref: Any = workflow.run_async(first.bind(turnstile), workflow_id="w")
    turnstile.arrived()
    workflow.signal("w", "go", 7)
    turnstile.let()
    assert alula.get(ref) == 7


def test_they_come_in_order_and_each_goes_to_one_task() -> None:
    nodes = [workflow.wait_for_signal("n") for _ in range(5)]
    ref = workflow.run_async(together.bind(*nodes), workflow_id="w")
    for n in range(5):
        workflow.signal("w", "n", n)
    assert sorted(alula.get(ref)) == [0, 1, 2, 3, 4]


def test_what_was_taken_is_not_given_out_again(tmp_path: Path) -> None:
    @alula.remote
    def second(value: int) -> Node[Any]:
        return together.bind(value, workflow.wait_for_signal("n"))

    @alula.remote
    def use(flag: Path, value: int) -> Node[Any]:
        return second.bind(fail_unless.bind(flag, value))

    ref = workflow.run_async(use.bind(tmp_path / "flag", workflow.wait_for_signal("n")), workflow_id="w")
    workflow.signal("w", "n", 1)
    with pytest.raises(WorkflowExecutionError):
        alula.get(ref)
    workflow.reset_default_executor()
    (tmp_path / "flag").touch()
    workflow.signal("w", "n", 2)
    assert workflow.resume("w") == [1, 2]


def test_one_idempotency_key_is_delivered_once() -> None:
    ref = workflow.run_async(
        together.bind(workflow.wait_for_signal("n"), workflow.wait_for_signal("n")), workflow_id="w"
    )
    for payload in (1, 2):
        workflow.signal("w", "n", payload, idempotency_key="same")
    assert alula.wait([ref], timeout=0.05)[0] == []
    workflow.signal("w", "n", 3, idempotency_key="another")
    assert sorted(alula.get(ref)) == [1, 3]


def test_large_payloads_travel_too() -> None:
    ref = workflow.run_async(workflow.wait_for_signal("n"), workflow_id="w")
    workflow.signal("w", "n", b"x" * 10**6)
    assert alula.get(ref) == b"x" * 10**6


def test_a_signal_that_does_not_come_in_time_fails_its_task() -> None:
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(workflow.wait_for_signal("go", timeout=0.01), workflow_id="w")
    assert isinstance(caught.value.__cause__, WorkflowTimeoutError)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert "'go'" in str(caught.value.__cause__)
    workflow.signal("w", "go", 1)
    assert workflow.resume("w") == 1


def test_the_time_for_a_signal_does_not_begin_anew(open_timed: Open, clock: Clock) -> None:
    first = open_timed()
    graph = Graph.of(together.bind(workflow.wait_for_signal("a", 60), workflow.wait_for_signal("b", 90)))
    first.submit(graph, id="w")
    recorded(first, "w", "workflow.wait_for_signal.due", "workflow.wait_for_signal.due_1")
    first.close()
    clock.advance(60)
    second = open_timed()
    second.signal("w", "a", "too late, but there")
    handle = second.resume("w")
    recorded(second, "w", "workflow.wait_for_signal")
    clock.advance(30)
    with pytest.raises(WorkflowExecutionError) as caught:
        handle.result()
    assert "'b'" in str(caught.value.__cause__)
    assert "90 s" in str(caught.value.__cause__)


def recorded(executor: Executor, id_: str, *names: str) -> None:
    """Wait until tasks have their values."""
    for name in names:
        executor.output(id_, task_id=name).result(150)


def test_of_two_that_wait_the_one_without_a_signal_is_late(open_timed: Open, clock: Clock) -> None:
    executor = open_timed()

    @alula.remote
    def waits() -> Node[Any]:
        return workflow.wait_for_signal("n", 60)

    nodes = [waits.options(**workflow.options(catch_exceptions=True)).bind() for _ in range(2)]
    handle = executor.submit(Graph.of(together.bind(*nodes)), id="w")
    recorded(executor, "w", "workflow.wait_for_signal.due", "workflow.wait_for_signal.due_1")
    executor.signal("w", "n", 5)
    clock.advance(60)
    pairs = sorted(handle.result(150), key=str)
    assert [value for value, _ in pairs] == [5, None]
    assert isinstance(pairs[1][1], WorkflowTimeoutError)


def test_another_process_may_send_it(home: Path) -> None:
    ref = workflow.run_async(workflow.wait_for_signal("go"), workflow_id="w")
    code = "from alula import workflow; workflow.signal('w', 'go', 5)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=150)
    assert alula.get(ref) == 5


def test_a_finished_workflow_takes_none() -> None:
    workflow.run(add.bind(1), workflow_id="w")
    with pytest.raises(WorkflowError, match="succeeded"):
        workflow.signal("w", "go")


def test_an_unknown_one_neither() -> None:
    with pytest.raises(WorkflowNotFoundError):
        workflow.signal("nobody", "go")
    assert workflow.list_all() == []


@pytest.mark.parametrize(("key", "error"), [(1, TypeError), ("", ValueError), ("x" * 256, ValueError)])
def test_a_key_is_text(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="key"):
        workflow.signal("w", key)
    with pytest.raises(error, match="key"):
        workflow.wait_for_signal(key)


@pytest.mark.parametrize(
    ("timeout", "error"), [("1", TypeError), (-1, ValueError), (float("nan"), ValueError)]
)
def test_a_timeout_is_a_number(timeout: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="timeout"):
        workflow.wait_for_signal("go", timeout)


def test_a_payload_that_cannot_be_pickled_is_refused_at_once() -> None:
    workflow.run_async(workflow.wait_for_signal("go"), workflow_id="w")
    with pytest.raises(TypeError):
        workflow.signal("w", "go", threading.Lock())
    workflow.cancel("w")


def test_a_task_tells_of_its_progress(turnstile: Turnstile) -> None:
    ref = workflow.run_async(told.bind(turnstile, 10, 50), workflow_id="w")
    turnstile.arrived()
    assert workflow.get_event("w", "progress") == 50
    turnstile.let()
    assert alula.get(ref) == 2
    assert workflow.get_event("w", "progress") == 50


def test_who_asks_early_waits_for_it(turnstile: Turnstile) -> None:
    @alula.remote
    def late(turnstile: Turnstile) -> None:
        turnstile.wait()
        workflow.set_event("ready", "yes")
        turnstile.wait()

    ref = workflow.run_async(late.bind(turnstile), workflow_id="w")
    turnstile.arrived()
    with pytest.raises(GetTimeoutError):
        workflow.get_event("w", "ready", timeout=0)
    turnstile.let(1)
    assert workflow.get_event("w", "ready") == "yes"
    turnstile.let(1)
    assert alula.get(ref) is None


def test_an_event_that_never_came_is_an_error() -> None:
    workflow.run(add.bind(1), workflow_id="w")
    with pytest.raises(WorkflowOutputNotReady, match="'progress'"):
        workflow.get_event("w", "progress")
    with pytest.raises(WorkflowNotFoundError):
        workflow.get_event("nobody", "progress")


def test_only_a_task_can_tell() -> None:
    with pytest.raises(WorkflowError, match="task"):
        workflow.set_event("progress", 1)


def test_a_cancelled_task_cannot_tell_any_more(turnstile: Turnstile, tally: Tally) -> None:
    @alula.remote
    def stubborn(turnstile: Turnstile) -> None:
        try:
            turnstile.wait()
        except KeyboardInterrupt:
            workflow.set_event("progress", 1)

    workflow.run_async(stubborn.bind(turnstile), workflow_id="w")
    turnstile.arrived()
    workflow.cancel("w")
    with pytest.raises(WorkflowOutputNotReady):
        workflow.get_event("w", "progress")


def test_deleting_takes_the_mail_with_it() -> None:
    ref = workflow.run_async(together.bind(workflow.wait_for_signal("a")), workflow_id="w")
    workflow.signal("w", "b", 1)
    workflow.signal("w", "a", 1)
    alula.get(ref)
    workflow.delete("w")
    ref = workflow.run_async(workflow.wait_for_signal("b"), workflow_id="w")
    assert alula.wait([ref], timeout=0.05)[0] == []
    workflow.cancel("w")

"""Workers that go ahead: which tasks they go on with, and that nothing changes but the time it takes."""

import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest

import alula
from alula import workflow
from alula._core._gates import arm
from alula.errors import WorkerCrashedError, WorkflowExecutionError
from alula.graph import Graph, Node
from alula.testing import Turnstile
from alula.workflow._ahead import go_ahead
from alula.workflow._ledger import Book
from alula.workflow._orders import Order
from alula.workflow._outlines import first_of, outline
from alula.workflow._owner import Owner
from alula.workflow._replies import Reply
from alula.workflow._tasks import Span, tasks_of
from alula.workflow._vault import Stored, Vault
from tests.workflow.bodies import OddError, Tally, add, die_first, fail_first, fail_unless, held, noted

GPU = add.options(num_gpus=1)
HERE = workflow.options(allow_inplace=True)


# ------------------------------------------------------------------------------- who follows whom


def followed(node: Node[Any], vault: Vault) -> list[list[str]]:
    """Give the names of the tasks that follow each task of a graph, where any do."""
    graph = outline(tasks_of(Graph.of(node), vault))
    lines = [graph.nodes[key].options.get("followers") for key in graph.nodes]
    return [[task.name for task in first_of(line)] for line in lines if line]


def named(name: str, *args: Any, fn: Any = add, **options: Any) -> Node[Any]:
    node: Node[Any] = fn.options(**workflow.options(task_id=name, **options)).bind(*args)
    return node


def test_each_task_of_a_chain_is_followed_by_those_behind_it(vault: Vault) -> None:
    assert followed(named("c", named("b", named("a"))), vault) == [["b", "c"], ["c"]]


def test_a_task_that_two_read_or_that_reads_two_is_scheduled(vault: Vault) -> None:
    a = named("a")
    assert followed(named("d", named("b", a), named("c", a)), vault) == []


@pytest.mark.parametrize(
    "second",
    [
        lambda a: named("b", a, fn=GPU),
        lambda a: named("b", a, fn=add.options(num_cpus=0.5)),
        lambda a: named("b", a, checkpoint=False),
        lambda a: named("b", a, catch_exceptions=True),
        lambda a: named("b", a, max_retries=0),
        lambda a: named("b", a, timeout=3),
        lambda a: named("b", a, allow_inplace=True),
        lambda a: workflow.wait([a]),
    ],
)
def test_what_asks_for_more_than_a_worker_that_is_there_is_scheduled(
    vault: Vault, second: Callable[[Node[Any]], Node[Any]]
) -> None:
    assert followed(second(named("a")), vault) == []


def test_no_more_is_told_than_fills_the_time_of_a_worker(vault: Vault) -> None:
    node = named("t0")
    for i in range(1, 200):
        node = named(f"t{i}", node)
    told = followed(node, vault)
    assert [len(line) for line in told[:3]] == [64, 64, 64]
    assert told[-1] == ["t199"]
    large = named("b", named("a"), b"x" * 30_000)
    for i in range(4):
        large = named(f"l{i}", large, b"y" * 30_000)
    assert [len(line) for line in followed(large, vault)] == [2, 2, 2, 2, 1]


# ----------------------------------------------------------------------------------- what they do


def chain(tally: Tally, length: int) -> Node[Any]:
    node = noted.bind(tally, "0")
    for i in range(1, length):
        node = noted.bind(tally, str(i), node)
    return node


def test_every_task_of_a_chain_is_recorded_and_runs_once(tally: Tally) -> None:
    assert workflow.run(chain(tally, 150), workflow_id="w") == 150
    assert tally.counts() == {str(i): 1 for i in range(150)}
    tasks = workflow.list_tasks("w")
    assert all(task.recorded and task.attempts == 1 for task in tasks)
    spans = [(task.started, task.ended) for task in tasks]
    assert spans == sorted(spans)


def test_a_value_is_handed_on_as_it_was_recorded() -> None:
    @alula.remote
    def make() -> list[int]:
        kept.append([1])
        return kept[-1]

    @alula.remote
    def change(values: list[int]) -> tuple[list[int], bool]:
        values.append(2)
        return values, values is kept[-1] if kept else False

    kept: list[list[int]] = []
    assert workflow.run(change.bind(named("made", fn=make)), workflow_id="w") == ([1, 2], False)
    assert workflow.get_output("w", task_id="made") == [1]


def test_large_values_go_through_a_chain() -> None:
    @alula.remote
    def more(values: Any) -> Any:
        return values + 1.0

    result = workflow.run(more.bind(more.bind(more.bind(np.zeros(50_000)))), workflow_id="w")
    np.testing.assert_array_equal(result, np.full(50_000, 3.0))


def test_who_waits_for_a_task_hears_of_it_while_the_next_one_runs(turnstile: Turnstile) -> None:
    workflow.run_async(held.bind(turnstile, named("first", 1)), workflow_id="w")
    turnstile.arrived()
    assert workflow.get_output("w", task_id="first") == 1
    turnstile.let()
    assert workflow.get_output("w") == 1


def test_a_chain_may_be_cancelled_wherever_it_is(turnstile: Turnstile) -> None:
    workflow.run_async(named("late", held.bind(turnstile, named("first", 1))), workflow_id="w")
    turnstile.arrived()
    workflow.cancel("w")
    assert workflow.get_status("w") == workflow.CANCELED
    assert workflow.get_output("w", task_id="first") == 1


def test_a_task_in_a_chain_may_go_on_with_another() -> None:
    @alula.remote
    def grow(value: int) -> Any:
        return add.bind(add.bind(value, 1), 1)

    @alula.remote
    def grow_here(value: int) -> Any:
        return add.options(**HERE).bind(value, 1)

    node = add.bind(grow_here.bind(add.bind(grow.bind(add.bind(1, 2)))), 10)
    assert workflow.run(node, workflow_id="w") == 16


# --------------------------------------------------------------------------------- what goes wrong


def test_a_task_that_fails_in_a_chain_is_tried_as_often_as_it_says(tally: Tally) -> None:
    trying = workflow.options(max_retries=3, retry_exceptions=[ValueError], task_id="trying")
    node = add.bind(fail_first.options(**trying).bind(tally, named("two", 1, 1)), 10)
    assert workflow.run(node, workflow_id="w") == 13
    [task] = [task for task in workflow.list_tasks("w") if task.task_id == "trying"]
    assert task.attempts == tally.counts()["try"] == 3


def test_a_failure_in_a_chain_names_its_task_and_is_resumed_from_there(tally: Tally, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    failing = fail_unless.options(**workflow.options(task_id="failing"))
    node = add.bind(failing.bind(flag, noted.bind(tally, "before", 1)), 10)
    with pytest.raises(WorkflowExecutionError, match="failing") as raised:
        workflow.run(node, workflow_id="w")
    assert isinstance(raised.value.__cause__, OddError)
    flag.touch()
    assert workflow.resume("w") == 12
    assert tally.counts() == {"before": 1}


@pytest.mark.parametrize(("most", "survives"), [(2, True), (1, False)])
def test_a_task_whose_worker_dies_in_a_chain_is_tried_as_often_as_it_says(
    tally: Tally, most: int, survives: bool
) -> None:
    dying = die_first.options(**workflow.options(max_retries=most))
    node = add.bind(dying.bind(tally, noted.bind(tally, "before", 1)), 10)
    if survives:
        assert workflow.run(node, workflow_id="w") == 13
    else:
        with pytest.raises(WorkflowExecutionError) as raised:
            workflow.run(node, workflow_id="w")
        assert isinstance(raised.value.__cause__, WorkerCrashedError)
    assert tally.counts() == {"before": 1, "try": most + 1}


def test_a_task_that_may_be_tried_once_is_tried_once(tally: Tally) -> None:
    dying = die_first.options(**workflow.options(max_retries=0))
    with pytest.raises(WorkflowExecutionError):
        workflow.run(dying.bind(tally, noted.bind(tally, "before", 1)), workflow_id="w")
    assert tally.counts() == {"before": 1, "try": 1}


def test_a_worker_that_cannot_reach_the_records_leaves_them_to_others(vault: Vault) -> None:
    book = Book("sqlite:////dev/null/all.db", "normal", Owner(1, "w", "me", 1, 1))
    [task] = tasks_of(Graph.of(named("a")), vault)
    site, packed, refs = Order.packed(pickle.dumps((vault, book)), task, (), [task])
    reply = Reply.made(Stored("", b"value"), Span(0, 1, 1))
    for _ in range(2):
        assert (
            go_ahead(Order.of(site, packed, refs), reply, perform=NotImplemented, began=monotonic()) is reply
        )


@pytest.mark.parametrize("gate", ["ahead.recorded", "store.before_commit", "store.committed"])
def test_a_worker_killed_at_any_gate_has_its_chain_go_on(tally: Tally, gate: str) -> None:
    @alula.remote
    def mortal(tally: Tally, name: str, *before: int) -> int:
        tally.mark(name)
        if name == "7" and tally.counts()["7"] == 1:
            arm(gate, lambda: os.kill(os.getpid(), signal.SIGKILL))
        return sum(before) + 1

    node = mortal.bind(tally, "0")
    for i in range(1, 30):
        node = mortal.bind(tally, str(i), node)
    assert workflow.run(node, workflow_id="w") == 30
    counts = tally.counts()
    assert set(counts) == set(map(str, range(30)))
    # Only what was not recorded when its worker died has run twice.
    assert sum(counts.values()) <= (31 if gate == "store.before_commit" else 30)

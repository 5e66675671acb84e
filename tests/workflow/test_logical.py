"""Logical tasks: settled in the executor's process, recorded and recovered like calls."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import WorkflowCancellationError, WorkflowExecutionError, WorkflowNotResumableError
from alula.futures import ObjectRef
from alula.graph import Cancel, Done, Failed, Graph, Node, Then
from alula.workflow import Executor
from alula.workflow._logical import Logical
from alula.workflow._site import Attended
from alula.workflow._tasks import Task
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, fail_unless, noted

pytestmark = ON_BOTH

Given = tuple[Task, tuple[Any, ...], dict[str, Any], Then]


class Desk:
    """Attends to the tasks of one kind: keeps what it is given, and answers when the test says so."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.given: list[Given] = []
        self.threads: set[str] = set()
        self.arrived = threading.Semaphore(0)
        self.let_go = threading.Event()
        self._at_once = at_once

    def attend(self, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], then: Then) -> Cancel:
        self.given.append((task, args, kwargs, then))
        self.threads.add(threading.current_thread().name)
        if self._at_once:
            then(Done((args, kwargs)))
        self.arrived.release()
        return self.let_go.set


def asked(*args: Any, **kwargs: Any) -> Node[Any]:
    return Node(Logical("ask", "asked", {"loud": True}), args, kwargs, {"metadata": {"who": "me"}})


@alula.remote
def size(value: Any) -> int:
    return len(value)


Open = Callable[[Desk | None], Executor]


@pytest.fixture
def open_executor(home: Path) -> Iterator[Open]:
    opened: list[Executor] = []

    def open_one(desk: Desk | None) -> Executor:
        kinds = {} if desk is None else {"ask": lambda site: Attended(site, desk.attend)}
        opened.append(Executor.open(Settings.load(), kinds=kinds))
        return opened[-1]

    yield open_one
    for executor in opened:
        executor.close()


def test_it_gets_its_arguments_opened_in_a_thread_of_its_own(open_executor: Open) -> None:
    desk = Desk(at_once=True)
    node = asked(1, add.bind(2, 3), key=[add.bind(4)])
    (args, kwargs) = open_executor(desk).submit(Graph.of(node)).result(150)
    assert args == (1, 5)
    assert isinstance(kwargs["key"][0], ObjectRef)
    assert all(name.startswith("alula-workflow-aside") for name in desk.threads)
    [(task, *_)] = desk.given
    assert (task.kind, task.name, task.facts, task.metadata) == (
        "ask",
        "asked",
        {"loud": True},
        {"who": "me"},
    )


def test_its_value_is_recorded_before_its_reader_starts_and_it_is_not_asked_again(
    open_executor: Open, tmp_path: Path, tally: Tally
) -> None:
    desk = Desk()
    executor = open_executor(desk)
    handle = executor.submit(Graph.of(fail_unless.bind(tmp_path / "flag", asked())), id="w")
    desk.arrived.acquire(timeout=10)
    desk.given[0][-1](Done("news"))
    with pytest.raises(WorkflowExecutionError):
        handle.result(150)
    assert executor.output("w", task_id="asked").result(150) == "news"
    (tmp_path / "flag").touch()
    assert executor.resume("w").result(150) == "news"
    assert len(desk.given) == 1


def test_one_that_has_no_answer_yet_is_asked_again_after_a_resume(open_executor: Open, tally: Tally) -> None:
    first = Desk()
    executor = open_executor(first)
    executor.submit(Graph.of(asked(noted.bind(tally, "input"))), id="w")
    first.arrived.acquire(timeout=10)
    executor.close()
    assert first.let_go.wait(150)
    second = Desk(at_once=True)
    assert open_executor(second).resume("w").result(150) == ((1,), {})
    [(task, *_)] = second.given
    assert (task.kind, task.facts, task.metadata) == ("ask", {"loud": True}, {"who": "me"})
    assert tally.counts() == {"input": 1}


def test_an_error_fails_the_workflow(open_executor: Open) -> None:
    desk = Desk()
    handle = open_executor(desk).submit(Graph.of(asked()))
    desk.arrived.acquire(timeout=10)
    desk.given[0][-1](Failed(ValueError("no")))
    with pytest.raises(WorkflowExecutionError, match="'asked'") as caught:
        handle.result(150)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_cancelled_workflow_lets_go_of_it_and_ignores_what_comes_later(open_executor: Open) -> None:
    desk = Desk()
    handle = open_executor(desk).submit(Graph.of(asked()))
    desk.arrived.acquire(timeout=10)
    handle.cancel()
    with pytest.raises(WorkflowCancellationError):
        handle.result(150)
    assert desk.let_go.wait(150)
    desk.given[0][-1](Done("late"))
    assert handle.status == "CANCELED"


def test_a_value_that_cannot_be_stored_fails_it(open_executor: Open) -> None:
    desk = Desk()
    handle = open_executor(desk).submit(Graph.of(asked()))
    desk.arrived.acquire(timeout=10)
    desk.given[0][-1](Done(threading.Lock()))
    with pytest.raises(WorkflowExecutionError) as caught:
        handle.result(150)
    assert isinstance(caught.value.__cause__, TypeError)


def test_one_that_is_not_recorded_reaches_its_reader(open_executor: Open, tally: Tally) -> None:
    desk = Desk(at_once=True)
    node = asked(1)
    volatile: Node[Any] = Node(node.fn, node.args, {}, workflow.options(checkpoint=False)["metadata"])
    handle = open_executor(desk).submit(Graph.of(noted.bind(tally, "reader", size.bind(volatile))))
    assert handle.result(150) == 3


def test_a_kind_that_is_not_known_here_is_named(open_executor: Open) -> None:
    handle = open_executor(None).submit(Graph.of(asked()))
    with pytest.raises(WorkflowExecutionError) as caught:
        handle.result(150)
    assert isinstance(caught.value.__cause__, WorkflowNotResumableError)
    assert "the kind 'ask'" in str(caught.value.__cause__)


def test_metadata_name_the_kind(open_executor: Open) -> None:
    desk = Desk(at_once=True)
    executor = open_executor(desk)
    executor.submit(Graph.of(asked()), id="w").result(150)
    found = executor.records.task_metadata("w", "asked")
    assert (found["task_options"]["task_type"], found["user_metadata"]) == ("ASK", {"who": "me"})

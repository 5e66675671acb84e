"""A workflow goes on where it is told to: here, or with whoever takes it from the queue."""

from pathlib import Path

import pytest

from alula import workflow
from alula.graph import Graph
from alula.workflow import Executor, WorkflowExecutionError, WorkflowStatus
from tests.conftest import Open
from tests.workflow.bodies import add, fail_unless


def test_what_is_gone_on_with_may_be_left_to_the_queue(open_executor: Open, tmp_path: Path) -> None:
    flag = tmp_path / "mended"
    client: Executor = open_executor(name="client")
    last = add.options(**workflow.options(task_id="last")).bind(fail_unless.bind(flag, 1), 1)
    with pytest.raises(WorkflowExecutionError):
        client.submit(Graph.of(last), id="w", where="here").result(150)
    flag.touch()
    taker: Executor = open_executor(name="taker", claims=True)
    resumed = client.resume("w", where="auto")
    assert client.status("w") is WorkflowStatus.PENDING
    assert [handle.id for handle in taker.claim(5)] == ["w"]
    assert resumed.result(150) == 2
    forked = client.fork("w", "last", "f", where="queue")
    assert [handle.id for handle in taker.claim(5)] == ["f"]
    assert forked.result(150) == 2
    assert client.records.describe("f").executor == "taker"


def test_what_nobody_takes_from_the_queue_goes_on_here(open_executor: Open, tmp_path: Path) -> None:
    flag = tmp_path / "mended"
    client: Executor = open_executor(name="client")
    with pytest.raises(WorkflowExecutionError):
        client.submit(Graph.of(fail_unless.bind(flag, 1)), id="w", where="here").result(150)
    flag.touch()
    assert client.resume("w", where="auto").result(150) == 1
    assert client.records.describe("w").executor == "client"

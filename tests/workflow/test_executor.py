"""Executors of one store, several in this process where other processes would behave the same."""

import logging
import threading
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from sqlalchemy import Connection

import alula
from alula._core._settings import Settings
from alula.errors import (
    FencedError,
    GetTimeoutError,
    NodeDiedError,
    WorkflowCancellationError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotResumableError,
    WorkflowOutputNotReady,
)
from alula.futures import Engine, open_engine
from alula.graph import Graph, Node
from alula.testing import Turnstile, fail, faults
from alula.workflow._journal import PYTHON
from tests.conftest import Open
from tests.postgres import ON_BOTH
from tests.workflow.bodies import OddError, Tally, add, fail_unless, held, noted

pytestmark = ON_BOTH


def graph(node: Node[Any]) -> Graph:
    return Graph.of(node)


# ---------------------------------------------------------------------------------------- handles


def test_a_handle_tells_status_and_result(open_executor: Open, turnstile: Turnstile) -> None:
    handle = open_executor().submit(graph(held.bind(turnstile, 5)), id="w")
    turnstile.arrived()
    assert (handle.id, handle.status, handle.done()) == ("w", "RUNNING", False)
    with pytest.raises(GetTimeoutError, match="workflow 'w' not ready after 0"):
        handle.result(0)
    turnstile.let()
    assert (handle.result(), handle.status, handle.done()) == (5, "SUCCESSFUL", True)


def test_the_status_is_final_before_anybody_hears_of_the_end(open_executor: Open, tmp_path: Path) -> None:
    executor = open_executor()
    seen: Queue[str] = Queue()
    handle = executor.submit(graph(fail_unless.bind(tmp_path / "no", 1)))
    handle._future.add_done_callback(lambda _: seen.put(handle.status))
    assert seen.get(timeout=150) == "FAILED"


def test_a_failed_workflow_tells_its_error_to_who_comes_later(open_executor: Open, tmp_path: Path) -> None:
    task = fail_unless.options(**alula.workflow.options(task_id="shaky"))
    handle = open_executor().submit(graph(task.bind(tmp_path / "no", 1)), id="w")
    with pytest.raises(WorkflowExecutionError):
        handle.result()
    with pytest.raises(WorkflowExecutionError) as caught:
        open_executor().find("w").result()
    assert caught.value.task_id == "shaky"
    assert isinstance(caught.value.__cause__, OddError)
    assert caught.value.__cause__.code == 7


def test_who_waits_elsewhere_hears_of_the_end(open_executor: Open, turnstile: Turnstile) -> None:
    runner, watcher = open_executor(), open_executor()
    runner.submit(graph(held.bind(turnstile, 5)), id="w")
    handle = watcher.find("w")
    turnstile.let()
    assert handle.result(150) == 5


def test_siblings_of_a_failed_task_are_recorded_before_the_workflow_fails(
    open_executor: Open, tmp_path: Path, tally: Tally, turnstile: Turnstile
) -> None:
    broken, flag = fail_unless.bind(tmp_path / "flag", 1), tmp_path / "flag"
    sibling = noted.bind(tally, "sibling", held.bind(turnstile, 1))
    slow = held.options(**alula.workflow.options(task_id="slow")).bind(turnstile, 1)
    executor = open_executor()
    handle = executor.submit(graph(add.bind(slow, broken, sibling)), id="w")
    turnstile.arrived()
    turnstile.let()
    with pytest.raises(WorkflowExecutionError):
        handle.result()
    assert executor.output("w", task_id="slow").result() == 1
    flag.touch()
    assert executor.resume("w").result() == 4


# ----------------------------------------------------------------------------------- labels, queue


def test_a_label_that_this_executor_lacks_cannot_be_run_here(open_executor: Open) -> None:
    with pytest.raises(ValueError, match=r"lacks the labels \['gpu'\]"):
        open_executor().submit(graph(add.bind(1)), labels=["gpu"], where="here")


def test_a_label_that_nobody_has_waits_with_a_warning_that_names_the_known(open_executor: Open) -> None:
    executor = open_executor(labels=["default", "cpu"])
    with pytest.warns(UserWarning, match=r"known labels are \['cpu', 'default'\]"):
        handle = executor.submit(graph(add.bind(1)), labels=["gpu"])
    assert handle.status == "PENDING"
    with pytest.raises(RuntimeError, match="PENDING"):
        executor.resume(handle.id)


def test_auto_leaves_to_the_queue_what_a_living_executor_takes_from_there(open_executor: Open) -> None:
    client, server = open_executor(), open_executor(labels=["default", "gpu"], claims=True)
    handles = [client.submit(graph(add.bind(n)), labels=["gpu"]) for n in range(3)]
    assert [handle.status for handle in handles] == ["PENDING"] * 3
    assert [handle.id for handle in server.claim(2)] == [handle.id for handle in handles[:2]]
    assert len(server.claim(5)) == 1
    assert [handle.result(150) for handle in handles] == [0, 1, 2]


def test_auto_runs_here_when_nobody_claims(open_executor: Open) -> None:
    handle = open_executor().submit(graph(add.bind(1)))
    assert handle.result() == 1


def test_only_what_the_labels_fit_is_claimed(open_executor: Open) -> None:
    client = open_executor()
    with pytest.warns(UserWarning, match="no living executor"):
        client.submit(graph(add.bind(1)), labels=["gpu", "default"], where="queue")
    assert open_executor(labels=["gpu"], claims=True).claim(5) == []
    assert len(open_executor(labels=["default", "gpu"], claims=True).claim(5)) == 1


def test_a_workflow_is_claimed_by_one_of_many(open_executor: Open) -> None:
    takers = [open_executor(claims=True) for _ in range(3)]
    client = open_executor()
    handles = [client.submit(graph(add.bind(n)), where="queue") for n in range(20)]
    claimed: list[list[str]] = [[] for _ in takers]

    def take(i: int) -> None:
        while got := takers[i].claim(2):
            claimed[i] += [handle.id for handle in got]

    threads = [threading.Thread(target=take, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(id_ for ids in claimed for id_ in ids) == sorted(handle.id for handle in handles)
    assert [handle.result(150) for handle in handles] == list(range(20))


def test_a_known_id_may_go_on_by_way_of_the_queue(open_executor: Open, tmp_path: Path) -> None:
    client, node = open_executor(), fail_unless.bind(tmp_path / "flag", 5)
    with pytest.raises(WorkflowExecutionError):
        client.submit(graph(node), id="w").result()
    (tmp_path / "flag").touch()
    server = open_executor(claims=True)
    handle = client.submit(graph(node), id="w")
    assert handle.status == "PENDING"
    server.claim()
    assert handle.result(150) == 5


# ------------------------------------------------------------------------------------ leaving off


def test_what_a_closed_executor_leaves_can_be_resumed(
    open_executor: Open, turnstile: Turnstile, tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = open_executor(), open_executor()
    handle = first.submit(graph(held.bind(turnstile, noted.bind(tally, "first"))), id="w")
    turnstile.arrived()
    with caplog.at_level(logging.WARNING, "alula.workflow"):
        first.close()
    assert [record.getMessage() for record in caplog.records] == [
        "unfinished, and to be continued by alula.workflow.resume(id): w"
    ]
    with pytest.raises(WorkflowOutputNotReady, match="closed"):
        handle.result()
    assert second.status("w") == "RESUMABLE"
    turnstile.let()
    assert second.resume("w").result() == 1
    assert tally.counts() == {"first": 1}


def test_what_is_to_be_requeued_goes_back_to_the_queue(open_executor: Open, turnstile: Turnstile) -> None:
    first, second = open_executor(), open_executor(claims=True)
    first.submit(graph(held.bind(turnstile, 5)), id="w", requeue=True, where="here")
    turnstile.arrived()
    first.close()
    assert second.status("w") == "PENDING"
    turnstile.let()
    [handle] = second.claim()
    assert handle.result() == 5


def test_what_runs_nowhere_any_more_cannot_be_recorded(open_executor: Open, turnstile: Turnstile) -> None:
    first, second = open_executor(), open_executor()
    ours = first.submit(graph(held.bind(turnstile, 5)), id="w")
    turnstile.arrived()
    first._executors.release(first.lease)  # as if its process had died; in truth it lives on
    theirs = second.resume("w")
    turnstile.arrived()
    turnstile.let()
    assert theirs.result(150) == 5
    with pytest.raises(FencedError, match="'w' is no longer owned"):
        ours.result(150)


def test_a_workflow_may_be_cancelled_from_anywhere(open_executor: Open, turnstile: Turnstile) -> None:
    runner, other = open_executor(), open_executor()
    handle = runner.submit(graph(add.bind(held.bind(turnstile, 5), 1)), id="w")
    turnstile.arrived()
    other.find("w").cancel()
    assert other.status("w") == "CANCELED"
    with pytest.raises(WorkflowCancellationError):
        handle.result(150)


def test_what_is_not_yet_durable_is_not_taken_for_another_ones(
    open_executor: Open, turnstile: Turnstile
) -> None:
    """Whoever looks for what was taken away must not see what is just being made."""
    executor = open_executor()
    store, writing, go_on = executor._store, threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        writing.set()
        assert go_on.wait(150)

    found: Queue[Any] = Queue()
    graph = Graph.of(held.bind(turnstile, 1))
    store.post(hold, lambda *_: None)
    assert writing.wait(150)
    caller = threading.Thread(target=lambda: found.put(executor.submit(graph, id="w")))
    caller.start()
    while not store._writer._queue:
        pass
    store.post(lambda connection: executor._runs.check(), lambda *_: None)  # in the same transaction
    go_on.set()
    handle = found.get(timeout=150)
    caller.join(150)
    turnstile.arrived()
    turnstile.let()
    assert handle.result(150) == 1


def test_a_waiting_workflow_may_be_cancelled(open_executor: Open) -> None:
    client, server = open_executor(), open_executor(claims=True)
    handle = client.submit(graph(add.bind(1)), where="queue")
    handle.cancel()
    assert (server.claim(), handle.status) == ([], "CANCELED")
    with pytest.raises(WorkflowCancellationError):
        handle.result()


def test_what_waits_through_a_closed_executor_hears_of_it(open_executor: Open, turnstile: Turnstile) -> None:
    runner, watcher = open_executor(), open_executor()
    runner.submit(graph(held.bind(turnstile)), id="w")
    turnstile.arrived()
    handle = watcher.find("w")
    watcher.close()
    with pytest.raises(WorkflowError, match="closed"):
        handle.result(150)


def test_the_end_of_the_engine_leaves_a_workflow_to_be_resumed(
    open_executor: Open, turnstile: Turnstile
) -> None:
    engine: Engine = open_engine(Settings.load(num_cpus=1))
    first, second = open_executor(engine=lambda: engine), open_executor()
    handle = first.submit(graph(held.bind(turnstile, 5)), id="w")
    turnstile.arrived()
    engine.close()
    with pytest.raises((NodeDiedError, WorkflowOutputNotReady)):
        handle.result(150)
    assert second.status("w") == "RESUMABLE"


def test_another_python_is_refused_by_name(open_executor: Open, tmp_path: Path) -> None:
    executor = open_executor()
    with pytest.raises(WorkflowExecutionError):
        executor.submit(graph(fail_unless.bind(tmp_path / "no", 1)), id="w").result()
    with executor._store.transaction() as connection:
        connection.exec_driver_sql("UPDATE workflows SET python = '2.7'")
    with pytest.raises(WorkflowNotResumableError, match=f"Python 2.7, and this is {PYTHON}"):
        executor.resume("w")


def test_damaged_records_are_told_and_left_as_they_are(open_executor: Open, tmp_path: Path) -> None:
    executor = open_executor()
    with pytest.raises(WorkflowExecutionError):
        executor.submit(graph(fail_unless.bind(tmp_path / "no", 1)), id="w").result()
    with executor._store.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM workflow_tasks")
    with pytest.raises(WorkflowNotResumableError, match="should be recorded"):
        executor.resume("w").result(150)
    assert executor.status("w") == "RESUMABLE"


def test_a_closed_executor_begins_nothing_more(open_executor: Open) -> None:
    executor = open_executor()
    executor._runs.close()
    with pytest.raises(WorkflowError, match="is closed"):
        executor.submit(graph(add.bind(1)), id="w")
    assert executor.records.list() == []


def test_a_callback_that_would_wait_for_itself_is_refused(open_executor: Open, turnstile: Turnstile) -> None:
    executor = open_executor()
    errors: Queue[BaseException] = Queue()

    def again(_: object) -> None:
        try:
            executor.submit(graph(add.bind(1)))
        except RuntimeError as error:
            errors.put(error)

    executor.submit(graph(held.bind(turnstile)))._future.add_done_callback(again)
    turnstile.let()
    assert "callback" in str(errors.get(timeout=150))


# -------------------------------------------------------------------------------------- bad stores


def test_a_submission_that_cannot_be_written_leaves_nothing_behind(open_executor: Open) -> None:
    executor = open_executor()
    with (
        faults({"store.before_commit": fail(OSError("disk full"))}),
        pytest.raises(OSError, match="disk full"),
    ):
        executor.submit(graph(add.bind(1)), id="w")
    assert executor.records.list() == []
    assert executor.submit(graph(add.bind(1)), id="w").result() == 1


def test_a_result_that_cannot_be_written_fails_its_task(open_executor: Open) -> None:
    executor = open_executor()
    with faults({"journal.commit": fail(OSError("disk full"), at=2)}):
        handle = executor.submit(graph(add.bind(1)), id="w")
        with pytest.raises(WorkflowExecutionError) as caught:
            handle.result(150)
    assert isinstance(caught.value.__cause__, OSError)
    assert executor.resume("w").result() == 1

"""Named queues: limits that hold over all executors, and what becomes of those who wait."""

from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import (
    QueueDeduplicatedError,
    QueueNotFoundError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowOutputNotReady,
    WorkflowTimeoutError,
)
from alula.graph import Graph, Node
from alula.testing import Clock, Turnstile
from alula.workflow import Claims, Executor, Handle, Queue, Ticket
from tests.conftest import Open
from tests.postgres import ON_BOTH
from tests.workflow.bodies import add, fail_unless, held

HELD = held.options(num_cpus=0.1)
NEVER = 3600.0  # seconds: who looks so seldom must be woken


@pytest.fixture
def worker(open_timed: Open) -> Executor:
    return open_timed(claims=True)


def put(executor: Executor, id_: str, node: Node[Any] | None = None, **given: Any) -> Handle[Any]:
    """Submit a workflow to the queue q."""
    options = {name: given.pop(name) for name in ("where", "timeout", "on_conflict") if name in given}
    graph = Graph.of(node or add.bind(1))
    return executor.submit(graph, id=id_, ticket=Ticket(queue="q", **given), **options)


def ids(handles: list[Handle[Any]]) -> list[str]:
    return [handle.id for handle in handles]


def statuses(executor: Executor) -> dict[str, str]:
    return {id_: str(status) for id_, status in executor.records.list()}


# ------------------------------------------------------------------------------------------ limits


@ON_BOTH
def test_no_more_run_at_once_than_the_queue_allows_on_all_executors(
    open_timed: Open, turnstile: Turnstile
) -> None:
    first, second = open_timed(claims=True), open_timed(claims=True)
    first.queues.put(Queue("q", concurrency=2))
    handles = [put(first, f"w{n}", HELD.bind(turnstile, n)) for n in range(4)]
    assert ids(first.claim(1)) == ["w0"]
    assert ids(second.claim(5)) == ["w1"]
    assert first.claim(5) == []
    turnstile.let()
    assert [handle.result(150) for handle in handles[:2]] == [0, 1]
    assert ids(first.claim(5)) == ["w2", "w3"]
    assert [handle.result(150) for handle in handles[2:]] == [2, 3]


@ON_BOTH
def test_each_key_has_a_limit_of_its_own(worker: Executor, turnstile: Turnstile) -> None:
    worker.queues.put(Queue("q", concurrency_per_key=1))
    for n, key in enumerate(["ada", "ada", "ben", "ben", "cyd"]):
        put(worker, f"w{n}", HELD.bind(turnstile), key=key)
    assert ids(worker.claim(9)) == ["w0", "w2", "w4"]
    assert worker.claim(9) == []
    turnstile.let()
    worker.find("w2").result(150)
    assert "w3" in ids(worker.claim(9))


def test_so_many_start_in_any_period(worker: Executor, clock: Clock) -> None:
    worker.queues.put(Queue("q", limit=2, period=10))
    for n in range(5):
        put(worker, f"w{n}")
    assert ids(worker.claim(1)) == ["w0"]
    clock.advance(4)
    assert ids(worker.claim(9)) == ["w1"]
    clock.advance(5.5)
    assert worker.claim(9) == []
    clock.advance(0.5)
    assert ids(worker.claim(9)) == ["w2"]
    clock.jump(-3600)  # what lies an hour ahead now does not stop the queue for an hour
    assert ids(worker.claim(9)) == ["w3", "w4"]


def test_a_start_counts_for_its_period_also_when_it_is_deleted(worker: Executor) -> None:
    worker.queues.put(Queue("q", limit=1, period=10))
    put(worker, "w0")
    worker.claim()[0].result()
    worker.delete("w0")
    put(worker, "w1")
    assert worker.claim() == []


def test_priority_goes_first_then_who_came_first(worker: Executor) -> None:
    worker.queues.put(Queue("q", concurrency=1))
    for n, priority in enumerate([5, 0, 0, -1]):
        put(worker, f"w{n}", priority=priority)
    order = []
    while claimed := worker.claim(9):
        order += ids(claimed)
        claimed[0].result(150)
    assert order == ["w3", "w1", "w2", "w0"]


def test_labels_keep_nobody_else_waiting(worker: Executor) -> None:
    worker.queues.put(Queue("q", concurrency=1))
    with pytest.warns(UserWarning, match="gpu"):
        worker.submit(Graph.of(add.bind(1)), id="gpu", labels=["gpu"], ticket=Ticket(queue="q"))
    put(worker, "w")
    assert ids(worker.claim(9)) == ["w"]


def test_the_order_is_one_for_all_labels(open_timed: Open) -> None:
    worker = open_timed("default", "gpu", claims=True)
    worker.queues.put(Queue("q"))
    for n, (label, priority) in enumerate([("gpu", 0), ("default", 1), ("gpu", 1), ("default", 0)]):
        ticket = Ticket(queue="q", priority=priority)
        worker.submit(Graph.of(add.bind(1)), id=f"w{n}", labels=[label], ticket=ticket)
    assert [ids(worker.claim(1)) for _ in range(4)] == [["w0"], ["w3"], ["w1"], ["w2"]]


def test_a_long_queue_does_not_keep_another_one_waiting(worker: Executor) -> None:
    for name in ("a", "b"):
        worker.queues.put(Queue(name))
    for n in range(4):
        for name in ("a", "b"):
            worker.submit(Graph.of(add.bind(1)), id=f"{name}{n}", ticket=Ticket(queue=name))
    worker.submit(Graph.of(add.bind(1)), id="plain", where="queue")
    assert ids(worker.claim(3)) == ["a0", "b0", "a1"]
    assert ids(worker.claim(9)) == ["b1", "a2", "b2", "a3", "b3", "plain"]


# ------------------------------------------------------------------------------------------- delay


@ON_BOTH
def test_who_is_delayed_waits_until_then(worker: Executor, clock: Clock) -> None:
    worker.queues.put(Queue("q"))
    put(worker, "later", delay=60)
    put(worker, "now")
    assert worker.records.workflow_metadata("later")["queue"]["delayed_until"] == 1060.0
    assert ids(worker.claim(9)) == ["now"]
    clock.advance(59)
    assert worker.claim(9) == []
    assert str(worker.status("later")) == "PENDING"
    clock.advance(1)
    assert ids(worker.claim(9)) == ["later"]
    assert "delayed_until" not in worker.records.workflow_metadata("later")["queue"]


def test_the_end_of_a_delay_wakes_an_executor(worker: Executor, clock: Clock) -> None:
    worker.queues.put(Queue("q"))
    with Claims(worker, room=9, look=NEVER):
        handle = put(worker, "later", delay=60)
        clock.advance(60)
        assert handle.result(150) == 1


def test_the_end_of_a_period_wakes_an_executor(worker: Executor, clock: Clock) -> None:
    worker.queues.put(Queue("q", limit=1, period=60))
    with Claims(worker, room=9, look=NEVER):
        handles = [put(worker, f"w{n}") for n in range(2)]
        assert handles[0].result(150) == 1
        assert str(worker.status("w1")) == "PENDING"
        clock.advance(60)
        assert handles[1].result(150) == 1


def test_a_larger_limit_wakes_an_executor(worker: Executor, turnstile: Turnstile) -> None:
    worker.queues.put(Queue("q", concurrency=1))
    with Claims(worker, room=9, look=NEVER):
        for n in range(2):
            put(worker, f"w{n}", HELD.bind(turnstile))
        turnstile.arrived()
        worker.queues.put(Queue("q", concurrency=2), replace=True)
        turnstile.arrived()


@ON_BOTH
def test_a_slot_that_gets_free_wakes_the_other_executors(open_timed: Open, turnstile: Turnstile) -> None:
    first, second = open_timed(claims=True), open_timed(claims=True)
    first.queues.put(Queue("q", concurrency=1))
    handles = [put(first, f"w{n}", HELD.bind(turnstile, n)) for n in range(3)]
    assert ids(first.claim(9)) == ["w0"]
    turnstile.arrived()
    with Claims(second, room=9, look=NEVER):
        turnstile.let()
        assert [handle.result(150) for handle in handles] == [0, 1, 2]


# ------------------------------------------------------------------------------------ the client's


def test_a_client_runs_what_it_submits_where_nobody_else_does(open_timed: Open, turnstile: Turnstile) -> None:
    client, other = open_timed(), open_timed()
    client.queues.put(Queue("q", concurrency=1))
    handles = [put(client, f"w{n}", HELD.bind(turnstile, n)) for n in range(2)]
    turnstile.arrived()
    assert other.claim(9) == []
    assert statuses(other) == {"w0": "RUNNING", "w1": "PENDING"}
    turnstile.let()
    assert [handle.result(150) for handle in handles] == [0, 1]


def test_what_a_client_leaves_is_to_be_resumed(
    open_timed: Open, turnstile: Turnstile, caplog: pytest.LogCaptureFixture
) -> None:
    client, heir = open_timed(), open_timed()
    client.queues.put(Queue("q", concurrency=1))
    for n in range(3):
        put(client, f"w{n}", HELD.bind(turnstile, n))
    turnstile.arrived()
    client.close()
    assert "to be continued by alula.workflow.resume(id): w0, w1, w2" in caplog.text
    assert statuses(heir) == {"w0": "RESUMABLE", "w1": "RESUMABLE", "w2": "RESUMABLE"}
    with pytest.raises(WorkflowOutputNotReady, match="resume"):
        heir.output("w1")
    handle = heir.resume("w1")
    turnstile.let()
    assert handle.result(150) == 1
    assert [handle.result(150) for handle in heir.resume_all()] == [0, 2]


@ON_BOTH
def test_what_a_client_leaves_is_claimed_by_one_who_takes_from_the_queue(
    open_timed: Open, turnstile: Turnstile
) -> None:
    client = open_timed()
    client.queues.put(Queue("q", concurrency=1))
    for n in range(2):
        put(client, f"w{n}", HELD.bind(turnstile, n))
    turnstile.arrived()
    client.close()
    worker = open_timed(claims=True)
    assert ids(worker.claim(9)) == ["w0"]
    turnstile.let()
    assert worker.find("w0").result(150) == 0
    assert ids(worker.claim(9)) == ["w1"]


def test_the_slot_of_a_dead_client_is_free_for_another(open_timed: Open, turnstile: Turnstile) -> None:
    client = open_timed()
    client.queues.put(Queue("q", concurrency=1))
    put(client, "dead", HELD.bind(turnstile))
    turnstile.arrived()
    client._executors.release(client.lease)  # as its death does
    other = open_timed()
    assert put(other, "w").result(150) == 1
    assert str(other.status("dead")) == "RESUMABLE"


def test_an_id_that_waits_or_runs_in_the_queue_gives_that_workflow(worker: Executor) -> None:
    worker.queues.put(Queue("q", concurrency=1))
    put(worker, "w")
    again = put(worker, "w")
    assert ids(worker.claim(9)) == ["w"]
    assert again.result(150) == 1
    put(worker, "x")
    with pytest.raises(RuntimeError, match="PENDING"):
        put(worker, "x", on_conflict="fail")


# ----------------------------------------------------------------------------------- deduplication


@ON_BOTH
def test_of_one_deduplication_id_one_waits_or_runs(worker: Executor, turnstile: Turnstile) -> None:
    worker.queues.put(Queue("q"))
    worker.queues.put(Queue("r"))
    put(worker, "first", HELD.bind(turnstile), deduplication_id="d")
    for _ in range(2):
        with pytest.raises(QueueDeduplicatedError, match="'first'") as caught:
            put(worker, "second", deduplication_id="d")
        worker.claim()
    assert (caught.value.workflow_id, caught.value.deduplication_id) == ("first", "d")
    put(worker, "other", deduplication_id="e")
    worker.submit(Graph.of(add.bind(1)), id="elsewhere", ticket=Ticket(queue="r", deduplication_id="d"))
    assert set(statuses(worker)) == {"first", "other", "elsewhere"}
    turnstile.let()
    worker.find("first").result(150)
    put(worker, "second", deduplication_id="d")


def test_who_is_resumed_meets_who_has_taken_its_deduplication_id(worker: Executor) -> None:
    worker.queues.put(Queue("q"))
    put(worker, "first", deduplication_id="d")
    worker.cancel("first")
    put(worker, "second", deduplication_id="d")
    with pytest.raises(QueueDeduplicatedError, match="'second'"):
        worker.resume("first")
    assert statuses(worker) == {"first": "CANCELED", "second": "PENDING"}


# ---------------------------------------------------------------------------------- what may happen


def test_who_is_cancelled_gives_its_slot_back(worker: Executor, turnstile: Turnstile) -> None:
    worker.queues.put(Queue("q", concurrency=1))
    for n in range(3):
        put(worker, f"w{n}", HELD.bind(turnstile, n))
    worker.claim(9)
    turnstile.arrived()
    worker.cancel("w1")
    worker.cancel("w0")
    assert ids(worker.claim(9)) == ["w2"]
    assert statuses(worker) == {"w0": "CANCELED", "w1": "CANCELED", "w2": "RUNNING"}


def test_who_is_resumed_waits_for_its_turn(worker: Executor, turnstile: Turnstile, tmp_path: Path) -> None:
    worker.queues.put(Queue("q", concurrency=1))
    put(worker, "failed", fail_unless.bind(tmp_path / "flag", 7))
    put(worker, "next", HELD.bind(turnstile))
    with pytest.raises(WorkflowExecutionError):
        worker.claim()[0].result(150)
    assert ids(worker.claim(9)) == ["next"]
    (tmp_path / "flag").touch()
    handle = worker.resume("failed", code="current")
    assert worker.claim(9) == []
    turnstile.let()
    worker.find("next").result(150)
    assert ids(worker.claim(9)) == ["failed"]
    assert handle.result(150) == 7
    runs = worker.records.workflow_metadata("failed")["attempts"]
    assert [str(run["status"]) for run in runs] == ["FAILED", "SUCCESSFUL"]


def test_a_fork_waits_in_the_queue_of_the_first_one(worker: Executor, turnstile: Turnstile) -> None:
    worker.queues.put(Queue("q", concurrency_per_key=1))
    put(worker, "w", HELD.bind(turnstile, 1), key="ada", deduplication_id="d", priority=3)
    worker.claim()
    turnstile.arrived()
    handle = worker.fork("w", worker.records.tasks("w")[0].task_id, "fork")
    assert worker.claim(9) == []
    described = worker.records.workflow_metadata("fork")
    assert described["queue"] == {"name": "q", "key": "ada", "priority": 3}
    turnstile.let()
    worker.find("w").result(150)
    assert ids(worker.claim(9)) == ["fork"]
    assert handle.result(150) == 1


def test_one_whose_time_is_over_fails_where_it_waits(
    worker: Executor, open_timed: Open, clock: Clock
) -> None:
    client = open_timed("default", "gpu")
    worker.queues.put(Queue("q"))
    handles = [
        put(worker, "anybody's", timeout=60),
        client.submit(
            Graph.of(add.bind(1)),
            id="mine",
            labels=["gpu"],
            timeout=60,
            ticket=Ticket(queue="q", delay=90),
        ),
    ]
    clock.advance(61)
    for handle in handles:
        with pytest.raises(WorkflowTimeoutError):
            handle.result(150)


def test_what_ended_is_deleted_and_pruned(worker: Executor, clock: Clock) -> None:
    worker.queues.put(Queue("q"))
    put(worker, "w")
    with pytest.raises(WorkflowError, match="active"):
        worker.delete("w")
    worker.claim()[0].result(150)
    clock.advance(60)
    assert worker.prune(30, frozenset([workflow.SUCCESSFUL])) == 1


def test_schedules_put_their_workflows_into_a_queue(worker: Executor, clock: Clock) -> None:
    worker.queues.put(Queue("q", concurrency_per_key=1))
    with pytest.raises(QueueNotFoundError):
        worker.schedules.put("s", "* * * * *", Graph.of(add.bind(1)), ticket=Ticket(queue="r"))
    ticket = Ticket(queue="q", key="s")
    made = worker.schedules.put("s", "* * * * *", Graph.of(add.bind(1)), overlap="allow", ticket=ticket)
    assert (made.queue, made.key) == ("q", "s")
    for _ in range(2):
        clock.advance(60)
        worker._runs.write(worker.schedules.fire)
    [first] = worker.claim(9)
    assert first.result(150) == 1
    assert len(worker.claim(9)) == 1


def test_a_schedule_whose_queue_is_gone_is_paused(
    worker: Executor, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    worker.queues.put(Queue("q"))
    worker.schedules.put("s", "* * * * *", Graph.of(add.bind(1)), ticket=Ticket(queue="q"))
    worker.queues.delete("q")
    with pytest.raises(QueueNotFoundError):
        worker.schedules.trigger("s")
    clock.advance(60)
    assert worker._runs.write(worker.schedules.fire).workflows == []
    assert worker.schedules.listed()[0].paused
    assert "no queue 'q' was declared" in caplog.text


def test_the_list_tells_who_is_in_a_queue(worker: Executor) -> None:
    worker.queues.put(Queue("q"))
    put(worker, "w")
    worker.submit(Graph.of(add.bind(1)), id="plain", where="queue")
    assert worker.records.list(workflow.Search(queue="q")) == [("w", workflow.PENDING)]
    assert worker.records.list(workflow.Search(queue="r")) == []
    assert worker.records.workflow_metadata("w")["queue"] == {"name": "q", "priority": 0}
    assert "queue" not in worker.records.workflow_metadata("plain")


@ON_BOTH
def test_who_finds_nothing_to_claim_keeps_nobody_from_writing(open_timed: Open, turnstile: Turnstile) -> None:
    worker, other = open_timed(claims=True), open_timed(claims=True)
    worker.queues.put(Queue("q", concurrency=1))
    for n in range(2):
        put(worker, f"w{n}", HELD.bind(turnstile))
    worker.claim()
    with other._store.transaction():  # which lets nobody else write
        assert worker.claim() == []


# --------------------------------------------------------------------------------- by public names


def test_a_queue_is_declared_listed_and_forgotten() -> None:
    made = workflow.queue("b", concurrency=2, limit=10, period=60)
    assert made == Queue("b", concurrency=2, limit=10, period=60)
    assert workflow.queue("b", concurrency=2, limit=10, period=60) == made
    workflow.queue("a")
    assert [queue.name for queue in workflow.list_queues()] == ["a", "b"]
    workflow.delete_queue("b")
    assert [str(queue) for queue in workflow.list_queues()] == ["no limits"]


def test_other_limits_are_refused_unless_they_are_to_take_the_place() -> None:
    workflow.queue("q", concurrency=2)
    with pytest.raises(ValueError, match=r"has concurrency=2 already, and not concurrency=3.*replace=True"):
        workflow.queue("q", concurrency=3)
    workflow.queue("q", concurrency=3, replace=True)
    assert workflow.list_queues() == [Queue("q", concurrency=3)]


def test_what_is_submitted_waits_for_its_turn(turnstile: Turnstile) -> None:
    q = workflow.queue("q", concurrency=1, concurrency_per_key=1)
    first = workflow.run_async(HELD.bind(turnstile), workflow_id="first", queue=q, key="ada")
    turnstile.arrived()
    second = workflow.run_async(
        add.bind(2), queue="q", key="ben", deduplication_id="d", delay=0.01, priority=1
    )
    with pytest.raises(WorkflowError, match="2 workflows"):
        workflow.delete_queue("q")
    assert [id_ for id_, _ in workflow.list_all("RUNNING", queue="q")] == ["first"]
    turnstile.let()
    assert alula.get([first, second]) == [None, 2]
    assert workflow.run(add.bind(3), queue="q", key="ada") == 3


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"queue": "emial"}, QueueNotFoundError, r"workflow\.queue\('emial'\).*did you mean 'email'\?"),
        ({"queue": 7}, TypeError, "name of a queue"),
        ({"queue": ""}, ValueError, "1 to 255 characters"),
        ({"queue": "email"}, ValueError, "key="),
        ({"queue": "plain", "key": "ada"}, ValueError, "concurrency_per_key="),
        ({"queue": "plain", "key": 7}, TypeError, "key is text"),
        ({"queue": "plain", "deduplication_id": ""}, ValueError, "deduplication_id has 1"),
        ({"queue": "plain", "delay": -1}, ValueError, "delay is 0 or more"),
        ({"queue": "plain", "delay": float("nan")}, ValueError, "delay is 0 or more"),
        ({"queue": "plain", "delay": "1"}, TypeError, "delay is a number"),
        ({"queue": "plain", "priority": 0.5}, TypeError, "priority is a whole number"),
        ({"queue": "plain", "priority": 2**40}, ValueError, "priority is at most"),
        ({"delay": 5, "key": "ada"}, ValueError, "key, delay can be given with a queue only"),
    ],
)
def test_a_wrong_submission_is_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    workflow.queue("email", concurrency_per_key=1)
    workflow.queue("plain")
    with pytest.raises(error, match=said):
        workflow.run_async(add.bind(1), **given)
    assert workflow.list_all() == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"name": 7}, TypeError),
        ({"name": "n" * 256}, ValueError),
        ({"concurrency": 0}, ValueError),
        ({"concurrency": True}, TypeError),
        ({"concurrency_per_key": 1.5}, TypeError),
        ({"limit": 5}, ValueError),
        ({"period": 5}, ValueError),
        ({"limit": 5, "period": 0}, ValueError),
        ({"limit": 5, "period": "hour"}, TypeError),
    ],
)
def test_a_wrong_queue_is_refused(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        workflow.queue(**({"name": "q"} | given))
    assert workflow.list_queues() == []


def test_one_that_nobody_declared_is_not_forgotten() -> None:
    with pytest.raises(QueueNotFoundError, match="there are none yet"):
        workflow.delete_queue("q")


def test_a_workflow_object_runs_by_a_queue_as_well() -> None:
    workflow.queue("mine", concurrency=1)
    made = workflow.create(add.bind(1, 2))
    assert made.run("w", queue="mine") == 3
    assert workflow.get_metadata("w")["queue"]["name"] == "mine"
    with pytest.raises(ValueError, match="queue"):
        made.run("x", key="ada")
    with pytest.raises(TypeError, match=r"is not run with quue=.*queue"):
        made.run_async("x", quue="mine")


def test_what_runs_in_a_queue_is_counted(turnstile: Turnstile) -> None:
    workflow.queue("mine", concurrency=1)
    refs = [workflow.run_async(held.bind(turnstile), workflow_id=f"w{i}", queue="mine") for i in range(3)]
    turnstile.arrived()
    [load] = workflow.queue_loads()
    assert (load.queue.name, load.waiting, load.running) == ("mine", 2, 1)
    assert load.oldest is not None
    turnstile.let()
    alula.get(refs)
    [load] = workflow.queue_loads()
    assert (load.waiting, load.running, load.oldest) == (0, 0, None)

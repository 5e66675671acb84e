"""Schedules: each time begins one workflow, whoever looks after them."""

from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import NameNotFoundError, WorkflowCancellationError
from alula.graph import Graph, Node
from alula.testing import Clock, Turnstile
from alula.workflow import Executor
from alula.workflow._schedules import Fired, Schedules
from tests.conftest import Open
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, held, noted

pytestmark = ON_BOTH


@alula.remote
def nothing() -> None:
    """Need no arguments."""


@alula.remote
def named() -> str | None:
    """Say which workflow this is of."""
    return workflow.current_workflow()


NOON = 1_767_268_800.0  # 1 January 2026, 12:00 in UTC


@pytest.fixture
def clock() -> Clock:
    return Clock(now=NOON + 30)


@pytest.fixture
def keeper(open_timed: Open) -> Executor:
    return open_timed(claims=True)


@pytest.fixture
def schedules(keeper: Executor) -> Schedules:
    return keeper.schedules


def fire(keeper: Executor) -> Fired:
    return keeper._runs.write(keeper.schedules.fire)


def ids(keeper: Executor) -> list[str]:
    return [name for name, _ in keeper.records.list(workflow.Search())]


def every_minute(schedules: Schedules, node: Node[Any] | None = None, **given: Any) -> None:
    schedules.put("s", "* * * * *", Graph.of(node or add.bind(1)), **given)


def test_each_time_begins_one_workflow(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules, overlap="allow")
    assert fire(keeper) == Fired([], [], NOON + 60)
    clock.advance(30)
    assert fire(keeper) == Fired(["s@2026-01-01T12:01:00+00:00"], [], NOON + 120)
    assert fire(keeper).workflows == []
    clock.advance(60)
    fire(keeper)
    assert ids(keeper) == ["s@2026-01-01T12:01:00+00:00", "s@2026-01-01T12:02:00+00:00"]


def test_what_it_begins_is_a_workflow_like_any_other(
    keeper: Executor, schedules: Schedules, clock: Clock
) -> None:
    every_minute(schedules, add.bind(add.bind(1), 2))
    clock.advance(30)
    [name] = fire(keeper).workflows
    [handle] = keeper.claim()
    assert handle.result() == 3
    data = keeper.records.workflow_metadata(name)
    assert data["user_metadata"] == {"schedule": "s", "scheduled_time": NOON + 60}


def test_of_missed_times_the_last_counts(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules)
    clock.advance(3600)
    assert fire(keeper).workflows == ["s@2026-01-01T13:00:00+00:00"]
    assert fire(keeper).workflows == []


def test_they_pass_by_where_it_does_not_catch_up(
    keeper: Executor, schedules: Schedules, clock: Clock
) -> None:
    every_minute(schedules, catchup=False, overlap="allow")
    clock.advance(3600 + 61 - 30)
    schedules.put("hourly", "0 * * * *", Graph.of(add.bind(1)), catchup=False)
    assert fire(keeper).workflows == ["s@2026-01-01T13:01:00+00:00"]
    clock.advance(7200)
    assert fire(keeper).workflows == ["s@2026-01-01T15:01:00+00:00"]
    clock.advance(59 * 60 + 5)
    assert "hourly@2026-01-01T16:00:00+00:00" in fire(keeper).workflows


def test_its_first_time_may_be_long_ago(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules, since=NOON - 7200)
    [made] = schedules.listed()
    assert made.next_time == NOON - 7140
    assert made.next_times(3) == [NOON - 7140, NOON - 7080, NOON - 7020]
    assert made.next_times(0) == []
    assert fire(keeper).workflows == ["s@2026-01-01T12:00:00+00:00"]


def test_its_workflows_have_metadata_of_theirs(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules, metadata={"for": "Ada"}, prunable=False)
    clock.advance(30)
    [name] = fire(keeper).workflows
    assert keeper.records.workflow_metadata(name)["user_metadata"]["for"] == "Ada"
    [handle] = keeper.claim()
    handle.result()
    clock.advance(60)
    assert keeper.prune(30, frozenset({workflow.WorkflowStatus.SUCCESSFUL})) == 0
    assert schedules.find("s") is not None
    assert schedules.find("t") is None


def test_a_task_may_ask_for_its_workflow(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules, named.bind())
    clock.advance(30)
    [name] = fire(keeper).workflows
    assert keeper.claim()[0].result() == name
    assert workflow.current_workflow() is None


def test_a_clock_that_is_set_back_fires_nothing_again(
    keeper: Executor, schedules: Schedules, clock: Clock
) -> None:
    every_minute(schedules, overlap="allow")
    clock.advance(30)
    fire(keeper)
    clock.jump(-40)
    assert fire(keeper) == Fired([], [], NOON + 120)
    clock.jump(3600)
    assert len(fire(keeper).workflows) == 1


def test_any_number_of_executors_fire_once(open_timed: Open, clock: Clock) -> None:
    several = [open_timed(claims=True) for _ in range(4)]
    every_minute(several[0].schedules)
    clock.advance(30)
    fired: list[str] = []
    barrier = Barrier(len(several))

    def look(keeper: Executor) -> None:
        barrier.wait()
        fired.extend(fire(keeper).workflows)

    threads = [Thread(target=look, args=(keeper,)) for keeper in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fired == ["s@2026-01-01T12:01:00+00:00"]


def test_when_clocks_go_forward_and_back_each_day_has_its_one(
    keeper: Executor, schedules: Schedules, clock: Clock
) -> None:
    schedules.put("s", "30 2 * * *", Graph.of(add.bind(1)), timezone="Europe/Vienna", overlap="allow")
    for _ in range(366):
        clock.advance(86400)
        fire(keeper)
    made = ids(keeper)
    assert len(made) == 366
    assert {"s@2026-03-29T01:00:00+00:00", "s@2026-10-25T00:30:00+00:00"} <= set(made)


# ----------------------------------------------------------------------------------------- overlap


def test_skip_leaves_out_what_would_overlap(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules)
    for _ in range(2):
        clock.advance(60)
        fire(keeper)
    assert len(ids(keeper)) == 1
    [handle] = keeper.claim()
    handle.result()
    clock.advance(60)
    assert len(fire(keeper).workflows) == 1


def test_queue_begins_it_when_the_other_has_ended(
    keeper: Executor, schedules: Schedules, clock: Clock
) -> None:
    every_minute(schedules, overlap="queue")
    clock.advance(60)
    fire(keeper)
    clock.advance(60)
    assert fire(keeper) == Fired([], [], clock.time() + 1)
    [handle] = keeper.claim()
    handle.result()
    assert fire(keeper).workflows == ["s@2026-01-01T12:02:00+00:00"]


def test_allow_begins_it_all_the_same(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules, overlap="allow")
    for _ in range(3):
        clock.advance(60)
        fire(keeper)
    assert len(keeper.claim(5)) == 3


def test_cancel_other_ends_the_one_before(
    keeper: Executor, schedules: Schedules, clock: Clock, turnstile: Turnstile
) -> None:
    keeper.keep_schedules()
    every_minute(schedules, held.bind(turnstile), overlap="cancel_other")
    clock.advance(30)
    first = _claimed(keeper)
    turnstile.arrived()
    clock.advance(60)
    second = _claimed(keeper)
    with pytest.raises(WorkflowCancellationError):
        first.result(150)
    turnstile.let()
    assert second.result(150) is None


def _claimed(keeper: Executor) -> Any:
    """Claim what a scheduler makes in its own thread."""
    while not (handles := keeper.claim()):
        pass
    return handles[0]


# ------------------------------------------------------------------------------------- the scheduler


def test_a_scheduler_fires_by_itself_and_after_a_change(keeper: Executor, clock: Clock) -> None:
    keeper.keep_schedules()
    every_minute(keeper.schedules)
    clock.advance(60)
    assert _claimed(keeper).result() == 1
    clock.advance(60)
    assert _claimed(keeper).id == "s@2026-01-01T12:02:00+00:00"


def test_an_executor_that_claims_keeps_schedules(home: Path, tally: Tally) -> None:
    with Executor.open(Settings.load(), claims=True) as keeper:
        graph = Graph.of(noted.bind(tally, "x", 1))
        keeper.schedules.put("s", "* * * * * *", graph)  # every second
        assert _claimed(keeper).result() == 2


# ---------------------------------------------------------------------------------------- by hand


def test_schedules_are_made_listed_and_forgotten() -> None:
    made = workflow.schedule("b", "0 4 * * *", add.bind(1), timezone="Europe/Vienna", overlap="queue")
    workflow.schedule("a", "0 4 * * *", nothing, paused=True)
    first, second = workflow.list_schedules()
    assert (first.name, first.paused, first.timezone, first.overlap) == ("a", True, "UTC", "skip")
    assert second == made
    workflow.delete_schedule("a")
    assert [schedule.name for schedule in workflow.list_schedules()] == ["b"]


@pytest.mark.parametrize("call", ["pause", "resume", "delete", "trigger"])
def test_one_that_there_is_not(call: str) -> None:
    with pytest.raises(NameNotFoundError, match="none does not exist"):
        getattr(workflow, f"{call}_schedule")("none")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"name": 7}, TypeError),
        ({"name": ""}, ValueError),
        ({"name": "n" * 201}, ValueError),
        ({"cron": "soon"}, ValueError),
        ({"timezone": "Nowhere"}, ValueError),
        ({"overlap": "maybe"}, ValueError),
        ({"work": 7}, TypeError),
    ],
)
def test_a_wrong_schedule_is_refused(given: dict[str, Any], error: type[Exception]) -> None:
    usual: dict[str, Any] = {"name": "s", "cron": "* * * * *", "work": add.bind(1)}
    with pytest.raises(error):
        workflow.schedule(**(usual | given))
    assert workflow.list_schedules() == []


def test_times_pass_by_while_it_is_paused(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules)
    schedules.pause("s")
    clock.advance(600)
    assert fire(keeper) == Fired([], [], None)
    schedules.resume("s")
    assert fire(keeper).workflows == []
    clock.advance(60)
    assert len(fire(keeper).workflows) == 1


def test_triggered_it_begins_at_once(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules, paused=True)
    name = schedules.trigger("s")
    assert name == "s@2026-01-01T12:00:30+00:00~triggered"
    assert keeper.claim()[0].result() == 1


def test_its_workflows_are_pruned_as_all_are(keeper: Executor, schedules: Schedules, clock: Clock) -> None:
    every_minute(schedules)
    schedules.trigger("s")
    assert keeper.claim()[0].result() == 1
    clock.advance(60)
    assert keeper.prune(30, frozenset({workflow.WorkflowStatus.SUCCESSFUL})) == 1
    assert ids(keeper) == []


def test_said_again_it_loses_no_time_and_repeats_none(
    keeper: Executor, schedules: Schedules, clock: Clock
) -> None:
    every_minute(schedules)
    clock.advance(60)
    every_minute(schedules, add.bind(5))
    [name] = fire(keeper).workflows
    assert keeper.claim()[0].result() == 5
    schedules.delete("s")
    every_minute(schedules)
    clock.jump(-60)
    every_minute(schedules, timezone="Europe/Vienna")
    clock.jump(60)
    assert fire(keeper).workflows == [name]
    assert ids(keeper) == [name]


def test_one_that_cannot_be_read_is_paused_and_the_others_go_on(
    keeper: Executor, schedules: Schedules, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    every_minute(schedules)
    schedules.put("t", "* * * * *", Graph.of(add.bind(2)))
    keeper._runs.write(lambda connection: schedules._set(connection, "s", value=b"nonsense"))
    clock.advance(60)
    assert fire(keeper).workflows == ["t@2026-01-01T12:01:00+00:00"]
    assert "schedule 's' is paused" in caplog.text
    assert [schedule.paused for schedule in schedules.listed()] == [True, False]

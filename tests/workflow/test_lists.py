"""What an operator sees: lists of workflows, page by page, and of their tasks."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError, WorkflowNotFoundError
from alula.store import Store
from alula.testing import Turnstile
from alula.workflow import Search, TaskInfo
from alula.workflow._search import STATUSES
from alula.workflow._status import WorkflowStatus
from tests.postgres import ON_BOTH
from tests.workflow.bodies import OddError, Tally, add, countdown, fail_first, fail_unless, held, noted
from tests.workflow.test_queue import put


def page(store: Store, **given: Any) -> list[str]:
    """Search where executors are dead if their epoch is 0."""

    def derive(row: Any) -> WorkflowStatus:
        dead = row.status == "RUNNING" and not row.epoch
        return WorkflowStatus.RESUMABLE if dead else WorkflowStatus(row.status)

    if "status" in given:
        given["statuses"] = frozenset(map(WorkflowStatus, given.pop("status")))
    with store.reading() as connection:
        return [id_ for id_, _ in Search(**given).page(connection, derive)]


def fill(store: Store) -> None:
    """Submit six workflows, one a second."""
    for second, (id_, status, labels) in enumerate(
        [
            ("a1", "SUCCESSFUL", "default"),
            ("A2", "FAILED", "cpu,default"),
            ("b1", "RUNNING", "gpu"),
            ("b%", "SUCCESSFUL", "gpu,gpu-2"),
            ("b2", "CANCELED", "gpu-2"),
            ("c", "PENDING", "default"),
        ]
    ):
        put(store, id_, status=status, labels=labels, created=float(second))


# -------------------------------------------------------------------------------------- workflows


@ON_BOTH
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "a1 A2 b1 b% b2 c"),
        ({"newest_first": True}, "c b2 b% b1 A2 a1"),
        ({"status": {"SUCCESSFUL"}}, "a1 b%"),
        ({"status": {"RESUMABLE"}}, "b1"),
        ({"status": {"RUNNING"}}, ""),
        ({"status": {"RESUMABLE", "PENDING"}, "limit": 1}, "b1"),
        ({"id_prefix": "a"}, "a1"),
        ({"id_prefix": "b%"}, "b%"),
        ({"id_prefix": "b", "limit": 2}, "b1 b%"),
        ({"labels": ("gpu",)}, "b1 b%"),
        ({"labels": ("gpu-2", "gpu")}, "b%"),
        ({"labels": ("gp",)}, ""),
        ({"created_after": 1.0, "created_before": 3.0}, "A2 b1"),
        ({"after": "A2", "limit": 2}, "b1 b%"),
        ({"after": "A2", "newest_first": True}, "a1"),
        ({"after": "c"}, ""),
        ({"limit": 0}, ""),
    ],
)
def test_a_search_finds_what_it_names(store: Store, asked: dict[str, Any], found: str) -> None:
    fill(store)
    assert page(store, **asked) == found.split()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sets(st.sampled_from(sorted(STATUSES)), min_size=1),
    newest_first=st.booleans(),
    limit=st.integers(1, 4),
)
def test_pages_make_up_the_whole(store: Store, status: set[str], newest_first: bool, limit: int) -> None:
    if not page(store):
        fill(store)
    whole = page(store, status=status, newest_first=newest_first)
    pages: list[str] = []
    while got := page(
        store, status=status, newest_first=newest_first, limit=limit, after=pages[-1] if pages else None
    ):
        assert len(got) <= limit
        pages += got
    assert pages == whole


def test_a_page_after_a_deleted_workflow_says_so(store: Store) -> None:
    with pytest.raises(WorkflowNotFoundError, match="No such workflow_id 'gone'"):
        page(store, after="gone")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"limit": -1}, ValueError),
        ({"limit": 1.5}, TypeError),
        ({"limit": True}, TypeError),
        ({"id_prefix": 7}, TypeError),
        ({"created_after": "yesterday"}, TypeError),
        ({"after": 7}, TypeError),
        ({"labels": [7]}, TypeError),
    ],
)
def test_what_cannot_be_searched_for_is_refused_by_name(
    wrong: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=next(iter(wrong))):
        workflow.list_all(**wrong)


def test_list_all_gives_ids_and_statuses(tmp_path: Path) -> None:
    workflow.run(add.bind(1), workflow_id="a")
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(tmp_path / "no", 1), workflow_id="b")
    assert workflow.list_all() == [("a", "SUCCESSFUL"), ("b", "FAILED")]
    assert workflow.list_all("FAILED") == [("b", "FAILED")]
    assert workflow.list_all(newest_first=True, limit=1) == [("b", "FAILED")]


# ------------------------------------------------------------------------------------------ tasks


def tasks(workflow_id: str = "w") -> dict[str, TaskInfo]:
    return {task.task_id: task for task in workflow.list_tasks(workflow_id)}


def statuses(workflow_id: str = "w") -> dict[str, str]:
    return {task.task_id: str(task.status) for task in workflow.list_tasks(workflow_id)}


def called(name: str, **given: Any) -> dict[str, Any]:
    return dict(workflow.options(task_id=name, **given))


@ON_BOTH
def test_each_task_tells_what_it_reads_and_when_it_ran(tally: Tally) -> None:
    left = noted.options(**called("left")).bind(tally, "left")
    right = noted.options(**called("right")).bind(tally, "right")
    workflow.run(noted.options(**called("sum")).bind(tally, "sum", right, left), workflow_id="w")
    assert list(tasks()) == ["right", "left", "sum"]
    total = tasks()["sum"]
    assert (total.upstream, total.creator, total.kind, total.attempts) == (("right", "left"), None, "call", 1)
    assert total.recorded
    assert total.started is not None
    assert total.ended is not None
    assert total.started <= total.ended


def test_a_chain_stands_in_its_order(tally: Tally) -> None:
    workflow.run(countdown.options(**called("c")).bind(tally, 3), workflow_id="w")
    found = workflow.list_tasks("w")
    first, *links = found
    assert first.creator is None
    assert [task.creator for task in links] == [task.task_id for task in found[:-1]]
    assert first.continuation == links[-1].task_id
    assert {str(task.status) for task in found} == {"SUCCESSFUL"}


def test_what_has_its_inputs_runs_and_the_rest_is_pending(tally: Tally, turnstile: Turnstile) -> None:
    slow = held.options(**called("slow")).bind(turnstile, noted.options(**called("first")).bind(tally, "f"))
    ref = workflow.run_async(add.options(**called("last")).bind(slow), workflow_id="w")
    turnstile.arrived()
    assert statuses() == {"first": "SUCCESSFUL", "slow": "RUNNING", "last": "PENDING"}
    turnstile.let()
    workflow.get_output("w")
    assert set(statuses().values()) == {"SUCCESSFUL"}
    del ref


def test_what_a_cancel_stopped_is_canceled(tally: Tally, turnstile: Turnstile) -> None:
    first = noted.options(**called("first")).bind(tally, "f")
    ref = workflow.run_async(held.options(**called("slow")).bind(turnstile, first), workflow_id="w")
    turnstile.arrived()
    workflow.cancel("w")
    assert statuses() == {"first": "SUCCESSFUL", "slow": "CANCELED"}
    del ref


def test_a_failed_task_keeps_its_error_and_attempts_until_it_succeeds(tmp_path: Path, tally: Tally) -> None:
    first = fail_first.options(**called("shaky", max_retries=2)).bind(tally, 3)
    with pytest.raises(WorkflowExecutionError):
        workflow.run(add.options(**called("sum")).bind(first), workflow_id="w")
    shaky = tasks()["shaky"]
    assert statuses() == {"shaky": "FAILED", "sum": "PENDING"}
    assert (shaky.attempts, shaky.recorded) == (3, False)
    assert "attempt 3" in str(shaky.error)
    assert isinstance(shaky.error, ValueError)
    assert shaky.started is not None
    workflow.resume("w")
    assert (tasks()["shaky"].error, tasks()["shaky"].attempts) == (None, 1)


@alula.remote
def fail_late(turnstile: Turnstile, error: Exception) -> None:
    turnstile.wait()
    raise error


def test_every_task_that_failed_keeps_its_own_error(turnstile: Turnstile) -> None:
    both = [
        fail_late.options(num_cpus=0.1, **called(name)).bind(turnstile, ValueError(name)) for name in "ab"
    ]
    ref = workflow.run_async(add.bind(*both), workflow_id="w")
    turnstile.arrived()
    turnstile.arrived()
    turnstile.let()
    with pytest.raises(WorkflowExecutionError):
        alula.get(ref)
    assert [f"ValueError: {name}" in str(tasks()[name].error) for name in "ab"] == [True, True]


def test_the_link_of_a_chain_that_failed_is_the_one_with_the_error(tmp_path: Path, tally: Tally) -> None:
    @workflow.options(task_id="start")
    @alula.remote
    def start() -> Any:
        return fail_unless.options(**called("link")).bind(tmp_path / "no", 1)

    with pytest.raises(WorkflowExecutionError):
        workflow.run(start.bind(), workflow_id="w")
    assert statuses() == {"start": "SUCCESSFUL", "link": "FAILED"}


# ----------------------------------------------------------------------------------- contained errors


@ON_BOTH
@pytest.mark.parametrize("options", [{}, {"allow_inplace": True}])
def test_what_was_caught_stands_beside_the_value(tmp_path: Path, options: dict[str, Any]) -> None:
    pair = called("pair", catch_exceptions=True, **options)
    workflow.run(first_of.bind(fail_unless.options(**pair).bind(tmp_path / "no", 1)), workflow_id="w")
    caught = tasks()["pair"]
    assert (caught.status, caught.error, caught.attempts) == ("SUCCESSFUL", None, 1)
    assert isinstance(caught.contained, OddError)
    assert "after OddError" in workflow.draw("w").svg


@alula.remote
def first_of(pair: tuple[Any, ...]) -> Any:
    return pair[0]


@ON_BOTH
@pytest.mark.parametrize("inplace", [False, True])
def test_a_task_whose_error_another_caught_has_failed(tmp_path: Path, inplace: bool) -> None:
    @workflow.options(task_id="start", catch_exceptions=True)
    @alula.remote
    def start() -> Any:
        link = fail_unless.options(**called("link", allow_inplace=inplace)).bind(tmp_path / "no", 1)
        return link if inplace else add.options(**called("last")).bind(link)

    workflow.run(first_of.bind(start.bind()), workflow_id="w")
    link = tasks()["link"]
    if inplace:  # then the pair is the value of the link itself
        assert link.status == "SUCCESSFUL"
        assert isinstance(link.contained, OddError)
    else:
        assert (link.status, tasks()["last"].status) == ("FAILED", "SUCCESSFUL")
        assert isinstance(link.error, OddError)
        assert "failed · " in workflow.draw("w").svg


def test_a_task_that_is_tried_again_tells_of_the_attempt_before(tally: Tally, turnstile: Turnstile) -> None:
    @alula.remote
    def shaky() -> None:
        tally.mark("try")
        if tally.counts()["try"] == 1:
            raise OddError(code=1)
        turnstile.wait()

    given = called("shaky", max_retries=1, retry_exceptions=True)
    ref = workflow.run_async(shaky.options(**given).bind(), workflow_id="w")
    turnstile.arrived()
    workflow.signal("w", "written after what is noted")
    now = tasks()["shaky"]
    assert (now.status, now.attempts) == ("RUNNING", 1)
    assert isinstance(now.error, OddError)
    turnstile.let()
    alula.get(ref)
    then = tasks()["shaky"]
    assert (then.status, then.attempts, then.error) == ("SUCCESSFUL", 2, None)
    assert isinstance(then.contained, OddError)


@ON_BOTH
def test_an_error_that_nobody_reads_is_recorded(tmp_path: Path, turnstile: Turnstile) -> None:
    with Turnstile(tmp_path, "door") as door:
        bad = fail_late.options(num_cpus=0, **called("bad")).bind(door, ValueError("bad"))
        split = workflow.wait([add.bind(1), bad])
        ref = workflow.run_async(held_by.bind(turnstile, split), workflow_id="w")
        turnstile.arrived()
        door.let()
        found = next(task for task in workflow.follow("w") if task.status == "FAILED")
        assert (found.task_id, workflow.get_status("w")) == ("bad", "RUNNING")
        turnstile.let()
        alula.get(ref)
    assert isinstance(tasks()["bad"].error, ValueError)


@alula.remote
def held_by(turnstile: Turnstile, split: object) -> None:
    turnstile.wait()


def test_what_is_not_to_be_recorded_has_ended_when_a_reader_has(tally: Tally, turnstile: Turnstile) -> None:
    loose = noted.options(**called("loose", checkpoint=False)).bind(tally, "loose")
    kept = noted.options(**called("kept")).bind(tally, "kept", loose)
    ref = workflow.run_async(held.options(**called("slow")).bind(turnstile, kept), workflow_id="w")
    turnstile.arrived()
    assert statuses() == {"loose": "SUCCESSFUL", "kept": "SUCCESSFUL", "slow": "RUNNING"}
    assert not tasks()["loose"].recorded
    turnstile.let()
    del ref


def test_the_tasks_of_no_workflow_are_refused() -> None:
    with pytest.raises(WorkflowNotFoundError, match="No such workflow_id 'none'"):
        workflow.list_tasks("none")


# --------------------------------------------------------------------------------------- metadata


def test_runs_before_the_last_one_are_kept(tmp_path: Path) -> None:
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(tmp_path / "flag", 5), workflow_id="w")
    (tmp_path / "flag").touch()
    workflow.resume("w")
    described = workflow.get_metadata("w")
    first, second = described["attempts"]
    assert (first["status"], second["status"]) == ("FAILED", "SUCCESSFUL")
    assert first["start_time"] <= first["end_time"] <= second["start_time"]
    assert described["stats"] == {key: second[key] for key in ("start_time", "end_time")}


def test_a_cancelled_run_has_begun_and_not_ended(turnstile: Turnstile) -> None:
    ref = workflow.run_async(held.bind(turnstile), workflow_id="w")
    turnstile.arrived()
    workflow.cancel("w")
    [attempt] = workflow.get_metadata("w")["attempts"]
    assert attempt["status"] == "CANCELED"
    assert "end_time" not in attempt
    del ref


def test_what_is_not_there_is_named_in_these_words() -> None:
    with pytest.raises(ValueError, match=r"^No such workflow_id 'w'$"):
        workflow.get_metadata("w")
    workflow.run(add.bind(1), workflow_id="w")
    with pytest.raises(ValueError, match=r"^No such task_id 't' in workflow 'w'$"):
        workflow.get_metadata("w", "t")

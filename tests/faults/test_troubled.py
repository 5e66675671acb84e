"""The store is in trouble while a workflow runs: for a moment, or for longer; and whose failure that is."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import StoreUnavailableError, WorkflowExecutionError
from alula.graph import Graph
from alula.store import Store, _sqlite
from alula.testing import Turnstile, fail, faults
from alula.workflow import _patience
from tests.conftest import Open
from tests.faults.processes import eventually
from tests.faults.races import race_for_ids
from tests.workflow.bodies import Tally, add, held, noted

pytestmark = pytest.mark.usefixtures("engine", "home")

FULL = StoreUnavailableError("here", "the disk is full")
INPLACE = workflow.options(allow_inplace=True)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience in this process lasts for three attempts."""
    monkeypatch.setattr(_patience, "PATIENCE", 0.03)
    monkeypatch.setattr(_patience, "_FIRST", 0.01)
    monkeypatch.setattr(_sqlite, "BUSY", 0.01)


def failing(*passages: int, error: BaseException = FULL) -> Callable[[], None]:
    passed = 0

    def action() -> None:
        nonlocal passed
        passed += 1
        if passed in passages:
            raise error

    return action


# -------------------------------------------------------------------------------------- for a moment


def test_a_short_trouble_is_not_noticed(open_executor: Open, tally: Tally) -> None:
    executor = open_executor()
    node = noted.bind(tally, "last", noted.bind(tally, "first", 1))
    with faults({"journal.commit": failing(2, 3, 5)}):
        assert executor.submit(Graph.of(node), id="w").result(150) == 3
    assert tally.counts() == {"first": 1, "last": 1}
    assert executor.status("w") == "SUCCESSFUL"


def test_nor_is_one_of_a_failure_or_of_a_continuation(open_executor: Open, tally: Tally) -> None:
    @alula.remote
    def grows(tally: Tally) -> Any:
        return workflow.continuation(noted.bind(tally, "inner"))

    executor = open_executor()
    with faults({"journal.commit": failing(2, 4)}):
        assert executor.submit(Graph.of(grows.bind(tally)), id="w").result(150) == 1
    with faults({"journal.commit": failing(2)}), pytest.raises(WorkflowExecutionError):
        executor.submit(Graph.of(add.bind("no number")), id="v").result(150)
    assert executor.status("v") == "FAILED"


def test_nor_one_of_a_chain_in_place(open_executor: Open) -> None:
    @alula.remote
    def down(n: int) -> Any:
        return workflow.continuation(down.options(**INPLACE).bind(n - 1)) if n else "end"

    executor = open_executor()
    with faults({"store.before_commit": failing(3, 5)}):
        assert executor.submit(Graph.of(down.options(**INPLACE).bind(3)), id="w").result(150) == "end"


def test_one_who_holds_the_file_locked_is_waited_for(
    open_executor: Open, turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = open_executor()
    handle = executor.submit(Graph.of(held.bind(turnstile, 1)), id="w")
    turnstile.arrived()
    other = sqlite3.connect(make_url(Settings.load().store).database or "", check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    [run] = executor._runs._all()
    later = run._journal.later
    assert later is not None

    def released(seconds: float, again: Callable[[], None]) -> object:
        other.rollback()
        return later(seconds, again)

    run._journal.later = released
    turnstile.let()
    assert handle.result(150) == 1
    other.close()


def test_an_answer_that_was_lost_after_the_commit_is_no_second_result(
    open_executor: Open, tally: Tally
) -> None:
    executor = open_executor()
    node = noted.bind(tally, "last", noted.bind(tally, "first", 1))
    with faults({"store.committed": failing(2, 3)}):
        assert executor.submit(Graph.of(node), id="w").result(150) == 3
    assert executor.status("w") == "SUCCESSFUL"


# ---------------------------------------------------------------------------------------- for longer


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def gone() -> Iterator[None]:
    """Take the database away, and bring it back."""
    file = Path(Settings.load().store.removeprefix("sqlite:///"))
    file.rename(file.with_suffix(".away"))
    try:
        yield
    finally:
        file.with_suffix(".away").rename(file)


@contextmanager
def locked() -> Iterator[None]:
    other = Store.open(Settings.load().store)
    with other.transaction():
        yield
    other.close()


@pytest.mark.parametrize(
    ("trouble", "why"), [(full_disk, "full"), (gone, "it is gone"), (locked, "another process has been")]
)
def test_a_long_one_leaves_the_workflow_to_be_resumed(
    open_executor: Open, tally: Tally, turnstile: Turnstile, trouble: Callable[[], Any], why: str
) -> None:
    executor, other = open_executor(), open_executor()
    node = noted.bind(tally, "last", held.bind(turnstile, 1), noted.bind(tally, "first", 1))
    handle = executor.submit(Graph.of(node), id="w")
    turnstile.arrived()
    assert eventually(lambda: any(t.status == "SUCCESSFUL" for t in executor.records.tasks("w")))
    with trouble():
        turnstile.let()
        with pytest.raises(StoreUnavailableError, match=rf"{why}.*resume\('w'\) goes on with it"):
            handle.result(150)
    assert executor.status("w") == "RESUMABLE"
    assert eventually(lambda: other.status("w") == "RESUMABLE")  # for whom its owner lives
    turnstile.let()
    assert other.resume("w").result(150) == 4
    assert tally.counts() == {"first": 1, "last": 1}


def test_a_failure_that_cannot_be_written_leaves_it_to_be_resumed(open_executor: Open) -> None:
    executor = open_executor()
    with (
        faults({"journal.commit": failing(*range(2, 20))}),
        pytest.raises(WorkflowExecutionError),
    ):
        executor.submit(Graph.of(add.bind("no number")), id="v").result(150)
    assert executor.status("v") == "RESUMABLE"


@alula.remote
def large() -> bytes:
    return bytes(10**6)


def no_room_for_large_values() -> AbstractContextManager[None]:
    full = OSError(28, "No space left on device")
    return faults({"artifacts.written": failing(*range(2, 20), error=full)})


def test_large_values_that_cannot_be_written_leave_it_to_be_resumed(open_executor: Open) -> None:
    executor = open_executor()
    with no_room_for_large_values():
        handle = executor.submit(Graph.of(large.options(**INPLACE).bind()), id="w")
        with pytest.raises(StoreUnavailableError, match="No space left on device"):
            handle.result(150)
    assert executor.status("w") == "RESUMABLE"
    assert len(executor.resume("w").result(150)) == 10**6


def test_what_would_be_claimed_again_at_once_fails_if_it_can_be_said(open_executor: Open) -> None:
    executor = open_executor()
    with no_room_for_large_values():
        handle = executor.submit(Graph.of(large.options(**INPLACE).bind()), id="w", requeue=True)
        with pytest.raises(WorkflowExecutionError) as caught:
            handle.result(150)
    assert isinstance(caught.value.__cause__, StoreUnavailableError)
    assert executor.status("w") == "FAILED"


def test_and_goes_back_to_the_queue_if_not(open_executor: Open, turnstile: Turnstile) -> None:
    executor = open_executor()
    handle = executor.submit(Graph.of(held.bind(turnstile, 1)), id="w", requeue=True)
    turnstile.arrived()
    with gone():
        turnstile.let()
        with pytest.raises(StoreUnavailableError):
            handle.result(150)
    assert eventually(lambda: executor.status("w") == "PENDING")
    turnstile.let()
    [claimed] = executor.claim()
    assert claimed.result(150) == 1


# ------------------------------------------------------------------------------------ whose it is


def test_a_store_that_the_code_of_a_task_uses_is_its_own_business(open_executor: Open) -> None:
    @alula.remote
    def opens() -> None:
        Store.open("sqlite:////proc/mine.db")

    executor = open_executor()
    with pytest.raises(WorkflowExecutionError) as caught:
        executor.submit(Graph.of(opens.bind()), id="w").result(150)
    assert isinstance(caught.value.__cause__, StoreUnavailableError)
    assert executor.status("w") == "FAILED"
    catching = opens.options(**workflow.options(catch_exceptions=True)).bind()
    value, error = executor.submit(Graph.of(catching)).result(150)
    assert value is None
    assert isinstance(error, StoreUnavailableError)


def test_nothing_is_left_behind_by_a_submission_to_a_full_disk(open_executor: Open) -> None:
    executor = open_executor()
    with faults({"store.before_commit": fail(FULL)}), pytest.raises(StoreUnavailableError):
        executor.submit(Graph.of(add.bind(1)), id="w")
    assert executor.records.list() == []


def test_of_two_executors_that_race_for_an_id_on_a_file_one_wins(open_executor: Open, tally: Tally) -> None:
    race_for_ids([open_executor(), open_executor()], tally, 5)

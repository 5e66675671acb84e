"""What a result tells, and when; and what of it survives."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alula as om
from alula.errors import (
    GetTimeoutError,
    TaskCancelledError,
    TaskNotFoundError,
    WorkerCrashedError,
)
from alula.runtime import AsyncResult, default
from alula.runtime._attempts import Attempts
from alula.testing import Turnstile
from tests.runtime.conftest import Child
from tests.runtime.estimators import Adder, Held, Mortal

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 30.0


def until(said: Callable[[], bool]) -> None:
    """Ask again and again, as a program does that polls; the time limit of the test ends it."""
    while not said():
        pass


@pytest.fixture
def held(turnstile: Turnstile) -> AsyncResult[Any]:
    """A fit whose body has begun, and waits to be let through."""
    om.models.put(Held(turnstile), "held")
    result = om.runtime.model("held").fit([[1.0]])
    turnstile.arrived()
    return result


@pytest.fixture
def failed() -> AsyncResult[Any]:
    om.models.put(Adder(), "adder")
    return om.runtime.model("adder").fit([["no number"]])


# ---------------------------------------------------------------------------------------- the status


def test_a_task_whose_body_runs_is_started(held: AsyncResult[Any], turnstile: Turnstile) -> None:
    assert (held.status, held.ready(), held.successful(), held.failed()) == ("STARTED", False, False, False)
    assert (held.result, held.traceback) == (None, None)
    turnstile.let()
    held.get(ENOUGH)
    assert (held.status, held.ready(), held.successful(), held.failed()) == ("SUCCESS", True, True, False)


def test_a_task_that_no_worker_is_free_for_is_pending(turnstile: Turnstile) -> None:
    om.models.put(Held(turnstile), "held")
    results = [om.runtime.model("held").fit([[1.0]]) for _ in range(3)]
    for _ in range(2):
        turnstile.arrived()
    assert sorted(result.status for result in results) == ["PENDING", "STARTED", "STARTED"]
    turnstile.let()
    assert len({result.get(ENOUGH).version for result in results}) == 3


def test_a_task_between_two_attempts_is_said_to_be_tried_again(
    held: AsyncResult[Any], turnstile: Turnstile
) -> None:
    with pytest.raises(ZeroDivisionError), Attempts(default().store).running(held.id):
        _ = 1 / 0  # what a worker notes of an attempt that fails
    assert held.status == "RETRY"
    turnstile.let()
    assert held.get(ENOUGH).version == 2


def test_a_task_is_tried_again_as_often_as_was_asked_for(tmp_path: Path) -> None:
    om.models.put(Mortal(tmp_path / "fits", 2, ValueError), "mortal")
    again = om.runtime.require(max_retries=2, retry_exceptions=True)
    assert again.model("mortal").fit([[1.0]]).get(ENOUGH).version == 2
    assert (tmp_path / "fits").read_text() == "..."


def test_a_loop_that_polls_ends_with_the_work(turnstile: Turnstile) -> None:
    om.models.put(Adder(), "adder")
    results = [om.runtime.model("adder").fit([[float(i)]]) for i in range(5)]
    until(lambda: all(result.status == "SUCCESS" for result in results))
    assert [result.get(0).attributes["dataset"]["Xname"] for result in results] == [None] * 5


def test_a_failure_has_an_error_and_its_traceback(failed: AsyncResult[Any]) -> None:
    until(failed.ready)
    assert (failed.status, failed.failed(), failed.successful()) == ("FAILURE", True, False)
    assert isinstance(failed.result, ValueError)
    assert isinstance(failed.info, ValueError)
    assert failed.traceback is not None
    assert "in partial_fit" in failed.traceback


def test_an_error_may_be_had_rather_than_raised(failed: AsyncResult[Any]) -> None:
    assert isinstance(failed.get(propagate=False), ValueError)
    with pytest.raises(ValueError, match="no number"):
        failed.wait()


def test_an_error_that_is_raised_again_and_again_does_not_grow(failed: AsyncResult[Any]) -> None:
    depths = set()
    for _ in range(3):
        with pytest.raises(ValueError, match="no number") as caught:
            failed.get()
        depths.add(len(caught.traceback))
    assert len(depths) == 1


# --------------------------------------------------------------------------------------- the waiting


def test_a_wait_that_is_too_short_ends_and_the_task_goes_on(
    held: AsyncResult[Any], turnstile: Turnstile
) -> None:
    with pytest.raises(GetTimeoutError, match=rf"task {held.id} not ready after 0 s"):
        held.get(0)
    with pytest.raises(TimeoutError):
        held.get(timeout=0.01)
    turnstile.let()
    assert held.get(ENOUGH).version == 2


def test_a_result_can_be_awaited(failed: AsyncResult[Any]) -> None:
    async def both() -> tuple[Any, ...]:
        good = om.runtime.model("adder").fit([[1.0]])
        return await good, await asyncio.gather(failed, return_exceptions=True)

    metadata, [error] = asyncio.run(both())
    assert metadata.version == 2
    assert isinstance(error, ValueError)
    assert failed.failed()


def test_a_task_that_is_revoked_ends_and_stays_so(held: AsyncResult[Any], turnstile: Turnstile) -> None:
    held.revoke()
    assert (held.status, held.ready(), held.failed()) == ("REVOKED", True, False)
    with pytest.raises(TaskCancelledError):
        held.get(ENOUGH)
    assert len(om.models.versions("held")) == 1


def test_a_task_that_waits_can_be_revoked(turnstile: Turnstile) -> None:
    om.models.put(Held(turnstile), "held")
    results = [om.runtime.model("held").fit([[1.0]]) for _ in range(3)]
    for _ in range(2):
        turnstile.arrived()
    [waiting] = [result for result in results if result.status == "PENDING"]
    waiting.revoke()
    assert waiting.status == "REVOKED"
    turnstile.let()
    assert sorted(result.get(ENOUGH).version for result in results if result is not waiting) == [2, 3]


def test_what_has_ended_cannot_be_revoked() -> None:
    om.models.put(Adder(), "adder")
    result = om.runtime.model("adder").fit([[1.0]])
    result.get()
    result.revoke()
    assert om.runtime.result(result.id, wait=False).status == "SUCCESS"


# ---------------------------------------------------------------------------------- the death of one


def test_a_worker_that_is_killed_in_a_fit_is_followed_by_another(tmp_path: Path) -> None:
    om.models.put(Mortal(tmp_path / "fits", times=1), "mortal")
    assert om.runtime.model("mortal").fit([[1.0]]).get(ENOUGH).version == 2
    assert (tmp_path / "fits").read_text() == ".."


def test_a_fit_that_kills_each_worker_fails_in_the_end(tmp_path: Path) -> None:
    om.models.put(Mortal(tmp_path / "fits", times=9), "mortal")
    result = om.runtime.require(max_retries=1).model("mortal").fit([[1.0]])
    with pytest.raises(WorkerCrashedError, match="was killed by SIGKILL"):
        result.get(ENOUGH)
    assert result.status == "FAILURE"
    assert (tmp_path / "fits").read_text() == ".."
    assert "WorkerCrashedError" in (result.traceback or "")


def test_a_worker_that_dies_after_its_version_was_stored_leaves_one_version(
    spawn: Callable[..., Child], tmp_path: Path
) -> None:
    """The next attempt finds what the first has stored, and does not train twice."""
    child = spawn(
        """
        import os
        from tests.runtime.estimators import Adder
        os.environ["ALULA_FAULTS"] = "task.finished=kill@1"
        om.models.put(Adder(), "adder")
        result = om.runtime.require(max_retries=1).model("adder").partial_fit([[1.0]])
        try:
            result.get()
        except Exception as error:
            print(type(error).__name__, flush=True)
        """
    )
    out, err = child.communicate(timeout=ENOUGH)
    assert out == "WorkerCrashedError\n", err  # each of the two died, but of what both did there is one
    assert [each.version for each in om.models.versions("adder")] == [1, 2]
    assert om.models.get("adder").total_ == 1.0


# ------------------------------------------------------------------------------------- reconnecting


def test_another_process_finds_a_result_by_its_id(spawn: Callable[..., Child]) -> None:
    om.models.put(Adder(), "adder")
    result = om.runtime.model("adder").fit([[1.0]])
    expected = repr(result.get())
    child = spawn("print(repr(om.runtime.result(sys.argv[1])))", result.id)
    out, err = child.communicate(timeout=ENOUGH)
    assert out.strip() == expected, err


def test_another_process_follows_a_task_that_still_runs(
    spawn: Callable[..., Child], held: AsyncResult[Any], turnstile: Turnstile
) -> None:
    child = spawn(
        """
        found = om.runtime.result(sys.argv[1], wait=False)
        print(found, found.status, flush=True)
        print(found.get().version, found.status)
        """,
        held.id,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == f"<AsyncResult: {held.id}> STARTED\n"
    turnstile.let()
    out, err = child.communicate(timeout=ENOUGH)
    assert out == "2 SUCCESS\n", err


def test_a_task_whose_process_died_is_pending_again_and_is_run_by_whoever_claims_it(
    spawn: Callable[..., Child], turnstile: Turnstile
) -> None:
    om.models.put(Held(turnstile), "held")
    child = spawn("print(om.runtime.model('held').fit([[1.0]]).id, flush=True); sys.stdin.read()")
    assert child.stdout is not None
    task = child.stdout.readline().strip()
    turnstile.arrived()
    child.kill()
    child.wait()
    with pytest.warns(UserWarning, match="no living executor takes work from there"):
        result = om.runtime.result(task, wait=False)
    assert result.status == "PENDING"
    turnstile.let()
    [_] = om.workflow.default_executor().claim()
    assert result.get(ENOUGH).version == 2


def test_an_id_that_nobody_knows_is_said_to_be_unknown() -> None:
    with pytest.raises(TaskNotFoundError, match="no task 'nope' in this store"):
        om.runtime.result("nope")
    with pytest.raises(TaskNotFoundError):
        om.runtime.result("nope", wait=False)


def test_a_workflow_is_no_task_of_the_runtime() -> None:
    @om.remote
    def one() -> int:
        return 1

    one.bind().run(workflow_id="mine")
    with pytest.raises(TaskNotFoundError):
        om.runtime.result("mine")


def test_results_are_equal_if_they_are_of_one_task(failed: AsyncResult[Any]) -> None:
    failed.get(propagate=False)
    again = om.runtime.result(failed.id, wait=False)
    assert again == failed
    assert len({again, failed}) == 1
    assert again.task_id == failed.id


def test_threads_may_share_a_model(turnstile: Turnstile) -> None:
    om.models.put(Adder(), "adder")
    model = om.runtime.model("adder")
    versions: list[int] = []
    threads = [
        threading.Thread(target=lambda: versions.append(model.fit([[1.0]]).get(ENOUGH).version))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [2, 3, 4, 5]

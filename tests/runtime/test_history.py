"""The tasks that were submitted: listed, done again, followed by scripts, and required to run somewhere."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import alula as om
from alula.errors import (
    LabelError,
    NameNotFoundError,
    ResultExpiredError,
    TaskNotFoundError,
    UnsupportedError,
    WorkflowNotFoundError,
)
from alula.runtime import default
from alula.testing import Turnstile
from tests.faults.processes import eventually
from tests.runtime.estimators import Adder, Echo, Mortal

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 30.0


def flaky(om: Any, path: str) -> int:
    """Fail the first time, and give how often it was tried."""
    with Path(path).open("a") as file:
        file.write(".")
    tries = len(Path(path).read_text())
    if tries == 1:
        raise OSError("not yet")
    return tries


# ------------------------------------------------------------------------------------------ the lists


def test_tasks_are_listed_the_newest_first_and_by_pages() -> None:
    om.models.put(Adder(), "adder")
    first = om.runtime.model("adder").fit([[1.0]])
    first.get(ENOUGH)
    om.runtime.ping()
    with pytest.raises(ValueError, match="no number"):
        om.runtime.model("adder").fit([["no number"]]).get(ENOUGH)
    failed, ping, fitted = om.runtime.tasks()
    assert [task.action for task in (failed, ping, fitted)] == ["fit", "ping", "fit"]
    assert (fitted.id, fitted.kind, fitted.name, fitted.bucket) == (first.id, "model", "adder", "omegaml")
    assert (fitted.status, fitted.labels, fitted.retry_of) == ("SUCCESS", ("default",), None)
    assert 0 < (fitted.started or 0) < (fitted.ended or 0)
    assert om.runtime.failed() == [failed] == om.runtime.tasks(status="FAILURE")
    assert om.runtime.tasks(kind="model", name="adder") == [failed, fitted]
    assert om.runtime.tasks(limit=1) == [failed]
    assert om.runtime.tasks(limit=1, after=failed.id) == [ping]
    assert om.bucket("other").runtime.tasks() == []


def test_a_list_refuses_what_is_none() -> None:
    with pytest.raises(ValueError, match="did you mean 'FAILURE'"):
        om.runtime.tasks(status="FAILED")  # type: ignore[arg-type]  # that is what it is about
    with pytest.raises(ValueError, match="whole number"):
        om.runtime.tasks(limit=-1)
    om.runtime.ping()
    with pytest.raises(WorkflowNotFoundError):
        om.runtime.tasks(after="nope")


def test_a_result_tells_when_and_where_its_task_ran() -> None:
    before = time.time()
    result = om.runtime.ping(wait=False)
    result.get(ENOUGH)
    timings = result.timings
    assert before <= timings.submitted <= (timings.started or 0) <= (timings.ended or 0) <= time.time()
    assert (timings.attempts, (timings.waited or 0) >= 0, (timings.ran or 0) >= 0) == (1, True, True)
    assert result.worker in om.runtime.labels()
    assert result.queue_position is None


# ----------------------------------------------------------------------------------------- done again


def test_what_has_failed_is_done_again_as_a_task_of_its_own(tmp_path: Path) -> None:
    om.scripts.put(flaky, "flaky")
    result = om.runtime.script("flaky").run(str(tmp_path / "tries"))
    with pytest.raises(OSError, match="not yet"):
        result.get(ENOUGH)
    again = om.runtime.resubmit(om.runtime.failed()[0].id)
    assert again.get(ENOUGH) == 2
    assert om.runtime.tasks()[0].retry_of == result.id
    assert result.status == "FAILURE"  # as it was


def test_of_a_sequence_only_the_rest_is_done_again(tmp_path: Path) -> None:
    om.models.put(Echo(path=tmp_path / "seen"), "echo")
    om.scripts.put(flaky, "flaky")
    with om.runtime.sequence() as crt:
        crt.model("echo").predict([[1.0]])
        crt.script("flaky").run(str(tmp_path / "tries"))
        crt.model("echo").predict([[2.0]])
        result = crt.run()
    with pytest.raises(OSError, match="not yet"):
        result.get(ENOUGH)
    parent = next(task.id for task in om.runtime.tasks() if task.action == "sequence")
    assert list(om.runtime.rerun(parent).get(ENOUGH)) == [2, {"X": 2.0, "before": 2}]
    assert (tmp_path / "seen").read_text() == "1 2 "


def test_what_has_not_ended_or_needs_nothing_is_not_done_again(turnstile: Turnstile) -> None:
    om.models.put(Echo(turnstile), "echo")
    result = om.runtime.model("echo").predict([[1.0]], stop=True)
    turnstile.arrived()
    with pytest.raises(ValueError, match="when it has ended"):
        om.runtime.rerun(result.id)
    turnstile.let()
    with om.runtime.parallel() as crt:
        om.runtime.ping()
        group = crt.run()
    group.get(ENOUGH)
    with pytest.raises(ValueError, match="nothing to run again"):
        om.runtime.rerun(group.id)
    with pytest.raises(TaskNotFoundError):
        om.runtime.rerun("nope")


def test_a_value_that_was_forgotten_is_gone_and_its_status_stays() -> None:
    result = om.runtime.ping(wait=False)
    result.get(ENOUGH)
    result.forget()
    with pytest.raises(ResultExpiredError, match="rerun"):
        result.get()
    again = om.runtime.result(result.id, wait=False)
    assert again.status == "SUCCESS"
    assert isinstance(again.result, ResultExpiredError)


def test_what_ended_long_ago_is_forgotten_in_bulk_and_what_others_may_still_read_stays(
    turnstile: Turnstile,
) -> None:
    om.models.put(Echo(turnstile), "echo")
    old = om.runtime.ping(wait=False)
    old.get(ENOUGH)
    other = om.bucket("other").runtime.ping(wait=False)
    other.get(ENOUGH)
    with om.runtime.sequence() as crt:
        first = om.runtime.ping(wait=False)
        last = om.runtime.model("echo").predict([[1.0]], stop=True)
        crt.run()
    turnstile.arrived()
    assert om.runtime.forget("1h") == 0
    assert om.runtime.forget(0) == 1
    again = om.runtime.result(old.id, wait=False)
    assert (again.status, isinstance(again.result, ResultExpiredError)) == ("SUCCESS", True)
    turnstile.let()
    assert last.get(ENOUGH)["before"]["message"] == other.get()["message"] == "pong"
    assert eventually(lambda: {task.status for task in om.runtime.tasks()} == {"SUCCESS"})
    assert om.runtime.forget(timedelta(0), whole=True) == 4  # the parent is one, too
    for gone in (old, first, last):
        with pytest.raises(TaskNotFoundError):
            om.runtime.result(gone.id)
    assert om.runtime.tasks() == []


@pytest.mark.parametrize("older_than", ["soon", -1, float("nan"), True, None])
def test_what_is_no_age_forgets_nothing(older_than: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        om.runtime.forget(older_than)


# ---------------------------------------------------------------------------------------- the retries


def test_a_task_is_tried_again_after_some_exceptions_only(tmp_path: Path) -> None:
    om.models.put(Mortal(tmp_path / "fits", 1, ValueError), "mortal")
    twice = om.runtime.require(retries=2, backoff=0.01, jitter=0.5, retry_on=[ValueError])
    result = twice.model("mortal").fit([[1.0]])
    assert result.get(ENOUGH).version == 2
    assert result.timings.attempts == 2
    om.models.put(Mortal(tmp_path / "others", 1, ValueError), "mortal")
    with pytest.raises(ValueError, match="as it was told"):
        om.runtime.require(retries=2, retry_on=[OSError]).model("mortal").fit([[1.0]]).get(ENOUGH)


def test_an_attempt_may_be_limited_in_time(turnstile: Turnstile) -> None:
    om.models.put(Echo(turnstile), "echo")
    with pytest.raises(TimeoutError):
        om.runtime.require(timeout=0.5).model("echo").predict([[1.0]], stop=True).get(ENOUGH)


def test_requirements_that_are_none_are_refused_where_they_are_written() -> None:
    with pytest.raises(ValueError, match="retrys"):
        om.runtime.require(retrys=3)
    with pytest.raises(ValueError, match="no amount such as '8GB'"):
        om.runtime.require(memory="lots")
    with pytest.raises(TypeError):
        om.runtime.require(retries="three")
    assert om.runtime.require(memory="8GB", num_gpus=0) is not None


# --------------------------------------------------------------------------------- kept with the object


def test_a_requirement_kept_with_a_model_holds_for_all_who_ask_for_nothing_else() -> None:
    om.models.put(Adder(), "adder")
    om.runtime.model("adder").require("gpu", always=True)
    with pytest.warns(UserWarning, match="gpu"):
        waiting = om.runtime.model("adder").fit([[1.0]])
    assert (waiting.status, waiting.queue_position) == ("PENDING", 0)
    waiting.revoke()
    assert om.runtime.require("default").model("adder").fit([[1.0]]).get(ENOUGH).version == 2
    om.runtime.model("adder").require(drop=True)
    assert om.runtime.model("adder").fit([[1.0]]).get(ENOUGH).version == 3
    with pytest.raises(LabelError):
        om.runtime.model("adder").require("a,b", always=True)


def test_a_runtime_may_be_told_to_work_here(monkeypatch: pytest.MonkeyPatch) -> None:
    om.models.put(Adder(), "adder")
    om.runtime.model("adder").require("gpu", always=True)
    assert not om.runtime.mode().is_local
    om.runtime.mode(local=True)
    assert default().runtime.is_local
    assert om.runtime.ping()["worker"] in om.runtime.labels()
    om.runtime.mode(local=False)
    assert not default().runtime.is_local


# --------------------------------------------------------------------------------------- the callbacks


def test_a_script_follows_a_task_however_it_ends() -> None:
    def note(om: Any, state: str, results: list[Any], key: str) -> None:
        om.datasets.put([state, repr(results)], key)

    om.scripts.put(note, "note")
    om.models.put(Echo(), "echo")
    for key, fail in (("good", False), ("bad", True)):
        result = om.runtime.callback("note", key=key).model("echo").predict([[1.0]], fail=fail)
        result.get(ENOUGH, propagate=False)
        parent = om.runtime.tasks(limit=3)
        family = next(task.id for task in parent if task.action == "callback" and not task.kind)
        om.runtime.result(family, wait=False).results[1].get(ENOUGH)  # type: ignore[attr-defined]  # it is a group
    assert om.datasets.get("good")[0] == "SUCCESS"
    assert om.datasets.get("bad")[0] == "ERROR"
    assert "no luck" in om.datasets.get("bad")[1]


def test_a_callback_that_fails_changes_nothing() -> None:
    def broken(om: Any, **told: Any) -> None:
        raise RuntimeError("broken")

    om.scripts.put(broken, "broken")
    om.models.put(Echo(), "echo")
    result = om.runtime.callback("broken").model("echo").predict([[1.0]])
    assert result.get(ENOUGH)["X"] == 1.0
    assert result.status == "SUCCESS"


def test_a_callback_must_be_there_and_stand_alone() -> None:
    with pytest.raises(NameNotFoundError):
        om.runtime.callback("nope")
    om.scripts.put(flaky, "flaky")
    with om.runtime.sequence(), pytest.raises(UnsupportedError, match="callback"):
        om.runtime.callback("flaky").ping()

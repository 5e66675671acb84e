"""What ended long ago is removed, and of the large values what nothing mentions any more."""

import os
from pathlib import Path
from time import time
from typing import Any

import numpy as np
import pytest

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import WorkflowExecutionError
from alula.testing import Turnstile, fail, faults
from alula.workflow import Executor
from alula.workflow._vault import GRACE
from tests.postgres import ON_BOTH
from tests.workflow.bodies import add, fail_unless, held


@alula.remote
def large(seed: int) -> Any:
    return np.arange(50_000.0) + seed


@alula.remote
def kept_apart(seed: int) -> Any:
    """Give a reference inside of a value; what it refers to is stored as an object of its own."""
    return {"inside": alula.put(np.arange(50_000.0) * seed)}


@alula.remote
def total(value: Any) -> float:
    inside = alula.get(value["inside"]) if isinstance(value, dict) else value
    return float(inside.sum())


def files(home: Path) -> set[Path]:
    return {path for path in (home / "artifacts").glob("??/*") if len(path.name) == 62}


def age(home: Path) -> None:
    """Let all that lies there look as if it was written long ago."""
    for path in files(home):
        os.utime(path, (0, time() - 2 * GRACE))


def test_what_ended_long_ago_is_deleted_and_the_rest_stays(tmp_path: Path, turnstile: Turnstile) -> None:
    workflow.run(add.bind(1), workflow_id="done")
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(tmp_path / "no", 1), workflow_id="failed")
    ref = workflow.run_async(held.bind(turnstile), workflow_id="active")
    turnstile.arrived()
    assert workflow.prune(3600) == 0
    assert workflow.prune(0) == 1
    assert [id_ for id_, _ in workflow.list_all()] == ["failed", "active"]
    assert workflow.prune(0, {"FAILED", "CANCELED"}) == 1
    workflow.cancel("active")
    assert workflow.prune(0, "CANCELED") == 1
    assert workflow.list_all() == []
    del ref


def test_more_than_one_transaction_deletes(home: Path) -> None:
    refs = [workflow.run_async(add.bind(n)) for n in range(120)]
    alula.get(refs)
    with (
        faults({"store.before_commit": fail(OSError("disk full"), at=2)}),
        pytest.raises(OSError, match="full"),
    ):
        workflow.prune(0)
    assert workflow.prune(0) == 20


def test_the_large_values_of_what_is_gone_go_after_a_day(home: Path) -> None:
    workflow.run(large.bind(1), workflow_id="w")
    workflow.delete("w")
    before = files(home)
    workflow.prune(0)
    assert files(home) == before
    age(home)
    workflow.prune(0)
    assert files(home) == set()


def test_what_another_workflow_has_too_stays(home: Path) -> None:
    for workflow_id in ("first", "second"):
        workflow.run(large.options(**workflow.options(task_id="l")).bind(1), workflow_id=workflow_id)
    workflow.delete("first")
    age(home)
    workflow.prune(3600)
    assert workflow.get_output("second").sum() == np.arange(50_000.0).sum() + 50_000
    workflow.delete("second")
    workflow.prune(3600)
    assert files(home) == set()


@ON_BOTH
def test_what_is_mentioned_inside_of_values_and_calls_stays(home: Path) -> None:
    given = alula.put(np.arange(50_000.0) * 3)
    both = [total.bind(kept_apart.bind(2)), total.bind({"inside": given})]
    expected = workflow.run(add.bind(*both), workflow_id="w")
    lay = files(home)
    age(home)
    workflow.prune(3600)
    assert files(home) == lay  # functions, objects, and what is large
    first = workflow.list_tasks("w")[0].task_id
    assert workflow.get_output(workflow.fork("w", first)) == expected
    alula.get(workflow.get_output("w", task_id=first)["inside"])


@ON_BOTH
def test_what_a_schedule_needs_stays(home: Path) -> None:
    workflow.schedule("s", "0 0 1 1 *", large.bind(3), paused=True)
    assert files(home) != set()
    age(home)
    workflow.prune(3600)
    workflow.trigger_schedule("s")
    with Executor.open(Settings.load(), claims=True) as executor:
        [begun] = executor.claim()
        assert begun.result()[0] == 3


def test_what_is_put_again_is_new_again(home: Path) -> None:
    workflow.run(large.bind(1), workflow_id="w")
    workflow.delete("w")
    age(home)
    workflow.run(large.bind(1), workflow_id="again")
    workflow.delete("again")
    workflow.prune(3600)
    assert [path.stat().st_size > 400_000 for path in files(home)] == [True]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ((-1,), ValueError),
        ((float("nan"),), ValueError),
        (("long",), TypeError),
        ((0, "RUNNING"), ValueError),
        ((0, "DONE"), ValueError),
    ],
)
def test_what_cannot_be_pruned_is_refused(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        workflow.prune(*wrong)

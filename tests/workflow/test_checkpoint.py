from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alula
from alula import workflow
from alula.errors import (
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowOutputNotReady,
)
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, fail_unless, noted

pytestmark = ON_BOTH

VOLATILE = workflow.options(checkpoint=False)


def _fails_once(tmp_path: Path, node: Any) -> None:
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(tmp_path / "flag", node), workflow_id="w")
    (tmp_path / "flag").touch()


def test_an_unrecorded_value_reaches_its_readers_however_large() -> None:
    @alula.remote(**VOLATILE)
    def make() -> Any:
        return np.ones(300_000)

    @alula.remote
    def size(array: Any, nested: list[Any]) -> int:
        return int(array.sum() + alula.get(nested[0]).sum())

    array = make.bind()
    assert workflow.run(size.bind(array, [array])) == 600_000


def test_an_unrecorded_task_runs_again_if_something_unrecorded_needs_it(tmp_path: Path, tally: Tally) -> None:
    _fails_once(tmp_path, noted.options(**VOLATILE).bind(tally, "volatile", noted.bind(tally, "durable")))
    assert workflow.resume("w") == 2
    assert tally.counts() == {"volatile": 2, "durable": 1}


def test_an_unrecorded_task_does_not_run_again_for_a_recorded_reader(tmp_path: Path, tally: Tally) -> None:
    volatile = noted.options(**VOLATILE).bind(tally, "volatile")
    _fails_once(tmp_path, noted.bind(tally, "reader", volatile))
    assert workflow.resume("w") == 2
    assert tally.counts() == {"volatile": 1, "reader": 1}


def test_nothing_of_what_an_unrecorded_task_returns_is_recorded(tmp_path: Path, tally: Tally) -> None:
    inner = noted.options(**workflow.options(task_id="inner"))

    @alula.remote
    def outer() -> Any:
        tally.mark("outer")
        return noted.bind(tally, "last", inner.bind(tally, "first"))

    _fails_once(tmp_path, outer.options(**VOLATILE).bind())
    assert workflow.resume("w") == 2
    assert tally.counts() == {"outer": 2, "first": 2, "last": 2}
    with pytest.raises(WorkflowNotFoundError, match="'inner'"):
        workflow.get_output("w", task_id="inner")


def test_an_unrecorded_output_is_given_to_who_waits_and_to_nobody_later(tally: Tally) -> None:
    node = noted.options(**VOLATILE).bind(tally, "x")
    assert workflow.run(node, workflow_id="w") == 1
    assert workflow.get_status("w") == "SUCCESSFUL"
    with pytest.raises(WorkflowOutputNotReady, match="checkpoint=False"):
        workflow.get_output("w")
    assert workflow.run(node, workflow_id="w") == 1
    assert tally.counts() == {"x": 2}


def test_the_output_of_an_unrecorded_task_is_refused_after_the_run() -> None:
    volatile = add.options(**workflow.options(checkpoint=False, task_id="volatile"))
    workflow.run(add.bind(volatile.bind(1)), workflow_id="w")
    with pytest.raises(WorkflowOutputNotReady):
        workflow.get_output("w", task_id="volatile")


KEPT = workflow.options(checkpoint=True, task_id="kept")


def _outer(tally: Tally, *args: int) -> Any:
    @alula.remote(**VOLATILE)
    def outer() -> Any:
        tally.mark("outer")
        given = args[min(tally.counts()["outer"], len(args)) - 1]
        return add.bind(noted.options(**KEPT).bind(tally, "kept", given), noted.bind(tally, "other"))

    return outer.bind()


def test_a_value_that_is_to_be_kept_inside_of_what_is_not_recorded_is_used_by_the_next_run(
    tmp_path: Path, tally: Tally
) -> None:
    _fails_once(tmp_path, _outer(tally, 1))
    assert workflow.get_output("w", task_id="kept") == 2
    assert workflow.resume("w") == 3
    assert tally.counts() == {"outer": 2, "kept": 1, "other": 2}


def test_it_is_not_used_if_that_run_makes_another_call(tmp_path: Path, tally: Tally) -> None:
    _fails_once(tmp_path, _outer(tally, 1, 5))
    assert workflow.resume("w") == 7
    assert tally.counts() == {"outer": 2, "kept": 2, "other": 2}
    assert workflow.get_output("w", task_id="kept") == 6


def test_what_such_a_task_returns_is_kept_as_the_value_at_its_end(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def grows() -> Any:
        tally.mark("grows")
        return noted.bind(tally, "end", noted.bind(tally, "part"))

    @alula.remote(**VOLATILE)
    def outer() -> Any:
        return add.bind(grows.options(**KEPT).bind())

    _fails_once(tmp_path, outer.bind())
    assert workflow.resume("w") == 2
    assert tally.counts() == {"grows": 2, "end": 1, "part": 1}


def test_one_that_is_the_output_ends_the_workflow(tally: Tally) -> None:
    @alula.remote(**VOLATILE)
    def outer() -> Any:
        return noted.options(**KEPT).bind(tally, "kept")

    assert workflow.run(outer.bind(), workflow_id="w") == 1
    assert workflow.get_output("w", task_id="kept") == 1


def test_one_in_place_inside_of_what_is_not_recorded_is_kept(tmp_path: Path, tally: Tally) -> None:
    here = noted.options(**workflow.options(checkpoint=True, allow_inplace=True, task_id="kept"))

    @alula.remote(**VOLATILE)
    def outer() -> Any:
        return add.bind(here.bind(tally, "kept"))

    _fails_once(tmp_path, outer.bind())
    assert workflow.resume("w") == 1
    assert tally.counts() == {"kept": 1}


def test_an_unrecorded_task_is_retried_like_any(tally: Tally) -> None:
    @alula.remote(**workflow.options(checkpoint=False, max_retries=1))
    def shaky() -> int:
        tally.mark("try")
        if tally.counts()["try"] == 1:
            raise ValueError
        return 5

    assert workflow.run(add.bind(shaky.bind())) == 5

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alula
from alula import workflow
from alula.errors import (
    UnsupportedError,
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


def test_recording_cannot_be_asked_for_inside_of_what_is_not_recorded() -> None:
    @alula.remote(**VOLATILE)
    def outer() -> Any:
        return add.options(**workflow.options(checkpoint=True)).bind(1)

    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(outer.bind())
    assert isinstance(caught.value.__cause__, UnsupportedError)


def test_an_unrecorded_task_is_retried_like_any(tally: Tally) -> None:
    @alula.remote(**workflow.options(checkpoint=False, max_retries=1))
    def shaky() -> int:
        tally.mark("try")
        if tally.counts()["try"] == 1:
            raise ValueError
        return 5

    assert workflow.run(add.bind(shaky.bind())) == 5

"""Values are looked at without running or fetching anything, and never against what is allowed."""

from pathlib import Path

import numpy as np
import pytest

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import WorkflowNotFoundError
from alula.store import Store
from alula.workflow import Glance, Hidden, Stand, glance, wait_for_signal
from tests.workflow.bodies import add

pytestmark = pytest.mark.usefixtures("executor")


def look(workflow_id: str, task_id: str | None = None, *, most: int = 1 << 20, **settings: object) -> Glance:
    known = Settings.load(**settings)
    store = Store.open(known.store)
    try:
        return glance(store, known, workflow_id, task_id, most=most)
    finally:
        store.close()


@alula.remote
def zeros(size: int, *, kind: str = "f8") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.zeros(size, kind)


@alula.remote
def unreadable() -> object:
    return _Moved()


class _Moved:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return __import__, ("a_module_that_is_not_there",)


def test_inputs_are_named_and_those_of_other_tasks_stand_for_them() -> None:
    inner = add.options(**workflow.options(task_id="inner")).bind(1, 2)
    workflow.run(add.options(**workflow.options(task_id="outer")).bind(inner, 39), workflow_id="w")
    seen = look("w")
    assert (seen.task_id, seen.output) == ("outer", 42)
    assert seen.inputs == {"0": Stand("inner"), "1": 39}
    assert repr(seen.inputs["0"]) == "the value of inner"
    assert look("w", "inner").output == 3


def test_keywords_keep_their_names_and_objects_lie_apart() -> None:
    workflow.run(zeros.bind(2, kind="f4"), workflow_id="w")
    assert look("w").inputs == {"0": 2, "kind": "f4"}
    workflow.run(add.bind(alula.put(5)), workflow_id="put")
    assert look("put").inputs == {"0": Stand(None)}


def test_what_is_large_stays_closed() -> None:
    workflow.run(zeros.bind(100_000), workflow_id="w")
    output = look("w", most=1000).output
    assert isinstance(output, Hidden)
    assert "are shown" in output.why
    assert len(look("w").output) == 100_000


def test_what_the_settings_forbid_is_not_unpickled() -> None:
    workflow.run(add.bind(1), workflow_id="w")
    seen = look("w", pickles="none")
    assert isinstance(seen.output, Hidden)
    assert "pickles = 'none'" in seen.output.why
    assert isinstance(seen.inputs["all"], Hidden)


def test_what_was_sealed_by_another_key_is_not_opened(tmp_path: Path) -> None:
    workflow.run(add.bind(1), workflow_id="w")
    (tmp_path / "other").mkdir()
    store = Settings.load().store
    output = look("w", home=tmp_path / "other", store=store).output
    assert isinstance(output, Hidden)


def test_a_value_whose_code_is_not_here_says_so() -> None:
    workflow.run_async(unreadable.bind(), workflow_id="w")
    assert [task.status for task in workflow.follow("w")][-1] == "SUCCESSFUL"
    output = look("w").output
    assert isinstance(output, Hidden)
    assert "a_module_that_is_not_there" in output.why


def test_a_split_is_shown_with_what_remains() -> None:
    first = add.options(**workflow.options(task_id="first")).bind(1)
    last = add.options(**workflow.options(task_id="last")).bind(wait_for_signal("never"))
    workflow.run_async(add.bind(workflow.wait([first, last], num_returns=1)), workflow_id="w")
    for task in workflow.follow("w"):
        if task.kind == "wait" and task.recorded:
            break
    ready, remaining = look("w", task.task_id).output
    assert (ready, remaining) == ([1], [Stand("last")])
    workflow.cancel("w")


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(WorkflowNotFoundError, match="nobody"):
        look("nobody")
    workflow.run(add.bind(1), workflow_id="w")
    with pytest.raises(WorkflowNotFoundError, match="none"):
        look("w", "none")


def test_a_volatile_value_is_not_on_record() -> None:
    quick = add.options(**workflow.options(task_id="quick", checkpoint=False)).bind(1)
    workflow.run(add.bind(quick), workflow_id="w")
    assert look("w", "quick").output == Hidden("there is none on record")

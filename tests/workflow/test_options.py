import os
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError
from tests.workflow.bodies import OddError, Tally, add, die_first, fail_first


def test_options_are_a_mapping_and_a_decorator() -> None:
    chosen = workflow.options(task_id="t", checkpoint=False)
    by_keyword = add.options(**chosen).bind(1)
    by_decorator = chosen(add).bind(1)
    assert by_keyword.options == by_decorator.options == {"task_id": "t", "checkpoint": False}
    assert (len(chosen), list(chosen)) == (1, ["metadata"])


def test_later_options_win_one_by_one_and_leave_the_others() -> None:
    first = add.options(num_cpus=0.5, **workflow.options(task_id="a", metadata={"x": 1}))
    node = first.options(**workflow.options(metadata={"y": 2})).bind(1)
    assert node.options == {"task_id": "a", "metadata": {"y": 2}}
    assert node.fn.options.num_cpus == 0.5


def test_name_is_another_word_for_task_id() -> None:
    workflow.run(add.options(**workflow.options(name="sum")).bind(1), workflow_id="w")
    assert workflow.get_output("w", task_id="sum") == 1


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'checkpoint'"):
        workflow.options(checkpoints=True)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"task_id": 7}, TypeError),
        ({"task_id": ""}, ValueError),
        ({"checkpoint": 1}, TypeError),
        ({"metadata": []}, ValueError),
        ({"metadata": {"x": object()}}, ValueError),
        ({"max_retries": -2}, ValueError),
        ({"max_retries": 1.5}, TypeError),
        ({"max_retries": True}, TypeError),
        ({"retry_exceptions": ["ValueError"]}, TypeError),
        ({"catch_exceptions": 1}, TypeError),
        ({"allow_inplace": None}, TypeError),
    ],
)
def test_a_wrong_value_is_refused_where_it_is_written(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(given))):
        workflow.options(**given)


def test_what_this_version_lacks_may_be_declined() -> None:
    given = workflow.options(catch_exceptions=False, allow_inplace=False, checkpoint=None)
    assert workflow.run(add.options(**given).bind(1)) == 1


def test_options_go_over_remote_functions_alone() -> None:
    with pytest.raises(ValueError, match="above @remote"):
        workflow.options(task_id="t")(len)


# ---------------------------------------------------------------------------------------- retries


def test_errors_of_the_code_are_not_retried_by_default(tally: Tally) -> None:
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(fail_first.bind(tally, 1))
    assert isinstance(caught.value.__cause__, ValueError)
    assert tally.counts()["try"] == 1


def test_max_retries_of_the_workflow_count_errors_of_the_code(tally: Tally) -> None:
    node = fail_first.options(**workflow.options(max_retries=3)).bind(tally, 3)
    assert workflow.run(node) == 4


def test_one_failure_more_than_the_retries_is_one_too_many(tally: Tally) -> None:
    node = fail_first.options(**workflow.options(max_retries=2)).bind(tally, 3)
    with pytest.raises(WorkflowExecutionError):
        workflow.run(node)
    assert tally.counts()["try"] == 3


def test_only_the_named_classes_are_retried(tally: Tally) -> None:
    retrying = fail_first.options(max_retries=5, retry_exceptions=[KeyError])
    with pytest.raises(WorkflowExecutionError):
        workflow.run(retrying.bind(tally, 1))
    assert workflow.run(retrying.bind(tally, 3, KeyError)) == 4


def test_minus_one_retries_for_ever(tally: Tally) -> None:
    node = fail_first.options(**workflow.options(max_retries=-1)).bind(tally, 12)
    assert workflow.run(node) == 13


def test_the_death_of_a_process_is_retried_three_times_by_default(tally: Tally) -> None:
    assert workflow.run(die_first.bind(tally, 3)) == 4


def test_crashes_and_errors_share_one_budget(tally: Tally, tmp_path: Path) -> None:
    @alula.remote(max_retries=1, retry_exceptions=True)
    def fail_both(tally: Tally) -> Any:
        return add.bind(1) if tally.counts()["try"] > 9 else die_or_raise(tally)

    def die_or_raise(tally: Tally) -> None:
        tally.mark("try")
        if tally.counts()["try"] == 1:
            os._exit(1)
        raise OddError(code=7)

    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(fail_both.bind(tally))
    assert isinstance(caught.value.__cause__, OddError)
    assert tally.counts()["try"] == 2

"""`catch_exceptions`: errors as values, recorded like any other."""

import os
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import TaskError, WorkerCrashedError, WorkflowExecutionError
from alula.testing import Turnstile
from tests.workflow.bodies import OddError, Tally, add, fail_first, fail_unless, held, noted

CATCH = workflow.options(catch_exceptions=True)
Pair = tuple[Any, Any]


@alula.remote
def broken(*_: Any) -> Any:
    raise ValueError("no")


@alula.remote
def parts(pair: Pair) -> tuple[Any, str | None]:
    value, error = pair
    return value, error and f"{type(error).__name__}: {error.args}"


@alula.remote
def count(n: int) -> Any:
    """Fail after so many continuations."""
    if n == 0:
        raise ValueError("zero")
    return workflow.continuation(count.bind(n - 1))


@alula.remote
def make(node: Any) -> Any:
    """Return a node that was given as a function."""
    return workflow.continuation(node())


def test_a_value_comes_in_a_pair_with_none() -> None:
    assert workflow.run(add.options(**CATCH).bind(1, 2)) == (3, None)


def test_an_error_comes_in_a_pair_as_one_of_its_class() -> None:
    value, error = workflow.run(broken.options(**CATCH).bind())
    assert value is None
    assert isinstance(error, ValueError)
    assert isinstance(error, TaskError)
    assert error.args == ("no",)


def test_an_error_that_does_not_pickle_by_itself_arrives(tmp_path: Path) -> None:
    _, error = workflow.run(fail_unless.options(**CATCH).bind(tmp_path / "no", 1))
    assert isinstance(error, OddError)
    assert error.code == 7


def test_it_is_caught_after_the_retries(tally: Tally) -> None:
    options = workflow.options(catch_exceptions=True, max_retries=2)
    other = Tally(tally.path.with_name("other"))
    good: Any = fail_first.options(**options).bind(tally, 2)
    bad: Any = fail_first.options(**options).bind(other, 9)
    assert workflow.run(good) == (3, None)
    assert workflow.run(bad)[1].args == ("attempt 3",)


def test_a_crash_is_caught_after_the_retries(tally: Tally) -> None:
    @alula.remote(max_retries=1, **CATCH)
    def crash() -> None:
        tally.mark("crash")
        os._exit(1)

    value, error = workflow.run(crash.bind())
    assert value is None
    assert isinstance(error, WorkerCrashedError)
    assert tally.counts() == {"crash": 2}


def test_an_unrecorded_task_gives_a_pair_too() -> None:
    options = workflow.options(catch_exceptions=True, checkpoint=False)
    good, bad = add.options(**options).bind(1), broken.options(**options).bind()
    assert workflow.run(both.bind(parts.bind(good), parts.bind(bad))) == [
        (1, None),
        (None, "TaskError(ValueError): ('no',)"),
    ]


@alula.remote
def both(*found: Any) -> list[Any]:
    return list(found)


def test_an_error_of_an_input_is_not_the_tasks_own() -> None:
    with pytest.raises(WorkflowExecutionError):
        workflow.run(add.options(**CATCH).bind(broken.bind()))


def test_metadata_tell_it() -> None:
    workflow.run(add.options(**CATCH, name="sum").bind(1), workflow_id="w")
    assert workflow.get_metadata("w", "tests.workflow.bodies.add")["task_options"]["catch_exceptions"] is True


# ------------------------------------------------------------------------------------------- chains


def test_the_pair_is_made_once_at_the_end_of_a_chain() -> None:
    assert workflow.run(make.options(**CATCH).bind(lambda: add.bind(10))) == (10, None)
    inner = add.options(**CATCH)
    assert workflow.run(make.options(**CATCH).bind(lambda: inner.bind(10))) == (10, None)


@pytest.mark.parametrize("links", [0, 1, 5])
def test_an_error_anywhere_in_a_chain_is_caught(links: int) -> None:
    value, error = workflow.run(count.options(**CATCH).bind(links))
    assert value is None
    assert error.args == ("zero",)


def test_an_error_of_any_task_in_what_was_returned_is_caught() -> None:
    value, error = workflow.run(make.options(**CATCH).bind(lambda: add.bind(add.bind(broken.bind()), 1)))
    assert value is None
    assert isinstance(error, ValueError)
    assert workflow.run(make.options(**CATCH).bind(lambda: add.bind(add.bind(1), 1))) == (2, None)


def test_an_error_inside_of_what_such_a_task_returned_is_caught() -> None:
    deep = make.bind(lambda: add.bind(make.bind(lambda: broken.bind())))
    _, error = workflow.run(make.options(**CATCH).bind(lambda: add.bind(1, deep)))
    assert isinstance(error, ValueError)


def test_the_nearest_one_catches() -> None:
    inner = make.options(**CATCH).bind(lambda: add.bind(1, broken.bind()))
    node = make.options(**CATCH).bind(lambda: parts.bind(inner))
    assert workflow.run(node) == ((None, "TaskError(ValueError): ('no',)"), None)


def test_the_other_tasks_of_that_graph_are_cancelled(tally: Tally, turnstile: Turnstile) -> None:
    slow = held.options(num_cpus=0)

    @alula.remote
    def fails() -> Any:
        raise ValueError("no")

    @alula.remote
    def spread() -> Any:
        return add.bind(noted.bind(tally, "after", slow.bind(turnstile, 1)), fails.bind())

    caught = spread.options(**CATCH).bind()
    assert workflow.run(parts.bind(caught))[0] is None
    turnstile.let()
    assert tally.counts() == {}


def test_the_rest_of_the_workflow_goes_on(tally: Tally) -> None:
    caught = make.options(**CATCH).bind(lambda: add.bind(broken.bind()))
    assert workflow.run(both.bind(parts.bind(caught), noted.bind(tally, "other"))) == [
        (None, "TaskError(ValueError): ('no',)"),
        1,
    ]


def test_in_place_links_are_caught_as_well() -> None:
    here = workflow.options(allow_inplace=True)

    @alula.remote
    def down(n: int) -> Any:
        if n == 0:
            raise ValueError("zero")
        return workflow.continuation(down.options(**here).bind(n - 1))

    @alula.remote
    def fine(n: int) -> Any:
        return n if n == 0 else workflow.continuation(fine.options(**here).bind(n - 1))

    _, error = workflow.run(down.options(**CATCH).bind(5), workflow_id="w")
    assert isinstance(error, ValueError)
    assert workflow.run(fine.options(**CATCH).bind(5)) == (0, None)
    assert workflow.get_output("w")[1].args == ("zero",)


# --------------------------------------------------------------------------------------- durability


def test_a_caught_error_is_recorded_and_its_task_does_not_run_again(tmp_path: Path, tally: Tally) -> None:
    """A later failure does not change what a reader has seen."""

    @alula.remote(**CATCH)
    def shaky() -> Any:
        tally.mark("shaky")
        if tally.counts()["shaky"] == 1:
            raise ValueError("once")
        return "fine"

    pair = shaky.bind()
    node = both.bind(parts.bind(pair), fail_unless.bind(tmp_path / "flag", parts.bind(pair)))
    with pytest.raises(WorkflowExecutionError):
        workflow.run(node, workflow_id="w")
    (tmp_path / "flag").touch()
    seen = (None, "TaskError(ValueError): ('once',)")
    assert workflow.resume("w") == [seen, seen]
    assert tally.counts() == {"shaky": 1}


def test_a_graph_whose_error_was_caught_does_not_run_again(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def spread() -> Any:
        tally.mark("spread")
        return add.bind(noted.bind(tally, "part"), broken.bind())

    pair = spread.options(**CATCH).bind()
    node = fail_unless.bind(tmp_path / "flag", parts.bind(pair))
    with pytest.raises(WorkflowExecutionError):
        workflow.run(node, workflow_id="w")
    before = tally.counts()
    (tmp_path / "flag").touch()
    assert workflow.resume("w")[0] is None
    assert tally.counts() == before


# ------------------------------------------------------------------------------------------- waits


def test_a_caught_error_is_ready_in_a_wait() -> None:
    @alula.remote
    def ready(split: tuple[list[Pair], list[Any]]) -> Any:
        [(value, error)] = split[0]
        return value, type(error).__name__

    assert workflow.run(ready.bind(workflow.wait([broken.options(**CATCH).bind()]))) == (
        None,
        "TaskError(ValueError)",
    )


def test_a_wait_at_the_end_of_a_chain_gives_its_pair_and_its_error_too() -> None:
    def waits(task: Any) -> Any:
        return make.options(**CATCH).bind(lambda: workflow.wait([task.bind()]))

    assert workflow.run(waits(add)) == (([0], []), None)
    value, error = workflow.run(waits(broken))
    assert value is None
    assert isinstance(error, ValueError)


def test_a_handle_that_is_returned_by_a_task_which_catches_gives_a_pair() -> None:
    @alula.remote(**CATCH)
    def hand_on(split: tuple[list[Any], list[Any]]) -> Any:
        return split[1][0]

    assert workflow.run(hand_on.bind(workflow.wait([add.bind(1), add.bind(1, 0)]))) == (1, None)

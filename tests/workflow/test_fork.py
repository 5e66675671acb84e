"""A fork runs one task again and what depends on it, and takes all else from the records."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import WorkflowError, WorkflowExecutionError, WorkflowNotFoundError
from alula.graph import Graph
from alula.testing import Turnstile, fail, faults
from alula.workflow import Executor
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, countdown, fail_unless, held, noted
from tests.workflow.programs import Program, build, evaluate, names, programs


def called(name: str, **given: Any) -> dict[str, Any]:
    return dict(workflow.options(task_id=name, **given))


def again(tally: Tally, before: dict[str, int]) -> set[str]:
    """Give what has run since."""
    return {name for name, count in tally.counts().items() if count > before.get(name, 0)}


def diamond(tally: Tally) -> Any:
    top = noted.options(**called("top")).bind(tally, "top")
    left = noted.options(**called("left")).bind(tally, "left", top)
    right = noted.options(**called("right")).bind(tally, "right", top)
    return noted.options(**called("bottom")).bind(tally, "bottom", left, right)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("top", {"top", "left", "right", "bottom"}),
        ("left", {"left", "bottom"}),
        ("bottom", {"bottom"}),
    ],
)
def test_what_depends_on_the_task_runs_again_and_nothing_else(
    tally: Tally, task: str, expected: set[str]
) -> None:
    workflow.run(diamond(tally), workflow_id="w", metadata={"of": "mine"})
    before = dict(tally.counts())
    new = workflow.fork("w", task, "fork")
    assert (new, workflow.get_output("fork")) == ("fork", 5)
    assert again(tally, before) == expected
    assert workflow.get_output("w") == 5
    described = workflow.get_metadata("fork")
    assert (described["user_metadata"], described["forked_from"]) == ({"of": "mine"}, "w")
    assert "forked_from" not in workflow.get_metadata("w")


@ON_BOTH
def test_a_chain_goes_on_from_its_link(tally: Tally) -> None:
    workflow.run(countdown.options(**called("c")).bind(tally, 5), workflow_id="w")
    [link] = [task.task_id for task in workflow.list_tasks("w")][2:3]
    new = workflow.fork("w", link)
    assert workflow.get_output(new) == "end"
    assert tally.counts() == {"5": 1, "4": 1, "3": 2, "2": 2, "1": 2, "0": 2}
    assert [str(task.status) for task in workflow.list_tasks(new)] == ["SUCCESSFUL"] * 6
    assert {workflow.get_output(new, task_id=task.task_id) for task in workflow.list_tasks(new)} == {"end"}


def test_a_failed_workflow_goes_on_beside_itself(tmp_path: Path, tally: Tally) -> None:
    first = noted.options(**called("first")).bind(tally, "first")
    shaky = fail_unless.options(**called("shaky")).bind(tmp_path / "flag", first)
    with pytest.raises(WorkflowExecutionError):
        workflow.run(add.bind(shaky, noted.bind(tally, "other")), workflow_id="w")
    (tmp_path / "flag").touch()
    before = tally.counts()["first"]
    assert workflow.get_output(workflow.fork("w", "shaky")) == 2
    assert workflow.get_status("w") == "FAILED"
    assert tally.counts()["first"] == before


def test_a_running_workflow_may_be_forked(tally: Tally, turnstile: Turnstile) -> None:
    first = noted.options(**called("first")).bind(tally, "first")
    ref = workflow.run_async(
        held.options(num_cpus=0.1, **called("slow")).bind(turnstile, first), workflow_id="w"
    )
    turnstile.arrived()
    new = workflow.fork("w", "slow")
    turnstile.arrived()
    turnstile.let()
    assert (alula.get(ref), workflow.get_output(new)) == (1, 1)
    assert tally.counts() == {"first": 1}


def test_what_was_told_is_told_by_the_fork_too(tally: Tally) -> None:
    @alula.remote
    def tell() -> int:
        workflow.set_event("progress", "half")
        return 1

    last = noted.options(**called("last")).bind(tally, "last", tell.bind())
    workflow.run(last, workflow_id="w")
    new = workflow.fork("w", "last")
    assert workflow.get_event(new, "progress") == "half"
    assert workflow.get_output(new) == 2


@ON_BOTH
def test_the_mended_code_of_a_task_that_had_a_result_may_run(tally: Tally) -> None:
    first = noted.bind(tally, "first")
    workflow.run(grade.options(**called("grade")).bind(first), workflow_id="w")
    assert workflow.get_output("w") == "wrong"
    wrong, globals()["grade"] = grade, mended
    mended.function.definition.target.__qualname__ = "grade"
    try:
        assert workflow.get_output(workflow.fork("w", "grade", code="current")) == "right"
        assert workflow.get_output(workflow.fork("w", "grade")) == "wrong"
    finally:
        globals()["grade"] = wrong
    assert tally.counts() == {"first": 1}


@alula.remote
def grade(first: int) -> str:
    return "wrong"


@alula.remote
def mended(first: int) -> str:
    return "right"


def test_bad_forks_are_refused_and_leave_nothing(tally: Tally) -> None:
    workflow.run(diamond(tally), workflow_id="w")
    with pytest.raises(WorkflowNotFoundError, match="No such workflow_id 'none'"):
        workflow.fork("none", "top")
    with pytest.raises(WorkflowNotFoundError, match="No such task_id 'none' in workflow 'w'"):
        workflow.fork("w", "none")
    with pytest.raises(WorkflowError, match="'w' exists already"):
        workflow.fork("w", "top", "w")
    number: Any = 7
    with pytest.raises(TypeError, match="task_id is text"):
        workflow.fork("w", number)
    with pytest.raises(TypeError, match="workflow_id is text"):
        workflow.fork("w", "top", number)
    with (
        faults({"store.before_commit": fail(OSError("disk full"))}),
        pytest.raises(OSError, match="disk full"),
    ):
        workflow.fork("w", "top", "fork")
    assert workflow.list_all() == [("w", "SUCCESSFUL")]


def _changed(program: Program, first: str) -> bool:
    """Tell whether the value of a program depends on a task."""
    inner = (*program.parts, *([program.then] if program.then else []))
    return program.name == first or any(_changed(part, first) for part in inner)


def _expected(program: Program, first: str) -> set[str]:
    """Give the tasks that run again, by plain recursion."""
    found: set[str] = set().union(*[_expected(part, first) for part in program.parts])
    runs = program.name == first or any(_changed(part, first) for part in program.parts)
    if program.then is not None:
        found |= names(program.then) if runs else _expected(program.then, first)
    return found | ({program.name} if runs else set())


@given(programs(checkpoints=False), st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_program_may_be_forked_anywhere(program: Program, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, Executor.open(Settings.load(home=folder)) as executor:
        tally = Tally(Path(folder, "tally"))
        executor.submit(Graph.of(build(tally, program, {})), id="w").result(150)
        for n in range(2):  # a fork of a fork is one of both
            first = data.draw(st.sampled_from(sorted(names(program))))
            before = dict(tally.counts())
            fork = executor.fork("w" if n == 0 else "fork0", first, f"fork{n}")
            assert fork.result(150) == evaluate(program)
            assert again(tally, before) == _expected(program, first)
            assert executor.find("w").result(150) == evaluate(program)

"""Which code a workflow goes on with, and what happens when its id is given to another one."""

import sys
import warnings
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowError, WorkflowExecutionError, WorkflowNotResumableError
from alula.graph import Graph
from alula.testing import Turnstile, fail, faults
from alula.workflow._code import code_of
from tests.workflow.bodies import Tally, add, fail_unless, held, noted

BROKEN = """
import alula

@alula.remote
def shaky(first):
    raise ValueError("a fault in the code")
"""
MENDED = BROKEN.replace('raise ValueError("a fault in the code")', "return first + 10")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the user's, which may be edited."""
    made = ModuleType("edited_by_a_user")
    monkeypatch.setitem(sys.modules, "edited_by_a_user", made)
    edit(made, BROKEN)
    return made


def edit(module: ModuleType, text: str) -> None:
    exec(compile(text, "edited_by_a_user.py", "exec"), module.__dict__)  # it is what an import does


def failed(workflow_id: str, node: Any) -> None:
    with pytest.raises(WorkflowExecutionError):
        workflow.run(node, workflow_id=workflow_id)


# ------------------------------------------------------------------------------------------ resume


def test_what_is_recorded_is_what_runs(module: ModuleType, tally: Tally) -> None:
    failed("w", module.shaky.bind(noted.bind(tally, "first")))
    edit(module, MENDED)
    with pytest.raises(WorkflowExecutionError):
        workflow.resume("w")


def test_what_has_no_result_may_run_the_code_of_now(module: ModuleType, tally: Tally) -> None:
    failed("w", module.shaky.bind(noted.bind(tally, "first")))
    edit(module, MENDED)
    assert workflow.resume("w", code="current") == 11
    assert tally.counts() == {"first": 1}


def test_a_crash_before_it_goes_on_leaves_the_code_as_it_was(module: ModuleType, tally: Tally) -> None:
    failed("w", module.shaky.bind(noted.bind(tally, "first")))
    edit(module, MENDED)
    error = OSError("disk full")
    with faults({"store.before_commit": fail(error)}), pytest.raises(OSError, match="disk full"):
        workflow.resume("w", code="current")
    with pytest.raises(WorkflowExecutionError):
        workflow.resume("w")
    assert alula.get(workflow.resume_async("w", code="current")) == 11


def test_a_function_that_is_gone_is_refused_by_name(module: ModuleType, tally: Tally) -> None:
    failed("w", module.shaky.bind(noted.bind(tally, "first")))
    del module.shaky
    with pytest.raises(WorkflowNotResumableError, match="name edited_by_a_user:shaky"):
        workflow.resume("w", code="current")
    assert workflow.get_status("w") == "FAILED"
    module.__dict__["shaky"] = 7
    with pytest.raises(WorkflowNotResumableError, match="7, no remote function, stands under"):
        workflow.resume("w", code="current")


def test_a_function_that_is_stored_by_its_name_is_refused_if_its_code_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "plain_functions.py").write_text("def plain():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import plain_functions  # type: ignore[import-not-found]  # written above

    failed("w", alula.remote(plain_functions.plain).bind())  # for workers cannot import it
    edit(plain_functions, "def plain():\n    return 2\n")
    with pytest.raises(WorkflowNotResumableError, match="code of plain_functions:plain is not that"):
        workflow.resume("w")
    assert workflow.resume_all(include_failed=True) == []
    assert "plain_functions:plain" in caplog.text
    edit(plain_functions, "def plain():\n    return 1\n")
    with pytest.raises(WorkflowExecutionError):
        workflow.resume("w")


def test_code_that_is_no_choice_is_refused() -> None:
    wrong: Any = "newest"
    with pytest.raises(ValueError, match="code is one of"):
        workflow.resume("w", code=wrong)


# ---------------------------------------------------------------------------------------- conflicts


def test_the_same_graph_with_other_code_is_told(module: ModuleType) -> None:
    failed("w", module.shaky.bind(1))
    edit(module, MENDED)
    with (
        pytest.warns(UserWarning, match="exists, with other code of edited_by_a_user:shaky"),
        pytest.raises(WorkflowExecutionError),
    ):
        workflow.run(module.shaky.bind(1), workflow_id="w")


def test_the_same_graph_with_the_same_code_is_not(module: ModuleType) -> None:
    failed("w", module.shaky.bind(1))
    edit(module, "\n\n" + BROKEN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        failed("w", module.shaky.bind(1))


def test_a_known_id_may_be_a_conflict(tally: Tally) -> None:
    workflow.run(noted.bind(tally, "old"), workflow_id="w")
    with pytest.raises(WorkflowError, match="'w' exists already, and is SUCCESSFUL"):
        workflow.run(noted.bind(tally, "new"), workflow_id="w", on_conflict="fail")
    assert tally.counts() == {"old": 1}
    assert workflow.run(noted.bind(tally, "new", 6), workflow_id="w", on_conflict="restart") == 7
    assert workflow.get_output("w") == 7
    assert [status for _, status in workflow.list_all()] == ["SUCCESSFUL"]


def test_a_restart_that_cannot_be_written_leaves_what_was_there(tally: Tally) -> None:
    workflow.run(noted.bind(tally, "old"), workflow_id="w")
    with faults({"store.before_commit": fail(OSError("disk full"))}), pytest.raises(OSError, match="full"):
        workflow.run(noted.bind(tally, "new", 6), workflow_id="w", on_conflict="restart")
    assert workflow.get_output("w") == 1


@pytest.mark.parametrize("on_conflict", ["resume", "fail", "restart"])
def test_an_active_id_is_refused_whatever_is_wished(turnstile: Turnstile, on_conflict: Any) -> None:
    ref = workflow.run_async(held.bind(turnstile, 1), workflow_id="w")
    turnstile.arrived()
    with pytest.raises(RuntimeError, match="'w' is RUNNING"):
        workflow.run(held.bind(turnstile, 1), workflow_id="w", on_conflict=on_conflict)
    turnstile.let()
    assert alula.get(ref) == 1


@pytest.mark.parametrize("on_conflict", ["fail", "restart"])
def test_a_new_id_is_no_conflict(on_conflict: Any) -> None:
    assert alula.get(workflow.run_async(add.bind(1), workflow_id="w", on_conflict=on_conflict)) == 1


def test_a_conflict_that_is_none_is_refused_before_anything_is_stored() -> None:
    wrong: Any = "ignore"
    with pytest.raises(ValueError, match="on_conflict is one of"):
        workflow.run(add.bind(1), on_conflict=wrong)
    assert workflow.list_all() == []


# ------------------------------------------------------------------------------------ fingerprints


def print_of(text: str, name: str = "f") -> str:
    space: dict[str, Any] = {"__name__": "somewhere", "alula": alula, "wraps": wraps}
    exec(text, space)  # the text is the test's
    [(print_, _)] = code_of(Graph.of(alula.remote(space[name]).bind())).values()
    return print_


F = "def f(x=1):\n    return [y + 1 for y in (x,) if y in {1, 2}]"


@pytest.mark.parametrize(
    "text",
    ["\n\n" + F, F.replace("1):", "1):\n    '''Says what it does.'''"), "def g(): pass\n" + F, F + "  # so"],
)
def test_a_fingerprint_is_of_what_a_function_does(text: str) -> None:
    assert print_of(text) == print_of(F)


@pytest.mark.parametrize(
    "text", [F.replace("+ 1", "+ 2"), F.replace("+", "-"), F.replace("{1, 2}", "{1, 3}")]
)
def test_a_fingerprint_differs_with_what_a_function_does(text: str) -> None:
    assert print_of(text) != print_of(F)


def test_a_fingerprint_is_of_what_a_decorator_wraps_too() -> None:
    wrapped = "def d(g):\n    @wraps(g)\n    def call(*a):\n        return g(*a)\n    return call\n@d\n" + F
    assert print_of(wrapped) != print_of(wrapped.replace("+ 1", "+ 2"))


def test_what_is_no_function_of_pythons_has_its_name() -> None:
    [(_, by_name)] = code_of(Graph.of(alula.remote(len).bind([]))).values()
    assert by_name


def test_a_finished_workflow_gives_its_value_whatever_the_code(tmp_path: Path) -> None:
    (tmp_path / "flag").touch()
    workflow.run(fail_unless.bind(tmp_path / "flag", 5), workflow_id="w")
    assert workflow.resume("w", code="current") == 5

"""Which error who gets: each is raised where programs written for Ray Workflows expect it, and is plain."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import errors, workflow
from alula.testing import Turnstile
from alula.workflow import WorkflowStatus, common, event_listener, exceptions
from tests.workflow.bodies import OddError, add, fail_unless, held

NEVER = Path("/nowhere/there")
NOTHING: Any = 1  # which is none of what calls take

Call = Callable[[], Any]


@pytest.fixture
def failed() -> None:
    """A workflow ``failed``, one task of which, ``first``, is recorded."""
    first = add.options(**workflow.options(task_id="first")).bind(1)
    with pytest.raises(workflow.WorkflowExecutionError):
        workflow.run(fail_unless.bind(NEVER, first), workflow_id="failed")


@pytest.fixture
def active(turnstile: Turnstile) -> None:
    """A workflow ``active``, which runs until the test ends."""
    workflow.run_async(held.bind(turnstile), workflow_id="active")
    turnstile.arrived()


def damage(statement: str) -> None:
    with workflow.default_executor()._store.transaction() as connection:
        connection.exec_driver_sql(statement)


def unpicklable() -> Any:
    return workflow.run(alula.remote(lambda: (_ for _ in ())).bind())


# ------------------------------------------------------------------------------------------ names


def test_old_addresses_give_the_very_classes() -> None:
    for name in exceptions.__all__:
        assert getattr(exceptions, name) in vars(errors).values()
    assert common.WorkflowStatus is WorkflowStatus
    assert event_listener.EventListener is workflow.EventListener
    assert workflow.WorkflowError is exceptions.WorkflowError


@pytest.mark.parametrize("module", [common, exceptions])
def test_an_unknown_name_is_refused_with_what_there_is(module: Any) -> None:
    with pytest.raises(AttributeError, match=f"has no 'WorkflowRef'; it has .*{module.__all__[0]}"):
        _ = module.WorkflowRef


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("WorkflowError", Exception),
        ("WorkflowExecutionError", exceptions.WorkflowError),
        ("WorkflowCancellationError", exceptions.WorkflowError),
        ("WorkflowNotResumableError", exceptions.WorkflowError),
        ("WorkflowTaskNotRecoverableError", exceptions.WorkflowNotResumableError),
        ("WorkflowNotFoundError", exceptions.WorkflowError),
        ("WorkflowStillActiveError", exceptions.WorkflowError),
        ("WorkflowRunningError", exceptions.WorkflowStillActiveError),
        ("DataSaveError", Exception),
        ("DataLoadError", Exception),
        ("KeyNotFoundError", KeyError),
    ],
)
def test_each_has_the_base_that_it_has_in_ray(name: str, base: type[Exception]) -> None:
    assert issubclass(getattr(exceptions, name), base)


def test_the_store_s_errors_are_caught_by_rays_names() -> None:
    assert issubclass(errors.StoreUnavailableError, exceptions.DataSaveError)
    assert issubclass(exceptions.KeyNotFoundError, exceptions.DataLoadError)
    assert str(exceptions.KeyNotFoundError("ab12")) == "no artifact ab12 in this store"


# ----------------------------------------------------------------------------------------- raised


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize(
    "call",
    [
        lambda: workflow.run(fail_unless.bind(NEVER, 1)),
        lambda: alula.get(workflow.run_async(fail_unless.bind(NEVER, 1))),
        lambda: workflow.create(fail_unless.bind(NEVER, 1)).run(),
        lambda: workflow.resume("failed"),
        lambda: alula.get(workflow.resume_async("failed")),
    ],
)
def test_a_failed_task_is_the_cause_of_a_plain_error(call: Call) -> None:
    with pytest.raises(workflow.WorkflowExecutionError) as caught:
        call()
    assert isinstance(caught.value.__cause__, OddError)
    assert not isinstance(caught.value, errors.TaskError)


@pytest.mark.usefixtures("active")
def test_whoever_waits_for_what_is_cancelled_hears_of_it() -> None:
    ref = workflow.get_output_async("active")
    workflow.cancel("active")
    with pytest.raises(workflow.WorkflowCancellationError, match="'active' was cancelled"):
        alula.get(ref)


@pytest.mark.usefixtures("failed")
def test_a_task_of_which_the_records_have_nothing_is_named() -> None:
    damage("UPDATE workflow_tasks SET pointer = 'lost', digest = NULL WHERE task_id = 'first'")
    with pytest.raises(exceptions.WorkflowTaskNotRecoverableError, match="task lost should be recorded"):
        workflow.resume("failed")
    assert workflow.get_status("failed") == workflow.RESUMABLE


@pytest.mark.usefixtures("failed", "active")
@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: workflow.resume("unknown"), exceptions.WorkflowNotResumableError),
        (lambda: workflow.get_status("unknown"), exceptions.WorkflowNotFoundError),
        (lambda: workflow.delete("unknown"), exceptions.WorkflowNotFoundError),
        (lambda: workflow.cancel("unknown"), exceptions.WorkflowNotFoundError),
        (lambda: workflow.delete("active"), exceptions.WorkflowRunningError),
        (lambda: workflow.run(add.bind(1), workflow_id="active"), RuntimeError),
        (lambda: workflow.resume("active"), RuntimeError),
        (lambda: workflow.get_output("unknown"), ValueError),
        (lambda: workflow.get_output("failed"), ValueError),
        (lambda: workflow.get_output("failed", task_id="unknown"), ValueError),
        (lambda: workflow.get_metadata("unknown"), ValueError),
        (lambda: workflow.get_metadata("failed", "unknown"), ValueError),
        (lambda: workflow.options(unknown=1), ValueError),
        (lambda: workflow.options(metadata=NOTHING), ValueError),
        (lambda: workflow.run(add.bind(1), metadata={"set": {1}}), ValueError),
        (lambda: workflow.list_all("UNKNOWN"), ValueError),
        (lambda: workflow.run(NOTHING), TypeError),
        (lambda: workflow.create(NOTHING), TypeError),
        (lambda: workflow.continuation(alula.put(NOTHING)), TypeError),  # type: ignore[arg-type]  # the point
        (lambda: workflow.wait_for_event(NOTHING), TypeError),
        (lambda: workflow.list_all(NOTHING), TypeError),
        *[
            (partial(call, NOTHING), TypeError)
            for call in (
                workflow.get_status,
                workflow.get_metadata,
                workflow.get_output,
                workflow.resume,
                workflow.cancel,
                workflow.delete,
            )
        ],
        (lambda: workflow.run(add.bind(1), workflow_id=NOTHING), TypeError),
        (lambda: workflow.get_output("failed", task_id=NOTHING), TypeError),
        (lambda: workflow.get_metadata("failed", NOTHING), TypeError),
        (unpicklable, exceptions.WorkflowExecutionError),
    ],
)
def test_a_wrong_call_is_refused_as_in_ray(call: Call, error: type[Exception]) -> None:
    before = workflow.list_all()
    with pytest.raises(error):
        call()
    assert before in (workflow.list_all(), workflow.list_all()[:-1])

import pickle
from typing import Any

import pytest

from alula import exceptions
from alula.errors import (
    ActorError,
    AlulaError,
    CommandError,
    GetTimeoutError,
    KindError,
    NameNotFoundError,
    TaskError,
    WorkerCrashedError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    suggest,
)


class WithFacts(Exception):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


class Final(Exception):
    """Takes no heirs."""

    def __init_subclass__(cls) -> None:
        raise TypeError("no heirs")


class Interrupt(BaseException):
    pass


def failed(cause: BaseException) -> TaskError:
    return TaskError.of(cause, task="job.train", remote_traceback="Traceback: line 7")


def test_the_error_of_a_task_is_one_of_the_class_that_its_code_raised() -> None:
    error = failed(KeyError("x"))
    assert isinstance(error, KeyError)
    assert isinstance(error, TaskError)
    assert type(error).__name__ == "TaskError(KeyError)"
    assert type(failed(KeyError("y"))) is type(error)


def test_the_users_own_attributes_can_be_read_on_the_error_of_a_task() -> None:
    error: Any = failed(WithFacts(7, "because"))
    assert (error.code, error.args) == (7, ("7: because",))
    assert error.__cause__ is error.cause


def test_the_text_of_a_tasks_error_names_the_task_the_error_and_the_place() -> None:
    assert str(failed(ValueError("bad"))) == "job.train: ValueError: bad\n\nTraceback: line 7"


@pytest.mark.parametrize("cause", [Final("x"), Interrupt("x"), AlulaError("x"), failed(ValueError("x"))])
def test_a_class_that_cannot_be_mixed_in_is_the_cause_alone(cause: BaseException) -> None:
    error = failed(cause)
    assert error.cause is cause
    assert str(error).startswith(f"job.train: {type(cause).__name__}")


@pytest.mark.parametrize("cause", [ValueError("bad"), OSError(2, "no file"), LookupError(), Interrupt("x")])
def test_the_error_of_a_task_travels(cause: BaseException) -> None:
    error = failed(cause)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.task, repr(copy.cause)) == (str(error), error.task, repr(cause))


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("iri", ["iris", "digits"], "did you mean 'iris'? There are: 'digits', 'iris'"),
        ("x", ["iris"], "There are: 'iris'"),
        ("x", [], "there are none yet"),
        ("x", map(str, range(9)), "There are: '0', '1', '2', '3', '4', '5', '6', '7', ..."),
    ],
)
def test_an_unknown_name_brings_the_nearest_one_and_what_there_is(name: str, known: Any, text: str) -> None:
    assert suggest(name, known) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (WorkerCrashedError("f", 1, "was killed"), "it was tried once"),
        (WorkerCrashedError("f", 3, "was killed"), "it was tried 3 times"),
        (WorkflowNotFoundError("w"), "No such workflow_id 'w'"),
        (WorkflowNotFoundError("w", "t"), "No such task_id 't' in workflow 'w'"),
        (WorkflowExecutionError("w"), "workflow 'w' failed; what finished is recorded"),
        (WorkflowExecutionError("w", "t"), "workflow 'w' failed in task 't'; what"),
        (NameNotFoundError("digit", ["digits"]), "digit does not exist; did you mean 'digits'?"),
        (
            KindError(int, "datasets", ["b", "a"]),
            "type builtins.int not supported in datasets; it takes a, b",
        ),
        (GetTimeoutError("1 of 2", 0.5), "1 of 2 not ready after 0.5 s"),
        (CommandError.wrongtype(), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ],
)
def test_a_message_says_what_happened_to_what(error: AlulaError, text: str) -> None:
    assert text in str(error)


def test_rays_names_are_names_of_ours() -> None:
    assert exceptions.RayTaskError is TaskError
    assert exceptions.RayActorError is ActorError
    with pytest.raises(AttributeError, match=r"has no 'RayOutOfMemoryError'; it has ActorAlready"):
        _ = exceptions.RayOutOfMemoryError

"""Errors travel as class, arguments, attributes and notes, whatever their constructors want."""

from typing import Any

import cloudpickle
import pytest

from alula.errors import ActorDiedError, GetTimeoutError, NodeDiedError, TaskError, WorkerCrashedError
from alula.futures import pack_error, unpack_error
from alula.futures._errors import pack_task_error


class TwoFactsError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


class StubbornError(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("I do not pickle")


def carried(error: BaseException) -> BaseException:
    return unpack_error(pack_task_error(error, "the task"))


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        WorkerCrashedError("f", 2, "was killed"),
        NodeDiedError("gone"),
        ActorDiedError("A", "was killed"),
        GetTimeoutError("x:", 1.0),
    ],
)
def test_our_own_errors_arrive_as_they_are(error: Exception) -> None:
    arrived = unpack_error(pack_error(error))
    assert type(arrived) is type(error)
    assert (str(arrived), arrived.__dict__) == (str(error), error.__dict__)


def test_our_own_errors_keep_their_cause() -> None:
    error = ActorDiedError("A", "its __init__ raised")
    error.__cause__ = KeyError("k")
    cause = unpack_error(pack_error(error)).__cause__
    assert isinstance(cause, KeyError)
    assert cause.args == ("k",)


def test_a_user_s_error_is_of_both_classes_and_keeps_its_facts() -> None:
    arrived = carried(TwoFactsError(7, "seven"))
    assert isinstance(arrived, TaskError)
    assert isinstance(arrived, TwoFactsError)
    assert (arrived.code, arrived.text, arrived.args) == (7, "seven", ("7: seven",))
    assert isinstance(arrived.__cause__, TwoFactsError)
    assert type(arrived).__name__ == "TaskError(TwoFactsError)"


def test_the_traceback_travels_as_text() -> None:
    arrived = carried(raised(ValueError("bad")))
    assert isinstance(arrived, TaskError)
    assert "test_errors.py" in arrived.remote_traceback
    assert "ValueError: bad" in str(arrived)
    assert "the task" in str(arrived)


def test_notes_travel() -> None:
    error = ValueError("bad")
    error.add_note("look here")
    assert carried(error).__notes__ == ["look here"]


def test_an_error_of_an_error_keeps_the_first_cause() -> None:
    inner = carried(KeyError("first"))
    outer = unpack_error(pack_task_error(inner, "outer"))
    assert isinstance(outer, TaskError)
    assert type(outer.cause) is KeyError
    assert outer.task == "outer"


def test_a_task_error_may_be_packed_again_and_again() -> None:
    error = carried(TwoFactsError(1, "x"))
    error.add_note("note")
    for _ in range(3):
        error = unpack_error(pack_error(error))
    assert isinstance(error, TwoFactsError)
    assert (error.code, error.__notes__) == (1, ["note"])


@pytest.mark.parametrize(
    "error",
    [
        OSError(2, "no such file", "/x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        KeyError("k"),
        StopIteration(3),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_built_in_errors_keep_what_they_know(error: Exception) -> None:
    arrived = carried(error)
    assert isinstance(arrived, TaskError)
    assert str(arrived.cause) == str(error)
    assert getattr(arrived, "errno", None) == getattr(error, "errno", None)


def test_groups_travel_with_their_members() -> None:
    arrived = carried(ExceptionGroup("several", [KeyError("k"), TwoFactsError(1, "x")]))
    assert isinstance(arrived, ExceptionGroup)
    assert [type(error) for error in arrived.exceptions] == [KeyError, TwoFactsError]


def test_what_does_not_pickle_is_left_out_or_stood_in_for() -> None:
    error = ValueError("bad", (i for i in range(3)))
    error.generator = (i for i in range(3))  # type: ignore[attr-defined]  # as users do
    error.fine = 1  # type: ignore[attr-defined]  # as users do
    arrived = carried(error)
    assert isinstance(arrived, ValueError)
    assert arrived.args[0] == "bad"
    assert "generator" in arrived.args[1]
    stubborn = carried(StubbornError("x"))
    assert isinstance(stubborn, TaskError)
    assert "StubbornError" in str(stubborn) or isinstance(stubborn, StubbornError)


def test_a_system_exit_is_a_task_error_and_no_system_exit() -> None:
    arrived = carried(SystemExit(3))
    assert isinstance(arrived, TaskError)
    assert not isinstance(arrived, SystemExit)
    assert isinstance(arrived.cause, SystemExit)


def test_bytes_that_are_no_error_are_refused() -> None:
    with pytest.raises(ValueError, match="not a carried error"):
        unpack_error(cloudpickle.dumps(("other", 1)))

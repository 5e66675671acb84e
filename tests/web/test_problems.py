"""Each error has a status, and a body that gives nothing of Python away."""

import inspect
import json

import pytest

from alula import errors
from alula.errors import AlulaError, NameNotFoundError, TaskError, WorkerCrashedError
from alula.web._problems import STATUSES, Refused, problem_of, status_of

CLASSES = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, AlulaError)]


@pytest.mark.parametrize(
    "cls", [each for each in CLASSES if each is not AlulaError], ids=lambda c: c.__name__
)
def test_the_status_of_every_error_is_decided_for_it_or_its_family(cls: type[AlulaError]) -> None:
    assert any(base in STATUSES for base in cls.__mro__)


def test_the_nearest_class_decides() -> None:
    assert status_of(NameNotFoundError("models/x")) == 404
    assert status_of(WorkerCrashedError("fit", 1, "was killed")) == 500
    assert status_of(ValueError("x")) == 500


def test_a_failed_task_is_told_by_the_error_that_its_own_work_raised() -> None:
    error = TaskError.of(ValueError("no such thing"), task="fit", remote_traceback="Traceback: secret")
    status, body = problem_of(error, task_id="t1")
    assert (status, body["error"], body["detail"], body["task_id"]) == (
        422,
        "ValueError",
        "no such thing",
        "t1",
    )
    assert "secret" not in json.dumps(body)


def test_a_name_that_a_task_did_not_find_is_not_found() -> None:
    cause = NameNotFoundError("data/iri", ["data/iris"])
    status, body = problem_of(TaskError.of(cause, task="fit", remote_traceback=""))
    assert (status, body["error"]) == (404, "NameNotFoundError")
    assert "did you mean 'data/iris'" in body["detail"]


def test_a_key_error_is_told_as_people_read_it() -> None:
    _, body = problem_of(TaskError.of(KeyError("a column"), task="fit", remote_traceback=""))
    assert body["detail"] == "a column"


def test_what_nobody_foresaw_is_a_number_outside_and_all_of_it_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, body = problem_of(RuntimeError("the inside of it"))
    assert (status, body["error"]) == (500, "InternalError")
    assert "inside" not in body["detail"]
    assert "the inside of it" in caplog.text
    assert body["detail"].split()[4] in caplog.text


def test_a_refusal_says_its_status_in_words_unless_it_has_a_name() -> None:
    assert problem_of(Refused(403, "no"))[1]["error"] == "Forbidden"
    assert problem_of(Refused(400, "no", "BadBody"))[1]["type"] == "urn:alula:error:BadBody"

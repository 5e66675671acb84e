"""What tasks say, in their worker, is in the log under their id, if that was asked for."""

from typing import Any

import pytest

import alula as om
from alula.errors import TaskError
from tests.runtime.talkers import Talker

pytestmark = pytest.mark.usefixtures("engine")


def test_nothing_is_captured_unless_it_is_asked_for() -> None:
    om.models.put(Talker(), "talker")
    result = om.runtime.model("talker").predict([[1]])
    result.get()
    assert [record.msg for record in result.logs()] == ["by om.logger"]


def test_a_call_may_ask_for_all_that_its_task_says() -> None:
    om.models.put(Talker(), "talker")
    result = om.runtime.require(logging=True).model("talker").predict([[1]])
    result.get()
    assert [(record.level, record.logger, record.msg) for record in result.logs()] == [
        ("INFO", "stdout", "printed"),
        ("WARNING", "stderr", "to stderr"),
        ("INFO", "talker", "by logging"),
        ("INFO", "alula.logger", "by om.logger"),
        ("INFO", "stdout", "half a line"),
    ]
    assert {record.taskid for record in result.logs()} == {result.id}
    assert [record.msg for record in result.logs(level="WARNING")] == ["to stderr"]
    assert [record.msg for record in result.logs(tail=1)] == ["half a line"]
    assert om.logger.dataset.get(task=result.id)["msg"].to_list()[0] == "printed"
    with pytest.raises(ValueError, match="there is no level"):
        result.logs(level="loud")


@pytest.mark.parametrize(
    ("asked", "heard"),
    [
        ("talker", {"stdout", "stderr", "talker", "alula.logger"}),
        ("other", {"stdout", "stderr", "alula.logger"}),
        (("root", "WARNING"), {"stderr", "alula.logger"}),
        (("talker", "DEBUG"), {"stdout", "stderr", "talker", "alula.logger"}),
        (False, {"alula.logger"}),
    ],
)
def test_one_logger_or_another_level_may_be_asked_for(asked: Any, heard: set[str]) -> None:
    om.models.put(Talker(), "talker")
    result = om.runtime.require(logging=asked).model("talker").predict([[1]])
    result.get()
    assert {record.logger for record in result.logs()} == heard
    assert ("details" in [record.msg for record in result.logs()]) is (asked == ("talker", "DEBUG"))


def test_the_mode_counts_for_all_calls_until_it_is_changed() -> None:
    om.models.put(Talker(), "talker")
    om.runtime.mode(logging=True)
    assert len(om.runtime.model("talker").predict([[1]]).get()) == 1
    loud = om.runtime.model("talker").predict([[1]])
    loud.get()
    assert len(loud.logs()) == 5
    om.runtime.mode(logging=False)
    quiet = om.runtime.model("talker").predict([[1]])
    quiet.get()
    assert len(quiet.logs()) == 1


def test_a_ping_may_be_heard() -> None:
    answer = om.runtime.ping(wait=False, logging=True, exception=True)
    assert isinstance(answer.get(propagate=False), TaskError)
    [record] = answer.logs()
    assert (record.level, record.logger) == ("ERROR", "alula.task")
    assert record.text.endswith("ping failed: RuntimeError: this ping was asked to fail")


def test_a_traceback_is_in_the_log_at_debug_and_on_the_result_always() -> None:
    om.models.put(Talker(), "talker")
    for asked, lines in (((True), 1), (("root", "DEBUG"), 5)):
        result = om.runtime.require(logging=asked).model("talker").predict([[1]], fail=True)
        assert isinstance(result.get(propagate=False), TaskError)
        [record] = result.logs(level="ERROR")
        assert ("Traceback" in record.text) is (lines > 1)
        assert "ZeroDivisionError" in (result.traceback or "")
        assert "Traceback" in (result.traceback or "")


@pytest.mark.parametrize(
    ("asked", "error"),
    [(("root", "LOUD"), ValueError), (3, TypeError), (["a"], TypeError), (("a",), TypeError)],
)
def test_what_cannot_be_captured_is_refused_at_once(asked: Any, error: type[Exception]) -> None:
    for ask in (om.runtime.require, om.runtime.mode):
        with pytest.raises(error):
            ask(logging=asked)


def test_ten_thousand_lines_arrive_in_order() -> None:
    om.models.put(Talker(), "talker")
    result = om.runtime.require(logging=True).model("talker").predict([[1]], lines=10_000)
    result.get()
    said = [record.msg for record in result.logs() if record.logger == "stdout"]
    assert said[1:-1] == [f"line {i}" for i in range(10_000)]


def test_secrets_that_are_printed_are_hidden() -> None:
    om.logger.mask("half")
    om.models.put(Talker(), "talker")
    result = om.runtime.require(logging=True).model("talker").predict([[1]])
    result.get()
    assert result.logs(tail=1)[0].msg == "*** a line"


def test_the_log_of_a_worker_that_is_killed_has_what_it_said(tmp_path: Any) -> None:
    om.models.put(Talker(), "talker")
    ask = om.runtime.require(logging=True, max_retries=1).model("talker")
    result = ask.predict([[1]], die=str(tmp_path / "died"))
    result.get()
    said = [record.msg for record in result.logs() if record.logger == "alula.logger"]
    assert said == ["about to die", "by om.logger"]


def test_what_a_notebook_prints_is_captured_too() -> None:
    om.jobs.create("import sys\nprint('in a cell')\nprint('loud', file=sys.stderr)\n1 / 0", "nb")
    result = om.runtime.require(logging=True).job("nb").run()
    assert isinstance(result.get(propagate=False), TaskError)
    said = [(record.level, record.msg) for record in result.logs()]
    assert said[:2] == [("INFO", "in a cell"), ("WARNING", "loud")]
    assert said[-1][0] == "ERROR"

"""``alula workflow`` shows what the records tell, and acts on it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import alula
from alula import workflow
from alula.cli import _workflow, app
from alula.errors import AlulaError, WorkflowError, WorkflowExecutionError, WorkflowNotFoundError
from alula.testing import Turnstile
from tests.workflow.bodies import Tally, add, countdown, fail_unless, held, noted

TIMES = "\N{MULTIPLICATION SIGN}"

pytestmark = pytest.mark.usefixtures("executor")


def call(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "160", "NO_COLOR": "1"}).invoke(app, ["workflow", *words])


def shown(*words: str) -> str:
    done = call(*words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def facts(*words: str) -> Any:
    return json.loads(shown(*words, "--json"))


def fail(id_: str, flag: Path) -> None:
    task = fail_unless.options(**workflow.options(task_id="shaky"))
    with pytest.raises(WorkflowExecutionError):
        workflow.run(add.bind(task.bind(flag, 1), 1), workflow_id=id_)


# ------------------------------------------------------------------------------------------- looking


def test_a_store_without_workflows_says_so() -> None:
    assert shown("list") == "no workflows\n"
    assert facts("list") == []


def test_the_list_shows_the_newest_first_and_says_if_there_are_more(tmp_path: Path) -> None:
    for n in range(3):
        workflow.run(add.bind(n), workflow_id=f"w{n}")
    fail("bad", tmp_path / "no")
    lines = shown("list").splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["bad", "w2", "w1", "w0"]
    assert "✗ FAILED" in lines[1]
    assert "there are more" in shown("list", "--limit", "3")


def test_the_list_may_be_of_some_statuses_and_ids(tmp_path: Path) -> None:
    workflow.run(add.bind(1), workflow_id="good")
    fail("bad", tmp_path / "no")
    assert [each["workflow_id"] for each in facts("list", "--status", "failed")] == ["bad"]
    assert [each["status"] for each in facts("list", "--prefix", "g")] == ["SUCCESSFUL"]
    both = facts("list", "--status", "failed", "--status", "SUCCESSFUL")
    assert [each["workflow_id"] for each in both] == ["bad", "good"]


def test_a_queue_is_shown_with_its_workflows() -> None:
    workflow.queue("emails", concurrency_per_key=1)
    workflow.run(add.bind(1), workflow_id="plain")
    assert "queue" not in shown("list")
    workflow.run_async(
        add.bind(1), workflow_id="w", queue="emails", key="ada", deduplication_id="d", priority=2, delay=900
    )
    assert "emails" in shown("list")
    assert [each["workflow_id"] for each in facts("list", "--queue", "emails")] == ["w"]
    said = " ".join(shown("show", "w").split())
    assert "queue emails key ada deduplication id d priority 2 not before" in said
    assert facts("show", "w")["queue"]["key"] == "ada"


def test_queues_are_shown_with_what_is_in_them() -> None:
    assert "no queues" in shown("queues")
    workflow.queue("emails", concurrency=5, concurrency_per_key=1)
    workflow.queue("free")
    workflow.run_async(add.bind(1), workflow_id="w", queue="emails", key="ada", delay=900)
    emails, free = facts("queues")
    assert (emails["queue"], emails["concurrency"], emails["waiting"]) == ("emails", 5, 1)
    assert emails["oldest"] >= 0
    assert (free["queue"], free["waiting"], free["running"], free["oldest"]) == ("free", 0, 0, None)
    said = " ".join(shown("queues").split())
    assert "emails concurrency=5, concurrency_per_key=1 1" in said


def test_an_unknown_status_is_a_wrong_command() -> None:
    done = call("list", "--status", "odd")
    assert done.exit_code == 2
    assert "no status 'ODD'" in done.output


def test_one_is_shown_with_what_is_known_of_it(tmp_path: Path) -> None:
    fail("bad", tmp_path / "no")
    text = shown("show", "bad")
    assert "✗ FAILED   alula workflow resume bad" in text
    assert "✗ 1 failed  ○ 1 pending" in text
    assert "✗ shaky  OddError: odd\n" in text
    described = facts("show", "bad")
    assert described["status"] == "FAILED"
    assert {task["task_id"]: task["status"] for task in described["tasks"]}["shaky"] == "FAILED"


def test_tasks_stand_to_the_right_of_who_returned_them(tmp_path: Path) -> None:
    workflow.run(countdown.bind(Tally(tmp_path / "tally"), 3), workflow_id="w")
    names = [line.partition("✓")[0].rstrip() for line in shown("tasks", "w").splitlines()[1:]]
    assert [name[:2] for name in names] == ["te", "╰ ", "╰ ", "╰ "]
    assert [task["creator"] is None for task in facts("tasks", "w")] == [True, False, False, False]


def test_many_alike_tasks_are_one_row(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    fan = [add.bind(n) for n in range(9)]
    workflow.run(sizes.bind(countdown.bind(tally, 40), *fan), workflow_id="w")
    lines = shown("tasks", "w").splitlines()
    assert len([line for line in lines if "✓" in line]) == 3
    assert any(f"countdown … countdown_40 {TIMES} 41" in line for line in lines)
    assert any(f"add … add_8 {TIMES} 9" in line for line in lines)
    assert "and 8 more" in lines[3]
    assert "--all" in lines[-1]
    assert len([line for line in shown("tasks", "w", "--all").splitlines() if "✓" in line]) == 51


def test_rounds_of_several_tasks_are_one_row() -> None:
    nodes = [add.bind(n) for n in range(8)]
    workflow.run(round_of.bind(workflow.wait(nodes)), workflow_id="w")
    rows = [line for line in shown("tasks", "w").splitlines() if "✓" in line]
    assert f"workflow.wait … round_of_7 {TIMES} 16" in rows[-1]
    assert len(rows) == 9


@alula.remote
def round_of(split: tuple[Any, Any]) -> Any:
    _, left = split
    return round_of.bind(workflow.wait(left)) if left else "done"


def test_tasks_with_errors_stand_alone(tmp_path: Path) -> None:
    caught = workflow.options(catch_exceptions=True)
    tasks = [fail_unless.options(**caught).bind(tmp_path / "no", n) for n in range(10)]
    workflow.run(sizes.bind(*tasks), workflow_id="w")
    text = shown("tasks", "w")
    assert text.count("✓ SUCCESSFUL") == 11
    assert text.count("after OddError: odd") == 10
    assert all(task["error"] is None for task in facts("tasks", "w"))
    assert [task["contained"] is None for task in facts("tasks", "w")] == [False] * 10 + [True]


@alula.remote
def sizes(*pairs: Any) -> int:
    return len(pairs)


@pytest.mark.parametrize("columns", ["40", "160"])
def test_a_timeline_has_a_bar_for_what_has_run(tmp_path: Path, columns: str) -> None:
    fail("bad", tmp_path / "no")
    words = ["workflow", "show", "bad", "--timeline"]
    lines = CliRunner(env={"COLUMNS": columns, "NO_COLOR": "1"}).invoke(app, words).output.splitlines()
    assert any(line.startswith("task") and "over " in line for line in lines)
    [shaky, total] = lines[-2:]
    assert set("▏▎▍▌▋▊▉█▐▕") & set(shaky)
    assert shaky.startswith("✗ shaky")
    assert total.startswith("○ tests")
    assert max(map(len, lines)) <= int(columns)


# -------------------------------------------------------------------------------------------- values


def test_an_output_is_shown_as_text_and_as_json() -> None:
    workflow.run(add.bind(1, 2), workflow_id="w")
    assert shown("output", "w") == "3\n"
    assert facts("output", "w") == 3


def test_an_output_that_is_no_json_is_told() -> None:
    workflow.run(add.bind(1, 2j), workflow_id="w")
    assert shown("output", "w") == "(1+2j)\n"
    done = call("output", "w", "--json")
    assert done.exit_code == 1
    assert "leave --json away" in done.output


def test_the_output_of_one_task(tmp_path: Path) -> None:
    first = add.options(**workflow.options(task_id="first")).bind(40)
    workflow.run(add.bind(first, 2), workflow_id="w")
    assert shown("output", "w", "--task", "first") == "40\n"


def test_a_failed_one_is_resumed_and_shows_its_output(tmp_path: Path) -> None:
    fail("w", tmp_path / "flag")
    again = call("resume", "w")
    assert isinstance(again.exception, WorkflowExecutionError)
    assert "odd" in again.output
    (tmp_path / "flag").touch()
    assert shown("resume", "w") == "2\n"


def test_a_workflow_runs_again_from_one_of_its_tasks(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    second = noted.options(**workflow.options(task_id="second"))
    workflow.run(second.bind(tally, "second", noted.bind(tally, "first")), workflow_id="w")
    done = call("fork", "w", "second", "--id", "again", "--current-code")
    assert done.stdout == "2\n", done.output
    assert tally.counts() == {"first": 1, "second": 2}
    assert workflow.get_output("again") == 2


def test_one_that_runs_is_not_resumed(turnstile: Turnstile) -> None:
    workflow.run_async(held.bind(turnstile), workflow_id="w")
    turnstile.arrived()
    done = call("resume", "w")
    assert isinstance(done.exception, WorkflowError)
    assert "RUNNING" in str(done.exception)


# -------------------------------------------------------------------------------------------- acting


def test_one_that_runs_is_cancelled_and_then_deleted(turnstile: Turnstile) -> None:
    workflow.run_async(held.bind(turnstile), workflow_id="w")
    turnstile.arrived()
    assert isinstance(call("delete", "w").exception, WorkflowError)
    assert shown("cancel", "w").startswith("⊘ CANCELED  w")
    assert shown("delete", "w") == "deleted w\n"
    assert workflow.list_all() == []


def test_a_signal_carries_json() -> None:
    order = workflow.run_async(workflow.wait_for_signal("approval"), workflow_id="w")
    shown("signal", "w", "approval", '{"by": "Ada"}', "--idempotency-key", "once")
    assert alula.get(order) == {"by": "Ada"}


def test_a_signal_that_is_no_json_is_a_wrong_command() -> None:
    done = call("signal", "w", "approval", "Ada")
    assert done.exit_code == 2
    assert "'Ada' is no JSON" in done.output


def test_the_tail_ends_with_the_workflow(tmp_path: Path) -> None:
    workflow.run(add.bind(1), workflow_id="good")
    fail("bad", tmp_path / "no")
    assert shown("tail", "good").splitlines()[-1] == "✓ SUCCESSFUL  good"
    done = call("tail", "bad")
    assert done.exit_code == 1
    assert "✗ FAILED      shaky" in done.output
    lines = [json.loads(line) for line in call("tail", "bad", "--json").output.splitlines()]
    assert [line["status"] for line in lines] == ["FAILED", "PENDING"]


def test_who_waits_for_one_is_told_how_many_of_its_tasks_have_ended() -> None:
    workflow.run(add.bind(add.bind(1), 2), workflow_id="w")
    said: list[str] = []
    _workflow._counted("w", said.append)
    assert said[-1] == "2 of 2 tasks"
    _workflow._counted("nope", said.append)  # that is said elsewhere


@pytest.mark.parametrize(
    "words",
    ["show", "tasks", "output", "resume", "cancel", "delete", "tail", "signal ID key", "fork ID task"],
)
def test_an_unknown_id_is_an_error_of_ours(words: str) -> None:
    command, *more = words.split()
    done = call(command, *(more or ["ID"]))
    assert isinstance(done.exception, AlulaError), done.output
    assert done.output == ""


def test_an_unknown_id_is_one_line_and_a_status(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alula", "workflow", "show", "nobody"],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"alula: {WorkflowNotFoundError('nobody')}\n"

"""``alula log`` prints what was logged, and follows what comes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import alula as om
from alula.cli import app
from alula.futures import Engine


@pytest.fixture(autouse=True)
def instance(home: Path) -> Iterator[None]:
    yield
    om.runtime.close_default()
    om.workflow.reset_default_executor()


def told(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["log", *args])
    assert result.exit_code == code, result.output
    return result.output


def test_the_last_records_are_shown() -> None:
    for i in range(3):
        om.logger.info(f"record {i}")
    om.logger.error("[bold]wrong[/bold]")
    assert "log init" in told()
    lines = told("-n", "2").splitlines()
    assert lines[0].endswith("alula.logger: record 2")
    assert lines[1].endswith("alula.logger: [bold]wrong[/bold]")
    assert len(told("--level", "error").splitlines()) == 1
    facts = json.loads(told("--json", "-n", "1"))
    assert (facts["msg"], facts["level"]) == ("[bold]wrong[/bold]", "ERROR")
    assert told("--bucket", "other") == ""
    assert told("--logger", "none") == ""


def test_a_wrong_level_is_a_wrong_command_line() -> None:
    om.logger.info("x")
    assert "there is no level 'LOUD'" in told("--level", "LOUD", code=2)


def test_an_unknown_task_is_an_error() -> None:
    with pytest.raises(om.errors.TaskNotFoundError):
        CliRunner().invoke(app, ["log", "--task", "none"], catch_exceptions=False)


def test_following_a_task_ends_with_it(engine: Engine) -> None:
    answer = om.runtime.ping(wait=False, logging=True, exception=True)
    answer.get(propagate=False)
    assert "this ping was asked to fail" in told("-f", "--task", answer.id, "-n", "0")


def test_what_comes_is_followed_until_ctrl_c(home: Path) -> None:
    om.logger.info("first")
    command = [sys.executable, "-m", "alula", "log", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        out: Any = child.stdout
        assert "log init" in out.readline()
        assert "first" in out.readline()
        om.logger.info("second")
        assert "second" in out.readline()
        child.send_signal(2)
    assert child.returncode == 130

"""The commands about the runs of notebooks: schedules, and what became of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import alula as om
from alula.cli import app

pytestmark = pytest.mark.usefixtures("notebook")


@pytest.fixture
def notebook(home: Path) -> Iterator[None]:
    runs = [
        {"status": "OK", "ts": "2026-01-02T03:04:05+00:00", "message": "", "results": "results/one.ipynb"},
        {"status": "ERROR", "ts": "2026-01-03T03:04:05+00:00", "message": "no such row", "results": None},
    ]
    om.jobs.put("print(1)", "daily", attributes={"job_runs": runs})
    yield
    om.runtime.close_default()


def call(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "160", "NO_COLOR": "1"}).invoke(app, ["jobs", *words])


def shown(*words: str) -> str:
    done = call(*words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def facts(*words: str) -> Any:
    return json.loads(shown(*words, "--json"))


def test_the_last_runs_are_shown_the_newest_first() -> None:
    lines = shown("status", "daily").splitlines()
    assert [line.split()[2:4] for line in lines[1:]] == [["✗", "ERROR"], ["✓", "OK"]]
    assert "no such row" in lines[1]
    assert [each["status"] for each in facts("status", "daily", "--limit", "1")] == ["ERROR"]


@pytest.mark.parametrize(
    ("words", "cron"),
    [
        (["daily, at 06:00"], "00 06 * * *"),
        (["--cron", "0 6 * * 1-5"], "0 6 * * 1-5"),
        (["--at", "06:00", "--weekday", "mon-fri"], "00 06 * * 1-5"),
    ],
)
def test_a_notebook_is_scheduled_shown_and_not_scheduled_any_more(words: list[str], cron: str) -> None:
    assert shown("schedule", "daily") == "no schedule\n"
    assert shown("schedule", "daily", *words, "--next", "2").count("next  ") == 2
    found = facts("schedule", "daily", "show", "--next", "1")
    assert [int(part) if part.isdigit() else part for part in found["cron"].split()] == [
        int(part) if part.isdigit() else part for part in cron.split()
    ]
    assert len(found["next"]) == 1
    assert shown("schedule", "daily", "delete").splitlines()[0] == "no schedule"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["daily", "whenever you like"], 1, "whenever"),
        (["daily", "daily, at 06:00", "--cron", "* * * * *"], 2, "say once"),
        (["daily", "delete", "--at", "06:00"], 2, "say once"),
        (["nope"], 1, "does not exist"),
    ],
)
def test_what_is_not_understood_is_refused(words: list[str], code: int, said: str) -> None:
    done = call("schedule", *words)
    told = " ".join((done.output + str(done.exception)).split())
    assert (done.exit_code, said in told) == (code, True), told
    assert facts("schedule", "daily")["cron"] is None

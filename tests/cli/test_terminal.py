"""What people and programs get of the terminal, whatever the command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import alula as om
from alula.cli import _app, _terminal, app

LONG = {"alula api", "alula demo", "alula serve", "alula up", "alula worker"}
"""What runs until somebody ends it, or is there to be watched."""


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Give the commands of a group with their whole names."""
    if not hasattr(command, "commands"):
        yield name, command
    for part, each in getattr(command, "commands", {}).items():
        yield from commands(each, f"{name} {part}")


ALL = dict(commands(get_command(app), "alula"))


@pytest.mark.parametrize("name", sorted(ALL.keys() - LONG))
def test_whatever_prints_data_prints_json(name: str) -> None:
    assert "--json" in {option for each in ALL[name].params for option in each.opts}


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_and_every_option_says_what_it_does(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert command.help.splitlines()[0].endswith((".", ":"))
    assert [each.name for each in command.params if not getattr(each, "help", None)] == []


def test_what_is_piped_is_not_cut_and_has_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    for console in (_terminal.out(), _terminal.err()):
        console.print("[bold red]" + "x" * 500)
    said = capsys.readouterr()
    assert said.out == said.err == "x" * 500 + "\n"


def test_work_shows_nothing_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with _terminal.working("storing") as say:
        say("half")
    assert capsys.readouterr() == ("", "")


def test_work_shows_that_it_goes_on_where_people_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    with _terminal.working("storing [a]") as say:
        say("half")
    assert "storing [a]  half" in capsys.readouterr().err


@pytest.mark.parametrize("shows", [False, True])
def test_what_nobody_foresaw_is_one_paragraph_unless_the_rest_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shows: bool
) -> None:
    def broken(command: str) -> Any:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(_app, "_load", broken)
    monkeypatch.setattr(sys, "argv", ["alula", "doctor"])
    if shows:
        monkeypatch.setenv("ALULA_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError if shows else SystemExit):
        _app.main()
    told = "alula: unexpected ZeroDivisionError: by zero. ALULA_TRACEBACK=1 shows where; please report it\n"
    assert capsys.readouterr().err == ("" if shows else told)


@pytest.mark.parametrize("label", ["a,b", " ", ""])
def test_what_is_no_label_is_a_wrong_command_line(label: str) -> None:
    done = CliRunner().invoke(app, ["worker", "--label", label])
    assert done.exit_code == 2
    assert "is no label" in done.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_given_a_completion(shell: str) -> None:
    words = {"_ALULA_COMPLETE": f"source_{shell}"}
    done = CliRunner(env=words).invoke(app, [], prog_name="alula")
    assert "_ALULA_COMPLETE" in done.output


def test_removing_tells_programs_what_is_gone(home: Path) -> None:
    om.datasets.put([1], "numbers")
    done = CliRunner().invoke(app, ["datasets", "drop", "numbers", "--json"])
    om.runtime.close_default()
    assert done.output == '{\n  "numbers": true\n}\n'


def test_an_error_is_one_line_in_a_file(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alula", "datasets", "get", "nothing-of-this-name" * 5],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},  # what readline tells children of this terminal is no wish of anybody's
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("alula: data/nothing-of-this-name")

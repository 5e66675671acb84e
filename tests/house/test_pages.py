"""Whatever people can name stands on its page: errors, settings, commands."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import alula
from alula import errors
from alula._core._settings import Settings
from alula.cli import app
from alula.futures import ActorOptions, MethodOptions, TaskOptions
from alula.futures._options import Placement
from tests.faults.matrix import CELLS, table

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str, section: str = "") -> set[str]:
    """What stands in the first cell of each row of a page's tables, or of those of one section."""
    text = (DOCS / page).read_text()
    if section:
        text = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))


def public_errors() -> list[str]:
    return [n for n, value in vars(errors).items() if inspect.isclass(value) and n in errors.__all__]


def test_every_error_and_no_other_is_on_the_page_of_errors() -> None:
    assert rows("errors.md") == {*public_errors()} - {"AlulaError"}


@pytest.mark.parametrize("name", [n for n in public_errors() if n != "AlulaError"])
def test_the_page_says_what_else_an_error_is(name: str) -> None:
    line = next(
        line for line in (DOCS / "errors.md").read_text().splitlines() if line.startswith(f"| `{name}`")
    )
    bases = [base for base in getattr(errors, name).__bases__ if base.__module__ == "builtins"]
    assert all(f"`{base.__name__}`" in line for base in bases)


def test_every_setting_and_no_other_is_on_the_page_of_settings() -> None:
    assert rows("settings.md") == {field.name for field in fields(Settings)}


@pytest.mark.parametrize(
    ("section", "options"),
    [
        ("Tasks", TaskOptions),
        ("Actors", ActorOptions),
        ("Methods", MethodOptions),
        ("Tasks and actors", None),
    ],
)
def test_every_option_and_no_other_is_on_the_page_of_options(section: str, options: Any) -> None:
    shared = {field.name for field in fields(Placement) if field.init}
    own = {field.name for field in fields(options) if field.init} - shared if options else shared
    assert rows("options.md", section) == own


def test_every_option_of_a_session_is_on_the_page_of_options() -> None:
    assert rows("options.md", "The session") == set(inspect.signature(alula.init).parameters)


def test_every_call_of_the_first_face_is_on_its_page() -> None:
    text = (DOCS / "futures.md").read_text().partition("## All calls\n")[2].partition("\n## ")[0]
    cells = [line.partition(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`@?(\w+)", cell)}
    assert named == {name for name in alula.__all__ if name in alula.futures.__all__}


def commands(command: Any, name: str) -> Iterator[str]:
    """Give the names of a command's commands, or its own if it is no group of them."""
    if not hasattr(command, "commands"):
        yield name
    for part, each in getattr(command, "commands", {}).items():
        yield from commands(each, f"{name} {part}")


def test_every_command_is_on_the_page_of_the_command_line() -> None:
    assert rows("cli.md") == {*commands(get_command(app), "alula"), "alula --version"}


def test_the_matrix_of_faults_is_the_one_that_is_tested() -> None:
    assert table() in (DOCS / "faults.md").read_text()


def test_the_gates_of_the_matrix_are_explained() -> None:
    assert {cell.gate for cell in CELLS} == rows("faults.md")

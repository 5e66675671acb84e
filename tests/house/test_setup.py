"""The files by which the project is set up, locked and described agree with each other."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Any

import pytest
from packaging.requirements import Requirement

import alula
from tests.house.source import ROOT

FRAGMENT = re.compile(r"\d+\.(breaking|added|changed|fixed|removed)\.md")


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def group(name: str) -> Iterator[str]:
    """Give what a group of dependencies asks for, with what it includes."""
    for each in project()["dependency-groups"][name]:
        if isinstance(each, str):
            yield each
        else:
            yield from group(each["include-group"])


def wanted() -> list[Requirement]:
    """Give all that the package, its extras and its developers ask for."""
    texts = [*project()["project"]["dependencies"], *group("dev")]
    for extra in project()["project"]["optional-dependencies"].values():
        texts += extra
    return [each for each in map(Requirement, texts) if each.name != "alula"]


def locked() -> list[Requirement]:
    return [Requirement(line) for line in (ROOT / "requirements" / "lock.txt").read_text().splitlines()]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_the_lock_has_a_version_of_all_that_is_asked_for(requirement: Requirement) -> None:
    pins = [each for each in locked() if each.name == requirement.name.lower()]
    versions = [specifier.version for pin in pins for specifier in pin.specifier]
    assert versions
    assert all(version in requirement.specifier for version in versions)


def test_the_lock_pins_versions_and_says_nothing_of_where_they_come_from() -> None:
    assert all([each.operator for each in pin.specifier] == ["=="] and not pin.url for pin in locked())


def test_the_version_is_that_of_what_is_installed() -> None:
    assert alula.__version__ == version("alula")


def test_all_extras_together_are_one_extra() -> None:
    extras = project()["project"]["optional-dependencies"]
    every = Requirement(*extras["all"]).extras | {"all"}
    asked = [Requirement(text) for each in every for text in extras[each]]
    reached = every | {name for each in asked if each.name == "alula" for name in each.extras}
    assert reached == set(extras)


def test_help_lists_every_target_that_people_may_call() -> None:
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony.split() == re.findall(r"^(\w+):.*## ", text, re.MULTILINE)


def test_a_change_is_told_in_one_fragment_named_after_its_issue_and_kind() -> None:
    names = {path.name for path in (ROOT / "changelog.d").iterdir()} - {"README.md"}
    assert [name for name in names if not FRAGMENT.fullmatch(name)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "changelog.d").glob("[0-9]*.md")), ids=lambda path: path.name)
def test_a_fragment_is_made_of_whole_sentences(path: Any) -> None:
    text = path.read_text()
    assert text.endswith(".\n")
    assert text[0].isupper() or text[0] == "`"

"""Files are short, finished, and say why wherever they make an exception."""

import ast
import io
import re
import tokenize
from pathlib import Path

from tests.house.source import ROOT, modules, python_files, short, tracked

UNFINISHED = re.compile(rb"\b(TO" + rb"DO|FIX" + rb"ME|XX" + rb"X)\b")
CODES = r"\[[\w, -]+\]|: *[A-Z]+\d+(, *[A-Z]+\d+)*"
EXCUSE = re.compile(rf"# *(type: *ignore|noqa|pragma|mypy|ruff)\b(?P<codes>{CODES})?")
LONGEST = 800
RAYS = {"src/alula/workflow/common.py"}  # an address that programs know
WHOLE = {"src/alula/errors.py"}  # one tree, which has no seam
VAGUE = {"common", "helpers", "misc", "util", "utils"}


def comments(path: Path) -> dict[int, str]:
    """Give the comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def test_nothing_is_left_for_later() -> None:
    assert [short(path) for path in tracked() if UNFINISHED.search(path.read_bytes())] == []


def test_a_file_is_short_and_named_after_its_subject() -> None:
    files = {short(path): path for path in python_files()}
    assert {n for n, path in files.items() if len(path.read_text().splitlines()) > LONGEST} <= WHOLE
    assert {n for n, path in files.items() if path.stem.strip("_") in VAGUE} == RAYS


def unexplained(comment: str) -> bool:
    """Tell whether a comment switches a check off without saying which, and why."""
    match = EXCUSE.match(comment)
    return match is not None and not (match["codes"] and comment[match.end() :].strip(" #"))


def test_a_check_that_is_switched_off_is_named_with_the_reason() -> None:
    wrong = [
        f"{short(path)}:{line} {comment}"
        for path in python_files()
        for line, comment in comments(path).items()
        if unexplained(comment)
    ]
    assert wrong == []


def catches_all(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler takes every error and does not pass it on."""
    everything = handler.type is None or ast.unparse(handler.type) in ("Exception", "BaseException")
    last = handler.body[-1]
    return everything and not (isinstance(last, ast.Raise) and last.exc is None)


def test_whoever_catches_everything_says_why() -> None:
    wrong = []
    for module in modules().values():
        handlers = [node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler)]
        said = comments(module.path)
        wrong += [f"{module.name}:{h.lineno}" for h in handlers if catches_all(h) and h.lineno not in said]
    assert wrong == []


def test_beside_the_words_about_the_project_there_are_only_folders() -> None:
    files = {path.name for path in tracked() if path.parent == ROOT}
    words = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"}
    assert files == words | {".gitignore", "Makefile", "pyproject.toml"}

"""What stands on the pages: blocks of code, each in a language, some with the reason why nobody runs them."""

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from typer.main import get_command

from alula.cli import app
from tests.house.source import ROOT

README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"<!-- not run: ([^>]+) -->\n+\Z")
RUN = ("python", "pycon", "sh")
DATA: dict[str, Callable[[str], object]] = {
    "ini": lambda text: ConfigParser(strict=False, interpolation=None).read_string(text),
    "json": json.loads,
    "toml": tomllib.loads,
}
"""What takes a block in one of the languages that only say something; it raises where that cannot be read."""


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes
    ----------
    line
        Of the page on which its first line stands, counted from 1.
    reason
        Why it is not run; empty if it is.
    """

    page: Path
    line: int
    language: str
    text: str
    reason: str

    @property
    def runs(self) -> bool:
        return self.language in RUN and not self.reason

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line} ({self.language})"


@cache
def blocks(page: Path) -> list[Block]:
    """Give the blocks of a page from top to bottom."""
    text = page.read_text()
    return [
        Block(
            page,
            text[: match.start(2)].count("\n") + 1,
            match[1],
            match[2],
            reason[1] if (reason := REASON.search(text[: match.start()])) else "",
        )
        for match in FENCE.finditer(text)
    ]


def program(page: Path) -> str:
    """Put what runs on a page one after the other, as Python, each line where it stands on the page.

    What is for a shell is run by one, in the same folder, when its turn comes.
    """
    lines: list[str] = []
    for block in blocks(page):
        if block.runs and block.language != "pycon":
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.text.splitlines() if block.language == "python" else [_in_a_shell(block.text)]
    return "\n".join(lines) + "\n"


def _in_a_shell(text: str) -> str:
    command = ["bash", "-euo", "pipefail", "-c", text]
    return f"import subprocess; subprocess.run({command!r}, check=True)"


def prompts(page: Path) -> str:
    """Put what a page shows at the prompt one after the other, as a text for doctest."""
    return "\n\n".join(block.text for block in blocks(page) if block.runs and block.language == "pycon")


def indented(page: Path) -> list[str]:
    """Give the blocks that are marked by blanks alone, and so have no language; those of lists are none."""
    text = FENCE.sub("", page.read_text())
    found = re.finditer(r"\n\n((?: {4}[^\n]*\n)+)", text)
    return [match[1] for match in found if not _in_a_list(text, match)]


def _in_a_list(text: str, match: re.Match[str]) -> bool:
    before = text[: match.start()].rstrip().rpartition("\n\n")[2]
    return bool(re.match(r"\s*(?:[-*]|\d+\.) ", before))


def commands(block: Block) -> Iterator[list[str]]:
    """Give the command lines of our program that a block shows, word by word, without the program's name."""
    if block.language == "ini":
        lines = re.findall(r"^Exec\w+=\S*/(alula .*)$", block.text, re.MULTILINE)
    else:
        lines = block.text.replace("\\\n", " ").splitlines() if block.language == "sh" else []
    for line in lines:
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            del words[0]
        if words and words[0] == "alula":
            yield words[1:]


def parse(words: list[str]) -> None:
    """Read a command line as the program does, up to what it would do; it raises where that refuses it."""
    command: Any = get_command(app)
    name = "alula"
    while hasattr(command, "commands"):
        context = command.make_context(name, words)
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    command.make_context(name, words)

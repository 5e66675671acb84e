"""What README, documentation and examples say, happens."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.pages import (
    DATA,
    PAGES,
    README,
    RUN,
    Block,
    blocks,
    commands,
    indented,
    parse,
    program,
    prompts,
)
from tests.house.source import modules, python_files, short, tracked

EXAMPLES = sorted({path.parent for path in python_files() if short(path).startswith("examples/")})
BLOCKS = [block for page in PAGES for block in blocks(page)]
SILENT = [block for block in BLOCKS if block.reason]
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # where our program lies


def run(folder: Path, *command: str) -> None:
    """Run Python in an empty folder, with an empty home; it must end well."""
    for name in ("home", "work"):
        (folder / name).mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder / "work",
        env={**os.environ, "ALULA_HOME": str(folder / "home"), "PATH": PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.runs for block in blocks(page))], ids=short
)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Lines have the numbers that they have on the page."""
    script = tmp_path / f"page_{page.stem}.py"  # or that of logging would hide the module
    text = tmp_path / f"{page.stem}.txt"
    script.write_text(program(page))
    run(tmp_path, str(script))
    if prompts(page):
        text.write_text(prompts(page))
        run(tmp_path, "-m", "doctest", "-o", "ELLIPSIS", str(text))
    record_property("tried blocks of code on pages", sum(block.runs for block in blocks(page)))


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_its_language_and_can_be_read(block: Block) -> None:
    """What it shows of our program is read as the program would, also where nobody runs it."""
    assert block.language in {*RUN, *DATA, "text"}
    DATA.get(block.language, str)(block.text)
    for words in commands(block):
        parse(words)


def test_the_blocks_that_nobody_runs_are_few_and_say_why() -> None:
    assert {block.language for block in SILENT} <= {*RUN}
    assert len(SILENT) <= sum(block.runs for block in BLOCKS) // 4


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_every_block_is_fenced(page: Path) -> None:
    assert indented(page) == []


@pytest.mark.parametrize("name", [name for name, m in modules().items() if ">>> " in m.path.read_text()])
def test_what_a_docstring_shows_at_the_prompt_is_what_is_printed(name: str, tmp_path: Path) -> None:
    code = f"import doctest, {name} as module; raise SystemExit(doctest.testmod(module).failed)"
    run(tmp_path, "-c", code)


@pytest.mark.parametrize("example", EXAMPLES, ids=short)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    (script,) = example.glob("*.py")
    run(tmp_path, str(script))


@pytest.mark.parametrize("example", EXAMPLES, ids=short)
def test_an_example_is_one_short_file_with_ten_lines_of_words(example: Path) -> None:
    (script,) = example.glob("*.py")
    assert len(script.read_text().splitlines()) < 60
    assert len((example / "README.md").read_text().splitlines()) <= 15


def test_the_first_screen_has_the_two_commands_and_a_dozen_lines_of_code() -> None:
    screen = README.read_text().splitlines()[:45]
    shell = [line.partition("#")[0].strip() for line in screen]
    assert [line for line in shell if line.startswith("make")] == ["make demo", "make test"]
    first = next(block for block in blocks(README) if block.language == "python")
    assert first.line <= 25
    assert len(first.text.strip().splitlines()) <= 15


@pytest.mark.parametrize("page", [path for path in tracked() if path.suffix == ".md"], ids=short)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(
        r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    )
    files = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in files if not (page.parent / link).exists()] == []

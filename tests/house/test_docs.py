"""What README, documentation and examples say, happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, modules, python_files, short, tracked

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted({path.parent for path in python_files() if short(path).startswith("examples/")})
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[tuple[int, str]]:
    """Give the blocks in these languages, each with the number of its first line."""
    text = page.read_text()
    found = [match for match in FENCE.finditer(text) if match[1] in languages]
    return [(text[: match.start(2)].count("\n") + 1, match[2]) for match in found]


def program(page: Path) -> str:
    """Put the blocks of a page one after the other, each line where it stands on the page."""
    lines: list[str] = []
    for first, text in blocks(page, "python"):
        lines += [""] * (first - 1 - len(lines)) + text.splitlines()
    return "\n".join(lines) + "\n"


def prompts(page: Path) -> str:
    """Put what a page shows at the prompt one after the other, as a text for doctest."""
    return "\n\n".join(text for _, text in blocks(page, "pycon"))


def run(folder: Path, *command: str) -> None:
    """Run Python in an empty folder, with an empty home; it must end well."""
    for name in ("home", "work"):
        (folder / name).mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder / "work",
        env={**os.environ, "ALULA_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python", "pycon")], ids=short)
def test_the_code_of_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    """Lines have the numbers that they have on the page."""
    script = tmp_path / f"page_{page.stem}.py"  # or that of logging would hide the module
    text = tmp_path / f"{page.stem}.txt"
    script.write_text(program(page))
    run(tmp_path, str(script))
    text.write_text(prompts(page))
    run(tmp_path, "-m", "doctest", "-o", "ELLIPSIS", str(text))


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
    first, code = blocks(README, "python")[0]
    assert first <= 25
    assert len(code.strip().splitlines()) <= 15


@pytest.mark.parametrize("page", [path for path in tracked() if path.suffix == ".md"], ids=short)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(
        r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    )
    files = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in files if not (page.parent / link).exists()] == []

"""The main job itself, as people run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alula.cli._demo_page import Misread, Page, render


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alula", "demo", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def processes_of(folder: Path) -> list[str]:
    """Processes that know the folder, by their command lines and environments."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            about = Path("/proc", pid, "environ").read_bytes() + Path("/proc", pid, "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in about:
            found.append(pid)
    return found


@pytest.mark.timeout(400)
def test_every_answer_agrees_with_scikit_learn_and_nothing_is_left_running(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "all 450 agree" in done.stdout
    assert re.search(r"ensemble +9\d\.\d% right", done.stdout)
    assert (tmp_path / "alula-demo.html").read_text().count("<svg") > 2
    assert processes_of(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["alula-demo.html"]


@pytest.mark.timeout(400)
def test_a_workflow_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    done = demo(tmp_path, "--crash")
    assert done.returncode == 0, done.stderr
    before, after = (
        set(re.search(rf"{title} +(.+)", done.stdout)[1].strip().split(", "))  # type: ignore[index]  # it is there
        for title in ("recorded before the crash", "run after the resume")
    )
    assert len(before) >= 4  # records share a commit
    assert not before & after
    assert "summary" in after


def test_the_page_shows_what_it_is_given_and_nothing_of_it_as_markup() -> None:
    page = Page(
        rows=[("<b>", 0.5)],
        facts=[("a", "<script>")],
        workflow_svg="<svg></svg>",
        command_svg="<svg></svg>",
        command="AI.DAGRUN <256 bytes>",
        confusion=[[3, 0], [1, 2]],
        misread=[Misread([16.0] * 64, 1, 0)],
    )
    html = render(page)
    assert "<script>" not in html
    assert "&lt;b&gt;</td><td>50.0%" in html
    assert "1 read as 0" in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")

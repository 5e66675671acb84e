"""Shells complete commands, and the names of what is stored."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import alula as om


def completed(line: str, home: Path) -> list[str]:
    """Ask as bash does."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "ALULA_HOME": str(home),
        "_ALULA_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = "import sys; sys.argv = ['alula']; from alula.cli import app; app(prog_name='alula')"
    done = subprocess.run(
        [sys.executable, "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    return done.stdout.split()


def test_stored_names_are_completed(home: Path) -> None:
    om.datasets.put([1], "iris")
    om.datasets.put([1], "irises")
    om.bucket("other").datasets.put([1], "iron")
    om.runtime.close_default()
    assert completed("alula datasets get ir", home) == ["iris", "irises"]
    assert completed("alula datasets get --bucket other ir", home) == ["iron"]
    assert completed("alula runtime mo", home) == ["model"]


@pytest.mark.parametrize("line", ["alula datasets get ir", "alula runtime result 1"])
def test_to_complete_makes_no_store(tmp_path: Path, line: str) -> None:
    assert completed(line, tmp_path / "none") == []
    assert not (tmp_path / "none").exists()

"""A wheel is made from the sources alone, holds all that belongs to the package, and works by itself."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.house.source import ROOT, short, tracked

PACKAGE = ROOT / "src" / "alula"


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    """Run a command as somebody would who does not have our sources."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env={**environment, **more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The files that belong to the project, in a folder that git knows nothing of."""
    folder = tmp_path / "sources"
    for path in tracked():
        if short(path).startswith(("src/", "pyproject.toml", "README.md", "LICENSE")):
            target = folder / short(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return folder


def build(sources: Path, into: Path) -> Path:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), cwd=sources)
    (wheel,) = into.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Give the interpreter of an empty environment that has this wheel.

    What it depends on is not installed anew, which would take minutes, but found where these tests found it.
    """
    run(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=folder.parent)
    python = folder / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    run(*pip, "--disable-pip-version-check", str(wheel), cwd=folder.parent)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.timeout(400)
def test_a_wheel_made_without_git_works_where_nothing_else_of_ours_is(sources: Path, tmp_path: Path) -> None:
    wheel = build(sources, tmp_path / "dist")
    assert wheel.name.startswith("alula-0.0-py3-")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {str(path.relative_to(PACKAGE.parent)) for path in tracked() if PACKAGE in path.parents} <= held
    assert [name for name in held if not name.startswith(("alula/", "alula-"))] == []
    python = install(wheel, tmp_path / "environment")
    said = run(python, ROOT / "tools" / "smoke.py", cwd=tmp_path)
    assert said.splitlines()[-1].startswith("alula 0.0 in ")
    assert str(tmp_path / "environment") in said


def test_the_version_is_that_of_the_tag(sources: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "All"], ["tag", "v7.8.9"]):
        run(*git, *command, cwd=sources)
    assert run(sys.executable, "-m", "hatchling", "version", cwd=sources).strip() == "7.8.9"
    run(*git, "commit", "--quiet", "--allow-empty", "-m", "More", cwd=sources)
    assert run(sys.executable, "-m", "hatchling", "version", cwd=sources).startswith("7.8.10.dev1+g")

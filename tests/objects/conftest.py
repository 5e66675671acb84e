"""Catalogs in an empty folder, and real processes that open the same ones."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from alula._core._settings import Settings
from alula.objects import Catalogs, Datasets, Models, open_catalogs

Child: TypeAlias = "subprocess.Popen[str]"

PREAMBLE = """
import sys
from alula._core._settings import Settings
from alula.objects import open_catalogs
catalogs = open_catalogs(Settings.load(home=sys.argv[1]))
datasets, models = catalogs.datasets, catalogs.models
"""


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings.load(home=str(home))


@pytest.fixture
def catalogs(settings: Settings) -> Iterator[Catalogs]:
    with open_catalogs(settings) as catalogs:
        yield catalogs


@pytest.fixture
def datasets(catalogs: Catalogs) -> Datasets:
    return catalogs.datasets


@pytest.fixture
def models(catalogs: Catalogs) -> Models:
    return catalogs.models


@pytest.fixture
def spawn(settings: Settings) -> Iterator[Callable[..., Child]]:
    """Start a process that has the catalogs open and runs `code`; it dies with the test."""
    started: list[Child] = []

    def start(code: str, *args: str) -> Child:
        command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), str(settings.home), *args]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.communicate()


@pytest.fixture
def artifacts(settings: Settings) -> Callable[[], set[str]]:
    """Tell the digests whose bytes are on the disk."""
    folder = Path(settings.artifacts) / "objects"

    def look() -> set[str]:
        return {path.parent.name + path.name for path in folder.glob("??/*")}

    return look


def double(om: Any, x: int) -> int:
    """Be a script."""
    return 2 * x

"""Workflows on the real engine, each test in an empty home."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alula import workflow
from alula.futures import Engine
from tests.workflow.bodies import Tally


@pytest.fixture(autouse=True)
def executor(engine: Engine, home: Path) -> Iterator[None]:
    """The executor of this process is made anew for each test, and ends with it."""
    yield
    workflow.reset_default_executor()


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally(tmp_path / "tally")

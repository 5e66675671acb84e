"""Workflows on the real engine, each test in an empty home."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import alula
from alula import workflow
from alula.testing import Turnstile
from tests.workflow.bodies import Tally


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    alula.init(num_cpus=2)
    yield
    alula.shutdown()


@pytest.fixture(autouse=True)
def executor(home: Path) -> Iterator[None]:
    """The executor of this process is made anew for each test, and ends with it."""
    yield
    workflow.reset_default_executor()


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally(tmp_path / "tally")


@pytest.fixture
def turnstile(tmp_path: Path) -> Iterator[Turnstile]:
    with Turnstile(tmp_path) as made:
        yield made

"""Workflows on the real engine, each test in an empty home."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alula import workflow
from alula.futures import Engine
from tests.workflow.bodies import Tally

ON_BOTH = pytest.mark.parametrize("records", ["sqlite", "postgres"], indirect=True)
"""Marks what is to hold on each kind of store."""


@pytest.fixture
def records(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Give the URL of the store; None is a file in the home, where nobody says otherwise."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield None
        return
    server = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def home(home: Path, records: str | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the home, and an empty store the store."""
    if records is not None:
        monkeypatch.setenv("ALULA_STORE", records)
    return home


@pytest.fixture(autouse=True)
def executor(engine: Engine, home: Path) -> Iterator[None]:
    """The executor of this process is made anew for each test, and ends with it."""
    yield
    workflow.reset_default_executor()


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally(tmp_path / "tally")

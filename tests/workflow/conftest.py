"""Workflows on the real engine, each test in an empty home; some by a clock that stands still."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alula._core._settings import Settings
from alula.store import Executors, Store
from alula.testing import Clock
from alula.workflow import Executor
from alula.workflow._line import UNLIMITED, Limits
from alula.workflow._tables import METADATA, VERSION
from alula.workflow._vault import Vault
from tests.conftest import Open


@pytest.fixture(autouse=True)
def _an_executor_for_each(executor: None) -> None:
    """No test finds the executor of another."""


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """Open the store of the test, with the tables of workflows."""
    store = Store.open(Settings.load().store)
    store.ensure("workflow", VERSION, METADATA)
    yield store
    store.close()


@pytest.fixture
def vault(home: Path) -> Vault:
    return Vault.of(Settings.load())


@pytest.fixture
def clock() -> Clock:
    """Give the clock of `open_timed`; a module may have one that begins at another time."""
    return Clock(now=1000.0)


@pytest.fixture
def open_timed(home: Path, clock: Clock) -> Iterator[Open]:
    """Open executors by a clock that stands still until the test moves it; they end with the test."""
    settings = Settings.load()
    opened: list[tuple[Executor, Store]] = []

    def open_one(*labels: str, claims: bool = False, limits: Limits = UNLIMITED) -> Executor:
        store = Store.open(settings.store, clock=clock)
        executors = Executors(store)
        lease = executors.register(labels or ["default"], claims=claims)
        vault = Vault.of(settings)
        executor = Executor(store, vault, lease, executors, limits=limits, claims=claims)
        opened.append((executor, store))
        return executor

    yield open_one
    for executor, store in opened:
        executor.close()
        store.close()


@pytest.fixture
def timed(open_timed: Open) -> Executor:
    """Give one executor by a clock that stands still."""
    return open_timed()

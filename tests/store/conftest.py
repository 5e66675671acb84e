"""A store in an empty folder, a table to write to, and real processes that use both."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from alula.store import Store
from tests.store.numbers import TABLES

Child: TypeAlias = "subprocess.Popen[str]"

PREAMBLE = """
import os, signal, sys
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select
from alula._core._gates import arm
from alula.store import Artifacts, Executors, Store
tables = MetaData()
numbers = Table("numbers", tables, Column("n", Integer, primary_key=True))
store = Store.open(sys.argv[1])
store.ensure("test", 1, tables)
def say(*words): print(*words, flush=True)
def die_at(gate): arm(gate, lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


ON_A_FILE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""Marks what is about SQLite alone."""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the place of an empty store of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'home' / 'alula.db'}"
        return
    server = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store.open(url)
    yield store
    store.close()


@pytest.fixture
def numbers(store: Store) -> Store:
    """Give the store, with a table of numbers."""
    store.ensure("test", 1, TABLES)
    return store


@pytest.fixture
def spawn(url: str) -> Iterator[Callable[..., Child]]:
    """Start a process that has the store open and runs `code`; it dies with the test."""
    started: list[Child] = []

    def start(code: str, *args: str, faults: str = "") -> Child:
        command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), url, *args]
        environment = {**os.environ, "ALULA_FAULTS": faults}
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
        )
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.communicate()

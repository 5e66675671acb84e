"""A real `alula up` with its dashboard for all tests of a module, a browser, and work of every kind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from alula.futures import Engine
from tests.faults.processes import TREE
from tests.web.browser import browsing

expect.set_options(timeout=20_000)  # a machine that is busy with other work is no reason to fail


@contextmanager
def running(home: Path, *words: str, **environment: str) -> Iterator[str]:
    """Run `alula up` with its dashboard, and give the address of that."""
    command = [
        sys.executable,
        "-m",
        "alula",
        "up",
        "--no-serve",
        "--num-cpus",
        "2",
        "--port-web",
        "0",
        *words,
    ]
    given = {"ALULA_HOME": str(home), "PYTHONPATH": TREE, "NO_COLOR": "1", "COLUMNS": "200", **environment}
    with subprocess.Popen(command, env={**os.environ, **given}, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(2)]
            assert said[-1].startswith("web"), said
            yield said[-1].split()[1]
        finally:
            process.terminate()
            process.wait(150)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a browser for a module, and no longer: as long as there is one, this thread has an event loop."""
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def board(engine: Engine, shared_home: Path) -> Iterator[str]:
    """Give the address of the dashboard of a store, on which tests put work."""
    with running(shared_home) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window, whose scripts must not complain."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    made, said = context.new_page(), list[str]()
    made.on("pageerror", lambda error: said.append(str(error)))
    yield made
    context.close()
    assert said == []

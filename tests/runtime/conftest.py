"""The runtime on the real engine and a real store, each test in an empty home."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import alula as om
from alula import workflow
from alula.futures import Engine

Child: TypeAlias = "subprocess.Popen[str]"


@pytest.fixture(autouse=True)
def instance(home: Path) -> Iterator[None]:
    """The default instance and executor of this process are made anew for each test, and end with it."""
    yield
    om.runtime.close_default()
    workflow.reset_default_executor()


@pytest.fixture
def line(engine: Engine) -> None:
    """Store a model that has learned nothing yet, and data on a straight line: y = 2 x + 1."""
    x = np.arange(4.0)
    om.models.put(LinearRegression(), "mymodel")
    om.datasets.put(pd.DataFrame({"x": x}), "data-X")
    om.datasets.put(pd.DataFrame({"y": 2 * x + 1}), "data-Y")
    om.datasets.put(pd.DataFrame({"x": [2.0, 4.5, 5.0, 7.0]}), "new-X")


@pytest.fixture
def spawn(home: Path) -> Iterator[Callable[..., Child]]:
    """Start a process in the same home that runs `code`; it dies with the test."""
    started: list[Child] = []

    def start(code: str, *args: str) -> Child:
        command = [sys.executable, "-c", "import sys\nimport alula as om\n" + textwrap.dedent(code), *args]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.communicate()

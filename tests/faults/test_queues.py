"""Executors race for the workflows of a queue, and die at work on them: the limits hold all the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.graph import Graph
from alula.testing import fault_environment
from alula.workflow import Executor, Queue, Ticket
from tests.faults.processes import TREE
from tests.postgres import ON_BOTH

Start: TypeAlias = "Callable[..., subprocess.Popen[str]]"

EXECUTOR = """
import sys
import alula
from alula._core._settings import Settings
from alula.workflow import Claims, Executor

alula.init(num_cpus=2)
with Executor.open(Settings.load(), claims=True) as executor, Claims(executor, room=4):
    sys.stdin.read()
"""
KEYS = ["ada", "ben", "ada", "cyd"] * 3


@alula.remote(num_cpus=0.5)
def logged(log: Path, name: str) -> str:
    """Say in one file when it begins and ends."""
    for word in ("begin", "end"):
        with log.open("a") as file:
            file.write(f"{word} {name}\n")
    return name


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start an executor in a process of its own, which is killed at some gate if `kills` says so."""
    started: list[subprocess.Popen[str]] = []

    def start_one(kills: dict[str, int] | None = None) -> subprocess.Popen[str]:
        environment = {**(fault_environment(kills) if kills else os.environ), "PYTHONPATH": TREE}
        command = [sys.executable, "-c", EXECUTOR]
        started.append(subprocess.Popen(command, text=True, env=environment, stdin=subprocess.PIPE))
        return started[-1]

    yield start_one
    for child in started:
        child.kill()
        child.communicate()


@ON_BOTH
def test_limits_hold_over_executors_that_race_and_die(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Executor.open(Settings.load()) as client:
        client.queues.put(Queue("q", concurrency=3, concurrency_per_key=1))
        handles = []
        for n, key in enumerate(KEYS):
            node, ticket = logged.bind(log, f"{key}-{n}"), Ticket(queue="q", key=key)
            with pytest.warns(UserWarning, match="no living executor"):
                handles.append(client.submit(Graph.of(node), where="queue", ticket=ticket))
        assert start({"executor.claimed": 2}).wait(150) == -signal.SIGKILL
        assert client.records.list(workflow.Search(statuses=frozenset({workflow.RESUMABLE})))
        for _ in range(2):
            start()
        results = [handle.result(150) for handle in handles]
    assert results == [f"{key}-{n}" for n, key in enumerate(KEYS)]
    running: set[str] = set()
    for word, name in map(str.split, log.read_text().splitlines()):
        if word == "begin":
            running.add(name)  # what a killed executor had begun is begun again, before others take its place
        else:
            running.remove(name)
        assert len(running) <= 3
        assert len({name.partition("-")[0] for name in running}) == len(running)
    assert running == set()

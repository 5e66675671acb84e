"""What ``alula top`` shows of sessions that really run."""

import asyncio
import json
import os
import re
import socket
from collections.abc import Iterator

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import alula
from alula._core._runtime import runtime_folder
from alula.cli._app import app
from alula.cli._top import frame
from alula.futures import SessionFacts, get, put, remote, sessions
from alula.testing import Turnstile
from tests.faults.processes import LIMIT


@pytest.fixture
def engine() -> Iterator[None]:
    alula.init(num_cpus=2, resources={"slot": 4})
    alula.nodes()  # which is answered when the session is up
    yield
    alula.shutdown()


@remote
def hold(turnstile: Turnstile) -> None:
    turnstile.wait()


class Keeper:
    def hold(self, turnstile: Turnstile) -> None:
        turnstile.wait()


def ours() -> list[SessionFacts]:
    return [each for each in sessions() if each.pid == os.getpid()]


def shown(*options: str) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["top", "--session", str(os.getpid()), *options])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.usefixtures("engine")
def test_it_shows_what_runs_and_what_is_held(turnstile: Turnstile) -> None:
    keeper = remote(num_cpus=0, resources={"slot": 1})(Keeper).remote()
    big = put(np.zeros(1_000_000))
    refs = [keeper.hold.remote(turnstile), *[hold.remote(turnstile) for _ in range(5)]]
    for _ in range(3):
        turnstile.arrived()
    text = shown("--once")
    assert f"session {os.getpid()}" in text
    assert "tasks: 2 running, 3 queued, 0 waiting for inputs, 0 finished" in text
    assert "CPU 2/2" in text
    assert "slot 1/4" in text
    assert "memory 0 B/" in text
    assert "calls: 1 running, 0 waiting" in text
    assert "values: 8 MB of" in text
    assert "in memory, 0 B on disk" in text
    assert "node:" not in text
    assert text.count("test_top.hold") == 2
    assert "actor Keeper" in text
    assert "Keeper.hold" in text
    turnstile.let()
    get(refs, timeout=LIMIT)
    del big


@pytest.mark.usefixtures("engine")
def test_the_facts_are_there_for_programs() -> None:
    [session] = json.loads(shown("--json"))
    assert session["session"] == os.getpid()
    kinds = [process["kind"] for process in session["processes"]]
    assert kinds == ["driver", "worker", "worker"]
    assert all(process["memory"] > 0 for process in session["processes"])


def test_a_session_is_seen_as_long_as_it_runs() -> None:
    assert ours() == []
    alula.init(num_cpus=1)
    alula.nodes()
    assert len(ours()) == 1
    alula.shutdown()
    assert ours() == []


class Waiting:
    async def come(self, turnstile: Turnstile) -> None:
        await asyncio.to_thread(turnstile.wait)


class Threaded(Keeper):
    pass


def test_it_shows_calls_that_run_at_once_those_behind_them_and_what_lies_on_disk(
    turnstile: Turnstile,
) -> None:
    alula.init(num_cpus=2, object_store_memory=2_000_000)
    keeper, waiting = remote(Keeper).remote(), remote(Waiting).remote()
    threaded = remote(Threaded).options(max_concurrency=2).remote()
    refs = [actor.hold.remote(turnstile) for actor in (keeper, threaded) for _ in range(4)]
    refs += [waiting.come.remote(turnstile) for _ in range(3)]
    for _ in range(6):
        turnstile.arrived()
    big = [put(np.zeros(100_000)) for _ in range(4)]
    text = shown("--once")
    assert "Keeper.hold (3 behind)" in text
    assert "Threaded.hold (2 at once, 2 behind)" in text
    assert "Waiting.come (3 at once)" in text
    assert "calls: 6 running, 5 waiting" in text
    assert re.search(r"values: \d+ MB of 2 MB in memory, \d+ MB on disk", text)
    turnstile.let()
    get(refs, timeout=LIMIT)
    del big
    alula.shutdown()


def test_without_a_session_one_line_says_so() -> None:
    done = CliRunner().invoke(app, ["top", "--once", "--session", "1"])
    assert done.exit_code == 1
    assert done.output.startswith("no session has the driver 1")


def test_a_socket_that_a_killed_session_left_is_taken_away() -> None:
    folder = runtime_folder() / "sessions"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "1-feed"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    sessions()
    assert not path.exists()


PROCESS = {"pid": 7, "kind": "worker", "held": {}, "idle": False, "waits": False, "answers": True}


def drawn(now: float, **facts: object) -> str:
    process = PROCESS | facts
    seen = {"now": now, "total": {}, "free": {}, "objects": 0, "processes": [process]}
    console = Console(width=150, record=True, file=open(os.devnull, "w"))  # noqa: SIM115  # closed with it
    with console.file:
        console.print(frame([SessionFacts(1, "prog", seen)], {7: (2.0, 100.0)}))
    return console.export_text()


def test_the_use_of_the_processor_is_that_since_the_last_look() -> None:
    assert " 50 %" in drawn(102.0, cpu_time=3.0, age=1000.0, memory=2_000_000)


def test_a_process_that_cannot_answer_is_shown_as_busy() -> None:
    assert "busy: does not answer" in drawn(100.0, answers=False)
    assert "idle" in drawn(100.0)


def test_a_task_that_waits_is_shown_with_its_time() -> None:
    text = drawn(4000.0, running="f", since=270.0, waits=True)
    assert "f (waits for others)" in text
    assert "1:02:10" in text

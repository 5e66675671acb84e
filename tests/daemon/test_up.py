"""Executors outside of their clients: what was submitted outlives who did so, and who took it."""

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import redis

from alula import workflow
from alula._core._settings import Settings
from alula.graph import Graph
from alula.testing import Turnstile
from alula.workflow import Executor
from tests.faults.processes import LIMIT, ROOT, Program, eventually, kill, program
from tests.server.redis_server import free_port
from tests.workflow.bodies import Tally, add, held, noted

Start: TypeAlias = Callable[..., Program]


pytestmark = pytest.mark.usefixtures("executor")


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start a command of the program, which is up when this returns; its first line is in `said`."""
    started: list[Program] = []

    def start_one(*command: str, path: str = "") -> Program:
        pipe = subprocess.PIPE
        path = f"{path}:{ROOT / 'src'}:{ROOT}"
        child = subprocess.Popen(
            [sys.executable, "-m", "alula", *command],
            text=True,
            stdout=pipe,
            stderr=pipe,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline().startswith("executor"), child.communicate()
        return child

    yield start_one
    for child in started:
        child.kill()
        child.communicate()


def owner(workflow_id: str, executor: Executor | None = None) -> str | None:
    with (executor or workflow.default_executor())._store.reading() as connection:
        return workflow.owner_of(connection, workflow_id)


def ended(child: Program) -> tuple[int, str]:
    """Give status and errors of a program that is told to end."""
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=LIMIT)
    return child.returncode, errors


DRIVER = """
import os, pickle, sys
from pathlib import Path
from alula import workflow
from tests.workflow.bodies import add, held, noted
tally, turnstile = pickle.loads(Path(sys.argv[1]).read_bytes())
workflow.run_async(add.bind(held.bind(turnstile, noted.bind(tally, "first")), 1), workflow_id="w")
print("submitted", flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_run_outlives_its_driver(start: Start, tally: Tally, turnstile: Turnstile, tmp_path: Path) -> None:
    worker = start("worker", "--num-cpus", "1")
    (tmp_path / "given").write_bytes(pickle.dumps((tally, turnstile)))
    with program(DRIVER, tmp_path / "given") as driver:
        turnstile.arrived()  # the driver's task: in the worker's process
        assert driver.wait(LIMIT) == -signal.SIGKILL
    turnstile.let()
    assert workflow.get_output("w") == 2
    assert tally.counts() == {"first": 1}
    assert ended(worker) == (0, "")


def submit(tally: Tally, turnstile: Turnstile) -> workflow.Handle[int]:
    """Queue a task that is recorded and, behind it, one that is held; return when it is held."""
    graph = Graph.of(add.bind(held.bind(turnstile, noted.bind(tally, "first")), 1))
    handle = workflow.default_executor().submit(graph, id="w", requeue=True)
    turnstile.arrived()
    return handle


def test_another_worker_goes_on_when_one_is_killed(start: Start, tally: Tally, turnstile: Turnstile) -> None:
    first = start("worker", "--num-cpus", "1", "--name", "first")
    handle = submit(tally, turnstile)
    start("worker", "--num-cpus", "1", "--name", "second")
    first.kill()
    turnstile.arrived()  # the same task, in the second worker
    assert owner("w") == "second"
    turnstile.let()
    assert handle.result(LIMIT) == 2
    assert tally.counts() == {"first": 1}


def test_a_workflow_of_a_client_is_recovered_when_its_worker_is_killed(
    start: Start, tally: Tally, turnstile: Turnstile
) -> None:
    first = start("worker", "--num-cpus", "1")
    workflow.run_async(add.bind(held.bind(turnstile, noted.bind(tally, "first")), 1), workflow_id="w")
    turnstile.arrived()
    start("worker", "--num-cpus", "1", "--name", "second")
    first.kill()
    turnstile.arrived()
    turnstile.let()
    assert [task.status for task in workflow.follow("w")][-1] == "SUCCESSFUL"
    assert workflow.get_output("w") == 2
    assert tally.counts() == {"first": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_end_gives_back_what_runs(
    start: Start, tally: Tally, turnstile: Turnstile, number: signal.Signals
) -> None:
    worker = start("worker", "--num-cpus", "1")
    handle = submit(tally, turnstile)
    worker.send_signal(number)
    _, errors = worker.communicate(timeout=LIMIT)
    assert (worker.returncode, errors) == (0, "unfinished, and back in the queue: 1 task\n")
    assert handle.status == "PENDING"
    start("worker", "--num-cpus", "1")
    turnstile.let()
    assert handle.result(LIMIT) == 2


def test_labels_say_who_takes_what(start: Start) -> None:
    start("worker", "--num-cpus", "1", "--label", "gpu", "--label", "big", "--name", "strong")
    with Executor.open(Settings.load()) as client:
        handle = client.submit(Graph.of(add.bind(1)), labels=["gpu"])
        assert handle.result(LIMIT) == 1
        assert owner(handle.id, client) == "strong"
        [strong] = [info for info in client._executors.alive() if info.name == "strong"]
        assert strong.labels == ("gpu", "big")


def test_up_is_an_executor_and_a_server(start: Start) -> None:
    both = start("up", "--num-cpus", "1", "--port", "0", "--no-web")
    assert both.stdout is not None
    port = int(both.stdout.readline().rpartition(":")[2])
    with redis.Redis(port=port, protocol=2) as client:
        assert client.ping()
    assert workflow.run(add.bind(1, 2), workflow_id="w") == 3
    assert str(owner("w")).startswith("alula@")
    assert ended(both) == (0, "")


def server_of(up: Program) -> int:
    """Give the process of the server, which is there soon."""
    found: list[int] = []

    def look() -> bool:
        children = Path(f"/proc/{up.pid}/task").glob("*/children")
        for pid in [int(pid) for path in children for pid in path.read_text().split()]:
            with suppress(OSError):  # it has ended meanwhile
                if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return bool(found)

    assert eventually(look)
    return found[0]


def test_a_server_that_crashes_again_and_again_is_given_up_and_all_else_goes_on(start: Start) -> None:
    watched = free_port()
    both = start("up", "--num-cpus", "1", "--port", "0", "--metrics-port", str(watched), "--no-web")
    assert both.stdout is not None
    assert both.stderr is not None
    port = int(both.stdout.readline().rpartition(":")[2])
    health = f"http://127.0.0.1:{watched}/healthz"
    with urlopen(health) as reply:
        assert reply.read() == b"ok\n"
    for _ in range(5):
        kill(server_of(both))
    said = [both.stderr.readline() for _ in range(5)]
    assert [line.partition(";")[0] for line in said[:4]] == ["the server was killed by SIGKILL"] * 4
    last = (
        "crashed 5 times in a row and is given up; the last time it was killed by SIGKILL. All else goes on"
    )
    assert said[4] == f"server    {last}\n"
    assert eventually(lambda: "crashed 5 times in a row" in answer(health))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert workflow.run(add.bind(1, 2), workflow_id="w") == 3
    assert str(owner("w")).startswith("alula@")
    assert ended(both) == (0, "")


def answer(url: str) -> str:
    """Give what a page of an error says, if there is one yet."""
    try:
        urlopen(url).close()
    except HTTPError as error:
        with error:
            return error.read().decode()
    except URLError:
        return ""
    return ""


def test_up_may_do_without_the_server(start: Start) -> None:
    alone = start("up", "--num-cpus", "1", "--no-serve", "--no-web")
    assert ended(alone) == (0, "")
    assert alone.stdout is not None


def refusal(*command: str) -> str:
    """Give the one paragraph with which a command ends that cannot start."""
    done = subprocess.run(
        [sys.executable, "-m", "alula", *command],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_busy_port_is_one_line_and_no_executor_is_left(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal("up", "--port", str(port), "--no-web").startswith(f"alula: setting 'port' = {port}")
    assert workflow.default_executor().lease.epoch == 1  # nobody had its name before


def test_the_name_of_a_living_executor_is_one_line(start: Start) -> None:
    start("worker", "--num-cpus", "1", "--name", "only")
    assert "only" in refusal("worker", "--num-cpus", "1", "--name", "only")


def test_a_worker_whose_engine_dies_says_so_and_fails(start: Start) -> None:
    worker = start("worker", "--num-cpus", "1")
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    assert eventually(lambda: bool(children.read_text()))
    for pid in children.read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    _, errors = worker.communicate(timeout=LIMIT)
    assert worker.returncode == 1
    assert errors.startswith("alula: ")
    assert "Traceback" not in errors


def children_of(pid: int, command: str) -> list[int]:
    """Give the processes that a program has started with this command of ours."""
    path = Path(f"/proc/{pid}/task")
    found = {int(child) for task in path.iterdir() for child in (task / "children").read_text().split()}
    return [each for each in found if command in Path(f"/proc/{each}/cmdline").read_text().split("\0")]


def test_the_dashboard_comes_back_when_its_process_has_died(start: Start) -> None:
    alone = start("up", "--num-cpus", "1", "--no-serve", "--port-web", "0")
    assert alone.stdout is not None
    url = alone.stdout.readline().split()[1]
    assert urlopen(url, timeout=LIMIT).status == 200
    [page_server] = children_of(alone.pid, "api")
    kill(page_server)
    assert urlopen(url, timeout=LIMIT).status == 200
    assert children_of(alone.pid, "api") != [page_server]
    assert ended(alone)[0] == 0


def test_without_the_packages_of_the_dashboard_all_else_starts(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['jinja2'] = None\n")
    alone = start("up", "--num-cpus", "1", "--no-serve", "--port-web", "0", path=str(tmp_path))
    status, said = ended(alone)
    assert status == 0
    assert "no dashboard, for jinja2 is not installed" in said


def test_a_dashboard_for_others_needs_a_token_and_a_port_that_is_free(home: Path) -> None:
    assert "ALULA_API_TOKEN" in refusal("up", "--no-serve", "--host-web", "0.0.0.0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"setting 'port' = {port}" in refusal("up", "--no-serve", "--port-web", str(port))

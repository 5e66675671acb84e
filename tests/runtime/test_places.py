"""Where tasks run: here, in a worker of another terminal, on another machine that shares only the stores."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import alula as om
from alula.errors import GetTimeoutError
from alula.testing import Turnstile
from tests.faults.processes import TREE, Program
from tests.runtime.conftest import Child
from tests.runtime.estimators import Echo
from tests.s3 import S3

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 60.0
Start: TypeAlias = Callable[..., Program]


@pytest.fixture
def worker(home: Path) -> Iterator[Start]:
    """Start ``alula worker`` in another process; it takes work when this returns, and dies with the test."""
    started: list[Program] = []

    def start(*words: str, **environment: str) -> Program:
        command = [sys.executable, "-m", "alula", "worker", "--concurrency", "1", *words]
        given = {**os.environ, "PYTHONPATH": TREE, "COLUMNS": "200", **environment}
        pipe = subprocess.PIPE
        child = subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe, env=given)
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline().startswith("executor"), child.communicate()
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def three(**how: Any) -> Any:
    with om.runtime.sequence() as crt:
        for i in range(3):
            om.runtime.model("echo").predict([[i]], **(how if i == 1 else {}))
        return crt.run()


def test_a_worker_in_a_second_terminal_makes_the_same_script_run_there(worker: Start) -> None:
    worker("--label", "gpu", "--name", "there")
    om.models.put(Echo(), "echo")
    there = om.runtime.require("gpu").model("echo").predict([[1]])
    here = om.runtime.model("echo").predict([[2]])
    assert (there.get(ENOUGH)["X"], here.get(ENOUGH)["X"]) == (1, 2)
    assert (there.worker, here.worker != "there") == ("there", True)
    assert om.runtime.labels()["there"] == ["gpu"]
    local = om.runtime.require("gpu").require("local").model("echo").predict([[3]])
    assert local.get(ENOUGH)["X"] == 3
    assert local.worker == here.worker


def test_each_task_of_a_block_goes_to_a_worker_with_its_label(worker: Start) -> None:
    worker("--label", "gpu", "--name", "there")
    om.models.put(Echo(), "echo")
    with om.runtime.parallel() as crt:
        crt.model("echo").predict([[1]])
        crt.require("gpu").model("echo").predict([[2]])
        group = crt.run()
    assert [value["X"] for value in group.get(ENOUGH)] == [1, 2]
    assert [result.worker == "there" for result in group] == [False, True]


def test_what_waits_is_counted_by_label_with_the_age_of_the_oldest() -> None:
    om.models.put(Echo(), "echo")
    with pytest.warns(UserWarning, match="known labels"):
        results = [om.runtime.require("tpu").model("echo").predict([[i]]) for i in range(2)]
    [waiting] = om.runtime.queues()["tpu"]
    assert waiting["waiting"] == 2
    assert waiting["oldest"] >= 0
    assert [result.queue_position for result in results] == [0, 1]
    with pytest.raises(GetTimeoutError):
        results[0].get(0)


CLIENT = """
import os
with om.runtime.sequence() as crt:
    for i in range(3):
        om.runtime.model("echo").predict([[i]], stop=i == 1)
    print(crt.run().id, flush=True)
sys.stdin.read()
"""


def test_a_block_outlives_its_client(
    worker: Start, spawn: Callable[..., Child], turnstile: Turnstile, tmp_path: Path
) -> None:
    om.models.put(Echo(turnstile, tmp_path / "seen"), "echo")
    worker()
    client = spawn(CLIENT)
    assert client.stdout is not None
    last = client.stdout.readline().strip()
    turnstile.arrived()
    client.kill()
    client.wait()
    turnstile.let()
    assert om.runtime.result(last)["before"]["before"]["X"] == 0
    assert (tmp_path / "seen").read_text() == "0 1 2 "


@pytest.mark.parametrize(
    "fault",
    [
        "executor.claimed=kill@2",
        "journal.recorded=kill@2",
        "store.committed=kill@9",
    ],
)
def test_a_block_survives_the_death_of_its_worker_at_any_gate(
    worker: Start, tmp_path: Path, fault: str
) -> None:
    om.models.put(Echo(path=tmp_path / "seen"), "echo")
    first = worker("--name", "first", ALULA_FAULTS=fault)
    result = three()
    first.wait(ENOUGH)
    worker("--name", "second")
    assert result.get(ENOUGH)["before"]["before"]["X"] == 0
    assert [value["X"] for value in result.getall()] == [0, 1, 2]
    seen = (tmp_path / "seen").read_text().split()
    assert list(dict.fromkeys(seen)) == ["0", "1", "2"]
    assert len(seen) <= 4  # what ran when it died may run again; what was recorded does not


@pytest.mark.parametrize("records", ["postgres"], indirect=True)
def test_a_machine_that_shares_only_the_stores_does_the_work(
    worker: Start, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = {
        **s3.environment(),
        "ALULA_ARTIFACTS": "s3://cloud/alula",
        "ALULA_SIGNING_KEY": "0123456789abcdef0123456789abcdef",
    }
    s3.call("PUT", "/cloud")
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    om.models.put(Echo(), "echo")
    worker("--label", "cloud", "--name", "far", ALULA_HOME=str(tmp_path / "elsewhere"))
    result = om.runtime.require("cloud").model("echo").predict([[1]])
    assert (result.get(ENOUGH)["X"], result.worker) == (1, "far")
    big = om.runtime.require("cloud").model("echo").predict([[float(i)] for i in range(20000)])
    assert big.get(ENOUGH)["X"] == 0.0

"""A server of a store has what is deployed there, as it is deployed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from onnx import TensorProto, helper

from alula._core._settings import Settings
from alula.objects import Deployments, open_catalogs


def times(factor: float) -> bytes:
    """A model that multiplies two numbers by a factor."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y")]
    constant = helper.make_tensor("f", TensorProto.FLOAT, [1], [factor])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "f"], ["y"])], "times", values[:1], values[1:], [constant]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.fixture
def deployments(tmp_path: Path) -> Iterator[Deployments]:
    with open_catalogs(Settings.load(home=tmp_path)) as catalogs:
        yield catalogs.deployments


@pytest.fixture
def client(tmp_path: Path, deployments: Deployments) -> Iterator[Any]:
    deployments.put("old", times(2), tag="1")
    process = subprocess.Popen(
        [sys.executable, "-m", "alula", "serve", "--port", "0", "--home", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert process.stdout is not None
    port = int(process.stdout.readline().rpartition(":")[2])
    with redis.Redis(port=port, protocol=2) as connected:
        yield connected
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors


def run(client: Any, model: str) -> list[float]:
    words = f"AI.DAGRUN TENSORSET ~x~ FLOAT 2 VALUES 1 2 => MODELRUN {model} INPUTS ~x~ OUTPUTS ~y~"
    reply = client.execute_command(*words.split(), *["=>", "TENSORGET", "~y~", "VALUES"])
    return [float(value) for value in reply[-1]]


def until(client: Any, key: str, *, there: bool) -> None:
    """Wait for a key to come or go; the test's own time limit ends it otherwise."""
    while bool(client.exists(key)) is not there:
        client.ping()


def test_what_was_deployed_before_is_there_for_the_first_client(client: Any) -> None:
    assert run(client, "old") == [2, 4]


def test_what_is_deployed_later_comes_by_the_doorbell(client: Any, deployments: Deployments) -> None:
    deployments.put("new", times(3))
    until(client, "new", there=True)
    assert run(client, "new") == [3, 6]


def test_a_replaced_model_is_replaced_and_a_dropped_one_goes(client: Any, deployments: Deployments) -> None:
    deployments.put("old", times(5), tag="2")
    deployments.put("mark", times(1))
    until(client, "mark", there=True)  # deployed after it, so the replacement has been seen
    deployments.drop("mark")
    until(client, "mark", there=False)
    assert run(client, "old") == [5, 10]


def test_a_replacement_under_load_loses_no_request(client: Any, deployments: Deployments) -> None:
    """Each answer is that of one version; who has seen a newer one never sees an older one again."""
    last = 9
    seen: list[list[float]] = [[] for _ in range(4)]

    def load(answers: list[float]) -> None:
        with redis.Redis(connection_pool=client.connection_pool) as mine:
            while not answers or answers[-1] < last:
                [one, two] = run(mine, "old")
                assert two == 2 * one
                answers.append(one)

    with ThreadPoolExecutor(len(seen)) as threads:
        futures = [threads.submit(load, answers) for answers in seen]
        for version in range(3, last + 1):
            deployments.put("old", times(version), tag=str(version))
        for future in futures:
            future.result(150)
    assert all(answers == sorted(answers) for answers in seen)
    assert {one for answers in seen for one in answers} <= set(range(2, last + 1))


def test_a_model_that_cannot_be_loaded_leaves_the_others_alone(client: Any, deployments: Deployments) -> None:
    deployments.put("bad", b"this is not ONNX")
    deployments.put("good", times(4))
    until(client, "good", there=True)
    assert not client.exists("bad")
    assert run(client, "good") == [4, 8]


def test_a_script_without_end_keeps_no_server_from_ending_well(client: Any) -> None:
    source = """
def run(tensors: List[Tensor], keys: List[str], args: List[str]):
    redis.execute("SET", keys[0], "x")
    while bool((tensors[0] == 0).item()):
        pass
    return tensors
"""
    client.execute_command("AI.SCRIPTSTORE", "s", "CPU", "ENTRY_POINTS", 1, "run", "SOURCE", source)
    client.execute_command("AI.TENSORSET", "x", "FLOAT", 1)
    with redis.Redis(port=client.get_connection_kwargs()["port"], protocol=2) as other:
        connection = other.connection_pool.get_connection()
        connection.send_command("AI.SCRIPTEXECUTE", "s", "run", "KEYS", 1, "begun", "INPUTS", 1, "x")
        until(client, "begun", there=True)
        connection.disconnect()

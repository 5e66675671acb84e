"""Whether an installed Alula works: each of the four faces once, and the program, in a second or two a face.

    python tools/smoke.py

It takes the core and the extra ``serve``; what else is installed it leaves alone. It prints what it has
tried, and ends with status 1 at the first that is wrong. The sources are not read: it runs from anywhere,
and says where the package lies that it has tried.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import redis

import alula as om
from alula import workflow
from alula.dag import InputNode
from alula.server import Server, background

PRODUCT = base64.b64decode(
    "CAk6QgoOCgFhCgFiEgFjIgNNdWwSA25ldFoNCgFhEggKBggBEgIKAFoNCgFiEggKBggBEgIKAGINCgFjEggKBggBEgIKAEIECgAQEQ=="
)
"""A model in ONNX with two inputs and their product as its output."""


@om.remote
def square(x: Any) -> Any:
    return x * x


@om.remote
def total(*terms: int) -> int:
    return sum(terms)


class Count:
    """Counts, in a process of its own."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, n: int) -> int:
        self.count += n
        return self.count


def add(amount: int, previous: int = 0) -> int:
    return previous + amount


def futures() -> None:
    """Tasks, a large value by reference, an actor."""
    large = om.put(np.ones(1_000_000))
    assert float(om.get(square.remote(large)).sum()) == 1e6
    counter = om.remote(Count).remote()
    assert om.get([counter.add.remote(n) for n in (1, 2)]) == [1, 3]


def workflows() -> None:
    """A graph that is recorded, and read again from its records."""
    with InputNode() as inp:
        graph = total.bind(square.bind(inp[0]), square.bind(3))
    assert workflow.run(graph, 2, workflow_id="smoke") == 13
    assert workflow.get_output("smoke") == 13
    assert len(workflow.list_tasks("smoke")) == 3


def runtime() -> None:
    """A dataset, and a script by name, in a sequence that hands its results on."""
    om.datasets.put({"n": 2}, "facts")
    om.scripts.put(add, "add")
    with om.runtime.sequence() as steps:
        om.runtime.script("add").run(om.datasets.get("facts")["n"])
        om.runtime.script("add").run(40)
        last = steps.run()
    assert last.get() == 42


def server() -> None:
    """A model in one command, whose volatile names leave nothing behind."""
    run, get = "MODELRUN net INPUTS ~x~ ~x~ OUTPUTS ~y~", "TENSORGET ~y~ VALUES"
    words = f"AI.DAGRUN TENSORSET ~x~ FLOAT 2 VALUES 2 3 => {run} => {get}".split()
    with background(Server(port=0)) as running, redis.Redis(port=running.port, protocol=2) as client:
        client.execute_command("AI.MODELSTORE", "net", "ONNX", "CPU", "BLOB", PRODUCT)
        reply = client.execute_command(*words)
        assert reply[2] == [b"4", b"9"]
        assert client.keys() == [b"net"]


def program() -> None:
    """The command, with what it finds of this installation."""
    command = [sys.executable, "-m", "alula"]
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    assert said == f"alula {om.__version__}\n"
    listed = subprocess.run(
        [*command, "workflow", "list", "--json"], capture_output=True, text=True, check=True
    )
    assert "smoke" in {each["workflow_id"] for each in json.loads(listed.stdout)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["ALULA_HOME"] = home
        for face in (futures, workflows, runtime, server, program):
            face()
            print(f"{face.__name__:10} works", flush=True)
        om.shutdown()
    print(f"alula {om.__version__} in {Path(om.__file__).parent}")

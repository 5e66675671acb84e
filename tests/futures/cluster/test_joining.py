"""Joining a cluster that runs already, and leaving it."""

from pathlib import Path
from typing import Any

import pytest

import alula


@pytest.fixture
def left() -> Any:
    yield
    alula.shutdown()


def test_it_stays_up_when_one_leaves(cluster: Any, left: None) -> None:
    for _ in range(2):
        alula.init(engine="ray", address=cluster.address, log_to_driver=False)
        assert alula.get(alula.remote(lambda: 7).remote()) == 7
        alula.shutdown()


def test_auto_is_the_cluster_that_this_machine_belongs_to(
    cluster: Any, left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)  # others may run here too
    alula.init(engine="ray", address="auto", namespace="found")
    assert alula.futures.current().context().namespace == "found"
    assert cluster.head_node.node_id in [node["NodeID"] for node in alula.nodes()]


def test_the_code_of_alula_may_travel_with_the_program(cluster: Any, left: None) -> None:
    alula.init(engine="ray", address=cluster.address, runtime_env={"py_modules": [alula]})
    there = alula.get(alula.remote(lambda: alula.__file__).remote())
    assert Path(there).parts[-2:] == ("alula", "__init__.py")
    assert there != alula.__file__

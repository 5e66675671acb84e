"""A timeline of what really ran."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import alula
from alula.futures import get, remote, timeline
from tests.faults.processes import LIMIT, ended


@pytest.fixture(params=[True, False], ids=["recorded", "not recorded"])
def recorded(request: pytest.FixtureRequest) -> Iterator[bool]:
    alula.init(num_cpus=2, timeline=request.param)
    yield request.param
    alula.shutdown()


@remote
def quick(*args: Any) -> int:
    return os.getpid()


def spend() -> None:
    """Take at least two ticks of the system's clock."""
    end = os.times().elapsed + 0.03
    while os.times().elapsed < end:
        pass


@remote
def slow() -> int:
    spend()
    return os.getpid()


def names(events: list[dict[str, Any]], **wanted: Any) -> list[str]:
    return [e["name"].rpartition(".")[2] for e in events if wanted.items() <= e.items()]


def test_what_took_long_is_there_and_the_rest_if_it_is_recorded(recorded: bool) -> None:
    pid = get(slow.remote(), timeout=LIMIT)
    get([quick.remote() for _ in range(50)], timeout=LIMIT)
    events = timeline()
    assert events is not None
    assert "slow" in names(events, ph="X", pid=pid)
    ways = names(events, ph="b", pid=os.getpid())
    assert ("queued" in ways) is recorded
    if recorded:
        bodies = names(events, ph="X", cat="task")
        assert sorted(bodies) == ["quick"] * 50 + ["slow"]
        assert len([e for e in events if e["ph"] == "f"]) == 51


def test_the_file_holds_the_same(recorded: bool, tmp_path: Path) -> None:
    get(quick.remote(quick.remote()), timeout=LIMIT)
    assert timeline(tmp_path / "trace.json") is None
    events = json.loads((tmp_path / "trace.json").read_text())
    assert {event["pid"] for event in events} >= {os.getpid()}


class Clerk:
    def work(self) -> int:
        spend()
        return os.getpid()


def test_what_an_actor_ran_is_known_after_it_has_ended(recorded: bool) -> None:
    pid = get(remote(Clerk).remote().work.remote(), timeout=LIMIT)  # its only handle is gone by then
    assert ended(pid)
    assert "work" in names(timeline() or [], ph="X", pid=pid)

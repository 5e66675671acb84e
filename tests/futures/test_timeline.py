"""A timeline of what really ran."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import alula
from alula.errors import ActorDiedError
from alula.futures import get, kill, remote, timeline
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


class Desk:
    def work(self, *inputs: Any) -> int:
        return os.getpid()


@pytest.mark.parametrize("most", [1, 2])
def test_the_way_of_a_call_is_like_that_of_a_task(recorded: bool, most: int) -> None:
    desk = remote(Desk).options(max_concurrency=most).remote()
    pid = get(desk.work.remote(slow.remote()), timeout=LIMIT)
    get([desk.work.remote() for _ in range(20)], timeout=LIMIT)
    events = timeline() or []
    if not recorded:
        assert "waiting for inputs" not in names(events, ph="b", pid=os.getpid())
        return
    assert sorted(names(events, ph="X", cat="task", pid=pid)) == ["__init__"] + ["work"] * 21
    ways: dict[str, list[tuple[str, float]]] = {}
    for event in events:
        if event.get("cat") == "way" and event["ph"] == "b" and event["pid"] == os.getpid():
            ways.setdefault(event["id"], []).append((event["name"], event["ts"]))
    calls = [way for way in ways.values() if way[0][0].endswith("Desk.work")]
    assert len(calls) == 21
    [_, waiting, queued, sent] = calls[0]
    assert [waiting[0], queued[0], sent[0]] == ["waiting for inputs", "queued", "being sent"]
    assert queued[1] - waiting[1] > 0.02e6, "it waited for the slow one"
    assert len([event for event in events if event["ph"] == "f" and event["pid"] == pid]) == 22


def test_a_call_that_fails_with_its_actor_has_a_way(recorded: bool) -> None:
    desk = remote(Desk).remote()
    late = desk.work.options(name="late").remote(slow.remote())
    kill(desk)
    with pytest.raises(ActorDiedError):
        get(late, timeout=LIMIT)
    assert names(timeline() or [], ph="e", name="late") == ["late"] * recorded


class Clerk:
    def work(self) -> int:
        spend()
        return os.getpid()


def test_what_an_actor_ran_is_known_after_it_has_ended(recorded: bool) -> None:
    pid = get(remote(Clerk).remote().work.remote(), timeout=LIMIT)  # its only handle is gone by then
    assert ended(pid)
    assert "work" in names(timeline() or [], ph="X", pid=pid)

"""An executor that is kept at work: by news, as far as it has room, and whatever goes wrong meanwhile."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from alula import workflow
from alula._core._settings import Settings
from alula.errors import NodeDiedError
from alula.futures import Engine, current
from alula.graph import Graph, Node
from alula.testing import Turnstile
from alula.workflow import Claims, Executor, Handle, Search
from tests.workflow.bodies import add, held

Queued = Callable[[Node[Any]], Handle[Any]]

NEVER = 3600.0  # seconds: who looks so seldom must be woken


@pytest.fixture
def taker(home: Path) -> Iterator[Executor]:
    with Executor.open(Settings.load(), claims=True) as executor:
        yield executor


@pytest.fixture
def queued(taker: Executor) -> Iterator[Queued]:
    with Executor.open(Settings.load()) as client:
        yield lambda node: client.submit(Graph.of(node), where="queue")


def test_what_is_queued_is_claimed_at_the_ring_of_the_bell(taker: Executor, queued: Queued) -> None:
    with Claims(taker, room=2, look=NEVER):
        handles = [queued(add.bind(n)) for n in range(3)]
        assert [handle.result(150) for handle in handles] == [0, 1, 2]


def test_what_waited_before_is_claimed_at_the_start(taker: Executor, queued: Queued) -> None:
    handle = queued(add.bind(1))
    with Claims(taker, room=2, look=NEVER):
        assert handle.result(150) == 1


def test_what_there_is_no_room_for_is_left_to_others(
    taker: Executor, queued: Queued, turnstile: Turnstile
) -> None:
    handles = [queued(held.bind(turnstile, n)) for n in range(5)]
    with Claims(taker, room=2, look=NEVER), Executor.open(Settings.load(), claims=True) as other:
        turnstile.arrived()
        turnstile.arrived()
        assert len(other.claim(5)) == 3
        turnstile.let()
        assert [handle.result(150) for handle in handles] == list(range(5))


def test_the_end_of_a_task_makes_room_for_the_next(
    taker: Executor, queued: Queued, turnstile: Turnstile
) -> None:
    handles = [queued(held.bind(turnstile, n)) for n in range(5)]
    with Claims(taker, room=1, look=NEVER):
        turnstile.let()
        assert [handle.result(150) for handle in handles] == list(range(5))


def test_workflows_that_wait_take_no_room(taker: Executor, queued: Queued) -> None:
    for _ in range(3):
        queued(workflow.wait_for_signal("never"))
    last = queued(workflow.wait_for_signal("go"))
    with Claims(taker, room=1, look=NEVER):
        taker.signal(last.id, "go", "gone")
        assert last.result(150) == "gone"
        for id_, _ in taker.records.list(Search(statuses=frozenset({workflow.RUNNING}))):
            taker.cancel(id_)


def test_nothing_is_claimed_after_the_close(taker: Executor, queued: Queued) -> None:
    with Claims(taker, room=1, look=NEVER):
        assert queued(add.bind(1)).result(150) == 1
    assert queued(add.bind(1)).status == "PENDING"


def test_what_fails_is_said_once_and_tried_again(
    home: Path, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    failures: Queue[NodeDiedError] = Queue()
    for _ in range(3):
        failures.put(NodeDiedError("a bad start"))

    def engine_later() -> Engine:
        if not failures.empty():
            raise failures.get()
        return current()

    with (
        Executor.open(Settings.load(), claims=True, engine=engine_later) as executor,
        caplog.at_level(logging.ERROR, "alula.workflow"),
        Claims(executor, room=1, look=0.001),
        Executor.open(Settings.load()) as client,
    ):
        assert client.submit(Graph.of(add.bind(1)), where="queue").result(150) == 1
    [said] = caplog.records
    assert "cannot claim" in said.getMessage()
    assert "a bad start" in said.getMessage()

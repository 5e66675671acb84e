"""What goes on in a store is told at a glance: who runs what, what waits for whom, how fast tasks end."""

import pytest

from alula import workflow
from alula.graph import Graph
from alula.store import Store
from alula.testing import Turnstile
from alula.workflow import Executor, pulse
from tests.conftest import Open
from tests.postgres import ON_BOTH
from tests.workflow.bodies import add, held


@ON_BOTH
def test_what_runs_and_what_waits_is_counted(open_executor: Open, store: Store, turnstile: Turnstile) -> None:
    executor: Executor = open_executor(name="here")
    held_one = executor.submit(Graph.of(held.bind(turnstile)), id="runs", where="here")
    turnstile.arrived()
    for i in range(2):
        executor.submit(Graph.of(add.bind(i)), id=f"w{i}", labels=["gpu"], where="queue", quiet=True)
    taker: Executor = open_executor(name="taker", labels=["cpu", "gpu"], claims=True)
    beat = pulse(store)
    assert {info.name: info.claims for info in beat.executors} == {"here": False, "taker": True}
    assert beat.running == {"here": 1, "taker": 0}
    [waiting] = beat.waiting
    assert (waiting.labels, waiting.count, waiting.takers) == (("gpu",), 2, ("taker",))
    assert 0 <= waiting.oldest < 60
    turnstile.let()
    held_one.result(150)
    assert sum(pulse(store).ended) == 1
    assert taker.claim(2)


@ON_BOTH
def test_tasks_are_counted_in_the_step_in_which_they_ended(open_executor: Open, store: Store) -> None:
    executor: Executor = open_executor()
    executor.submit(Graph.of(add.bind(add.bind(1), 2)), id="w", where="here").result(150)
    beat = pulse(store, window=1000, steps=10)
    assert beat.ended == (0,) * 9 + (2,)
    assert (beat.step, beat.rate) == pytest.approx((100, 2 / 1000))


def test_of_very_many_the_newest_tell_the_rate(
    open_executor: Open, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alula.workflow._pulse._NEWEST", 2)
    executor: Executor = open_executor()
    for i in range(4):
        executor.submit(Graph.of(add.bind(i)), id=f"w{i}", where="here").result(150)
    created = executor.records.describe("w1").created
    beat = pulse(store)
    assert beat.since == pytest.approx(min(created, beat.now - 1))
    assert sum(beat.ended) == 2


def test_an_empty_store_has_a_pulse_of_none(store: Store) -> None:
    beat = pulse(store)
    assert (beat.executors, beat.waiting, beat.rate) == ((), (), 0)
    assert len(beat.ended) == 60


def test_its_words_are_public() -> None:
    assert {"Pulse", "Waiting", "pulse"} <= set(workflow.__all__)

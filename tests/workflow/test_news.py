"""Who only looks on hears of news, and sees of which workflow it is."""

from queue import Queue

import pytest

from alula.errors import WorkflowNotFoundError
from alula.graph import Graph
from alula.store import Store
from alula.testing import Turnstile
from alula.workflow import Executor, attend, listen
from tests.conftest import Open
from tests.faults.processes import eventually
from tests.workflow.bodies import add, held


def test_an_end_and_what_is_put_into_the_queue_are_news(open_executor: Open, store: Store) -> None:
    rings: Queue[None] = Queue()
    stop = listen(store, lambda: rings.put(None))
    executor: Executor = open_executor()
    executor.submit(Graph.of(add.bind(1)), id="w", where="here").result(150)
    rings.get(timeout=150)
    executor.submit(Graph.of(add.bind(1)), id="q", where="queue", quiet=True)
    rings.get(timeout=150)
    stop()


def test_each_record_of_what_is_attended_to_rings(
    open_executor: Open, store: Store, turnstile: Turnstile
) -> None:
    rings: Queue[None] = Queue()
    executor: Executor = open_executor()
    handle = executor.submit(Graph.of(add.bind(held.bind(turnstile, 1), 1)), id="w", where="here")
    turnstile.arrived()
    before = attend(store, "w")
    assert attend(store, "w") == before
    assert eventually(lambda: executor._runs._followed.wanted)
    stop = listen(store, lambda: rings.put(None))
    turnstile.let()
    rings.get(timeout=150)
    handle.result(150)
    assert attend(store, "w") != before
    stop()


def test_there_is_no_news_of_what_there_is_not(store: Store) -> None:
    with pytest.raises(WorkflowNotFoundError):
        attend(store, "w")

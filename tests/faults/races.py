"""Executors that want the same workflow at the same moment."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from alula.graph import Graph
from alula.workflow import Executor
from tests.workflow.bodies import Tally, noted


def race_for_ids(executors: Sequence[Executor], tally: Tally, times: int) -> None:
    """Let all submit a workflow of one id, so many times: one runs it, the others hear of that."""
    barrier = Barrier(len(executors))

    def submit(executor: Executor, name: str) -> Any:
        barrier.wait()
        try:
            return executor.submit(Graph.of(noted.bind(tally, name, 1)), id=name).result(150)
        except RuntimeError as error:
            return str(error)

    with ThreadPoolExecutor(len(executors)) as pool:
        for n in range(times):
            answers = list(pool.map(submit, executors, [f"w{n}"] * len(executors)))
            assert 2 in answers
            assert all(each == 2 or "wait for it, or cancel it" in each for each in answers)
    assert tally.counts() == {f"w{n}": 1 for n in range(times)}

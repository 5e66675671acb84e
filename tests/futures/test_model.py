"""Random programs give what a model of ten lines says, none of them hangs, and nothing is left of them."""

import gc
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

import alula
from alula._core._runtime import runtime_folder
from alula.futures import current
from alula.futures._embedded._memory import here
from alula.futures._sessions import _ask
from tests.faults.processes import ended, eventually, rows, segments
from tests.futures.model import Programs

# Programs start processes and wait for them: their time says nothing.
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _pending() -> dict[int, dict[str, int]]:
    """What the processes of our session still have to do, as the node process is told by each."""
    works: dict[int, dict[str, int]] = {}
    for window in (runtime_folder() / "sessions").glob(f"{os.getpid()}-*"):
        for each in (_ask(window) or {"processes": ()})["processes"]:
            works[each["pid"]] = {name: each.get(name, 1) for name in ("waiting", "queued", "sent", "calls")}
    return {pid: counts for pid, counts in works.items() if any(counts.values())}


class EmbeddedPrograms(Programs):
    """On the embedded engine workers may be killed, and all tables and descriptors can be seen."""

    def workers(self) -> list[int]:
        """Give the children of the node process."""
        engine: Any = current()
        return _children(engine._node.pid)

    def teardown(self) -> None:
        """Look at all that is left, let go of it, and see that it goes."""
        super().teardown()
        gc.collect()  # errors that were caught hold frames, and those what they were about
        engine: Any = current()
        assert eventually(lambda: not rows(engine)), (rows(engine), self.story)
        assert eventually(lambda: not _pending()), (_pending(), self.story)
        assert eventually(self._is_empty), (self._held_segments(), self.story)

    def _is_empty(self) -> bool:
        """Whether no process holds memory, once all were asked to keep nothing warm."""
        engine: Any = current()
        here.shrink()
        with engine.lock:
            engine.tell_node(("shortage",))
        return not any(self._held_segments().values())

    def _held_segments(self) -> dict[int, int]:
        engine: Any = current()
        return {pid: segments(pid) for pid in (os.getpid(), engine._node.pid, *self.workers())}


def _run(machine: type[RuleBasedStateMachine], programs: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=programs,
            stateful_step_count=steps,
            suppress_health_check=_SLOW,
            phases=[Phase.generate],  # to make a program that hangs smaller takes longer than to read it
            derandomize=True,
        ),
    )


@pytest.mark.timeout(300)
def test_programs_on_the_embedded_engine() -> None:
    alula.init(num_cpus=2)
    engine: Any = current()
    try:
        _run(EmbeddedPrograms, programs=8, steps=25)
        pids = [engine._node.pid, *_children(engine._node.pid)]
    finally:
        alula.shutdown()
    assert all(map(ended, pids))
    assert not segments()


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("ray_is_installed")
def test_programs_on_ray() -> None:
    alula.init(engine="ray", num_cpus=2)
    try:
        _run(Programs, programs=3, steps=12)
    finally:
        alula.shutdown()

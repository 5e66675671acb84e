"""`cancel`, and what the engine says of itself."""

from typing import Any

import pytest

from ...errors import TaskCancelledError
from ...futures import Engine, cancel, cluster_resources, get, is_initialized, nodes, put, remote
from .._turnstile import Turnstile
from ._part import Notes, Part, value
from ._values import echo, hold

__all__ = ["Cancels", "Clusters"]


@remote
def noted(notes: Notes, *inputs: Any) -> int:
    """Leave a line."""
    return notes.add()


@remote
def stubborn(notes: Notes, turnstile: Turnstile) -> None:
    """Wait for ever; leave a line at the beginning and another when interrupted."""
    notes.add("begun")
    try:
        turnstile.wait()
    except KeyboardInterrupt:
        notes.add("interrupted")
        raise


class Cancels(Part):
    """`cancel`."""

    def test_a_task_that_waits_for_its_input_never_runs(self, turnstile: Turnstile, notes: Notes) -> None:
        ref = noted.remote(notes, hold.remote(turnstile))
        cancel(ref)
        turnstile.let()
        with pytest.raises(TaskCancelledError, match="noted"):
            value(ref)
        assert notes.lines == []

    def test_a_task_that_waits_for_a_worker_never_runs(self, turnstile: Turnstile, notes: Notes) -> None:
        everything = hold.options(num_cpus=cluster_resources()["CPU"]).remote(turnstile)
        turnstile.arrived()
        ref = noted.remote(notes)
        cancel(ref)
        with pytest.raises(TaskCancelledError):
            value(ref)
        turnstile.let()
        value(everything)
        assert notes.lines == []

    def test_a_running_task_is_interrupted(self, turnstile: Turnstile, notes: Notes) -> None:
        ref = stubborn.remote(notes, turnstile)
        turnstile.arrived()
        cancel(ref)
        with pytest.raises(TaskCancelledError, match="stubborn"):
            value(ref)
        assert notes.lines == ["begun", "interrupted"]

    def test_by_force_its_process_is_ended_and_it_is_not_retried(
        self, turnstile: Turnstile, notes: Notes
    ) -> None:
        ref = stubborn.remote(notes, turnstile)
        turnstile.arrived()
        cancel(ref, force=True)
        with pytest.raises(TaskCancelledError):
            value(ref)
        assert value(echo.remote("on we go")) == "on we go"
        assert notes.lines == ["begun"]

    def test_what_needs_a_cancelled_task_is_cancelled_too(self, turnstile: Turnstile, notes: Notes) -> None:
        first = hold.remote(turnstile)
        second = noted.remote(notes, first)
        turnstile.arrived()
        cancel(first)
        with pytest.raises(TaskCancelledError):
            value(second)
        assert notes.lines == []

    def test_a_finished_task_keeps_its_value(self) -> None:
        ref = echo.remote(7)
        value(ref)
        cancel(ref)
        cancel(ref, force=True)
        assert value(ref) == 7

    def test_what_was_put_stays(self) -> None:
        ref = put(7)
        cancel(ref)
        assert value(ref) == 7

    def test_cancelling_twice_is_cancelling_once(self, turnstile: Turnstile) -> None:
        ref = hold.remote(turnstile)
        turnstile.arrived()
        cancel(ref)
        cancel(ref)
        with pytest.raises(TaskCancelledError):
            value(ref)

    def test_the_children_are_cancelled_with_their_parent(self, turnstile: Turnstile, notes: Notes) -> None:
        parent = remote(lambda notes, turnstile: get(stubborn.remote(notes, turnstile)))
        ref = parent.remote(notes, turnstile)
        turnstile.arrived()
        cancel(ref)
        with pytest.raises(TaskCancelledError):
            value(ref)
        assert value(noted.options(num_cpus=cluster_resources()["CPU"]).remote(notes)) == 3
        assert notes.lines == ["begun", "interrupted", "ran"]

    def test_a_task_that_interrupts_itself_looks_like_a_cancelled_one(self) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        with pytest.raises(TaskCancelledError, match="interrupt"):
            value(remote(interrupt).remote())

    def test_whoever_was_given_a_reference_may_cancel_its_task(self, turnstile: Turnstile) -> None:
        ref = hold.remote(turnstile)
        turnstile.arrived()
        value(remote(lambda refs: cancel(refs[0])).remote([ref]))
        with pytest.raises(TaskCancelledError):
            value(ref)

    def test_anything_but_a_reference_is_refused(self) -> None:
        with pytest.raises(TypeError, match="ObjectRef"):
            cancel(1)  # type: ignore[arg-type]  # the mistake is the point


class Clusters(Part):
    """What there is to run on."""

    def test_there_are_cores(self) -> None:
        assert cluster_resources()["CPU"] >= 1

    def test_the_machines_are_known(self) -> None:
        assert any(node["Alive"] and node["NodeID"] and node["Resources"]["CPU"] for node in nodes())

    def test_a_snapshot_has_all_resources(self, engine: Engine) -> None:
        cluster = engine.cluster()
        assert set(cluster.available) == set(cluster.total)
        assert all(0 <= cluster.available[name] <= cluster.total[name] for name in cluster.total)

    def test_it_is_running(self) -> None:
        assert is_initialized()

    def test_no_more_tasks_run_at_once_than_there_are_cores(self, turnstile: Turnstile, notes: Notes) -> None:
        cores = int(cluster_resources()["CPU"])
        refs = [hold.remote(turnstile, i) for i in range(cores)]
        for _ in refs:
            turnstile.arrived()
        last = noted.remote(notes)
        free = noted.options(num_cpus=0).remote(notes)
        assert value(free) == 1
        turnstile.let()
        assert value(last) == 2

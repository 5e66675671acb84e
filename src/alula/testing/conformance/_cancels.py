"""`cancel`, and what the engine says of itself."""

import asyncio
from typing import Any

import pytest

from ...errors import TaskCancelledError
from ...futures import ActorHandle, Engine, cancel, cluster_resources, get, is_initialized, nodes, put, remote
from .._turnstile import Turnstile
from ._part import LIMIT, Notes, Part, needs, value
from ._values import echo, hold

__all__ = ["CancelledCalls", "Cancels", "Clusters"]


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


class Desk:
    """An actor of which tasks ask something."""

    def note(self, notes: Notes, *inputs: Any) -> int:
        """Leave a line."""
        return notes.add()

    def wait(self, turnstile: Turnstile, notes: Notes) -> None:
        """Stop until the test lets it through; leave a line then."""
        turnstile.wait()
        notes.add("through")


class Bell:
    """An actor whose calls are coroutines."""

    async def wait(self, notes: Notes) -> None:
        """Wait for ever; leave a line at the beginning and another at the end."""
        notes.add("begun")
        try:
            await asyncio.Event().wait()
        finally:
            notes.add("cancelled")

    async def relay(self, other: ActorHandle, notes: Notes) -> None:
        """Have another one wait."""
        await other.wait.remote(notes)


@remote
def ask(actor: ActorHandle, name: str, args: list[Any], notes: Notes) -> Any:
    """Call a method; leave a line when that was sent, and wait for what it gives."""
    ref = getattr(actor, name).remote(*args)
    notes.add("asked")
    return get(ref)


class CancelledCalls(Part):
    """Calls of actors that a cancelled task has made."""

    def test_a_coroutine_is_cancelled_with_the_task_that_called_it(self, notes: Notes) -> None:
        bell = remote(Bell).remote()
        ref = ask.remote(bell, "wait", [notes], notes)
        notes.wait_for("begun")
        notes.wait_for("asked")
        cancel(ref)
        with pytest.raises(TaskCancelledError, match="ask"):
            value(ref)
        notes.wait_for("cancelled")

    def test_a_coroutine_stays_if_only_the_task_is_to_end(self, notes: Notes) -> None:
        bell = remote(Bell).remote()
        ref = ask.remote(bell, "wait", [notes], notes)
        notes.wait_for("begun")
        notes.wait_for("asked")
        cancel(ref, recursive=False)
        with pytest.raises(TaskCancelledError, match="ask"):
            value(ref)
        other = bell.wait.remote(notes)
        notes.wait_for("begun", 2)
        assert "cancelled" not in notes.lines
        cancel(other)

    def test_a_call_that_waits_for_its_turn_never_runs(
        self, engine: Engine, turnstile: Turnstile, notes: Notes
    ) -> None:
        needs(engine, "withdrawing")
        desk = remote(Desk).options(max_concurrency=2).remote()
        busy = [desk.wait.remote(turnstile, notes) for _ in range(2)]
        for _ in busy:
            turnstile.arrived()
        ref = ask.remote(desk, "note", [notes], notes)
        notes.wait_for("asked")
        cancel(ref)
        with pytest.raises(TaskCancelledError, match="ask"):
            value(ref)
        turnstile.let()
        get(busy, timeout=LIMIT)
        assert value(desk.note.remote(notes)) == 4, "only what we have asked for ourselves"

    def test_a_call_that_waits_for_its_input_never_runs(self, turnstile: Turnstile, notes: Notes) -> None:
        desk = remote(Desk).remote()
        late = hold.options(num_cpus=0).remote(turnstile)
        turnstile.arrived()
        call = remote(lambda desk, notes, late: get([desk.note.remote(notes, *late), notes.add("asked")][0]))
        ref = call.remote(desk, notes, [late])
        notes.wait_for("asked")
        cancel(ref)
        with pytest.raises(TaskCancelledError):
            value(ref)
        turnstile.let()
        value(late)
        assert value(desk.note.remote(notes)) == 2

    def test_a_call_that_runs_in_a_plain_actor_is_left(self, turnstile: Turnstile, notes: Notes) -> None:
        desk = remote(Desk).remote()
        ref = ask.remote(desk, "wait", [turnstile, notes], notes)
        turnstile.arrived()
        cancel(ref)
        with pytest.raises(TaskCancelledError, match="ask"):
            value(ref)
        turnstile.let()
        value(desk.note.remote(notes))
        assert notes.lines[-2:] == ["through", "ran"]

    def test_a_coroutine_is_cancelled_with_the_coroutine_that_called_it(self, notes: Notes) -> None:
        first, second = remote(Bell).remote(), remote(Bell).remote()
        ref = first.relay.remote(second, notes)
        notes.wait_for("begun")
        cancel(ref)
        with pytest.raises(TaskCancelledError):
            value(ref)
        notes.wait_for("cancelled")

    def test_a_coroutine_is_cancelled_with_the_tree_that_it_is_a_leaf_of(self, notes: Notes) -> None:
        bell = remote(Bell).remote()
        above = remote(lambda bell, notes: get(ask.remote(bell, "wait", [notes], notes)))
        ref = above.remote(bell, notes)
        notes.wait_for("begun")
        notes.wait_for("asked")
        cancel(ref)
        with pytest.raises(TaskCancelledError):
            value(ref)
        notes.wait_for("cancelled")


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

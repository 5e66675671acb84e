"""Calls of one actor that run at once: threads, coroutines, groups."""

import asyncio
import threading
import warnings
from contextlib import suppress
from typing import Any

import pytest

from ...errors import PendingCallsLimitExceeded, TaskCancelledError
from ...futures import cancel, get, get_runtime_context, method, remote
from .._turnstile import Turnstile
from ._part import LIMIT, Notes, Part, value
from ._values import echo, hold

__all__ = ["Coroutines", "Groups", "Threads"]


class Meeting:
    """Where calls wait for one another."""

    def __init__(self, size: int) -> None:
        self.all = threading.Barrier(size)

    def come(self) -> int:
        """Wait for the others."""
        return self.all.wait(LIMIT)

    def wait(self, turnstile: Turnstile) -> str:
        """Stop until the test lets it through."""
        turnstile.wait()
        return "through"

    def wait_for_cancel(self, notes: Notes, line: str) -> str:
        """Go on until it is cancelled."""
        notes.add(line)
        canceled = get_runtime_context().is_canceled
        while not canceled():
            threading.Event().wait(0.001)
        notes.add(f"{line}: {canceled()}")
        return "cancelled"


class Hall:
    """Where coroutines meet."""

    def __init__(self, notes: Notes | None = None) -> None:
        self.notes = notes
        self.inside = self.most = 0
        self.open = asyncio.Event()

    async def come(self, size: int) -> int:
        """Wait until so many are here; gives how many there were at most."""
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside == size:
            self.open.set()
        await self.open.wait()
        self.inside -= 1
        return self.most

    async def stay(self) -> None:
        """Wait for ever; leave a note when that ends."""
        assert self.notes is not None
        self.notes.add("begun")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.notes.add("cancelled")
            raise

    def thread(self) -> int:
        """Give the thread that runs this."""
        return threading.get_ident()

    async def loop_s_thread(self) -> int:
        """Give the thread that runs this."""
        return threading.get_ident()

    async def fetch(self, refs: list[Any]) -> list[Any]:
        """Await values."""
        return [await ref for ref in refs] + list(await asyncio.gather(*refs))

    async def get_badly(self, refs: list[Any]) -> tuple[Any, list[str]]:
        """Block the loop, which warns."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return get(refs[0]), [str(warning.message) for warning in caught]


class Threads(Part):
    """Threaded actors."""

    def test_calls_run_at_once_if_there_may_be_several(self) -> None:
        meeting = remote(Meeting).options(max_concurrency=3).remote(3)
        assert sorted(get([meeting.come.remote() for _ in range(3)], timeout=LIMIT)) == [0, 1, 2]

    def test_a_call_that_runs_is_told_that_it_is_cancelled(self, notes: Notes) -> None:
        for most in (1, 2):
            meeting = remote(Meeting).options(max_concurrency=most).remote(1)
            ref = meeting.wait_for_cancel.remote(notes, f"begun {most}")
            notes.wait_for(f"begun {most}")
            cancel(ref)
            notes.wait_for(f"begun {most}: True")
            with suppress(TaskCancelledError):  # some engines keep the value, some do not
                assert value(ref) == "cancelled"

    def test_an_actor_s_call_is_not_cancelled_by_force(self, turnstile: Turnstile) -> None:
        meeting = remote(Meeting).remote(1)
        ref = meeting.wait.remote(turnstile)
        turnstile.arrived()
        with pytest.raises(ValueError, match="force"):
            cancel(ref, force=True)
        turnstile.let()
        assert value(ref) == "through"

    def test_too_many_pending_calls_are_refused(self, turnstile: Turnstile) -> None:
        meeting = remote(Meeting).options(max_pending_calls=3).remote(1)
        refs = [meeting.wait.remote(turnstile)]
        turnstile.arrived()
        with pytest.raises(PendingCallsLimitExceeded, match="3"):
            refs.extend(meeting.come.remote() for _ in range(5))
        turnstile.let()
        get(refs, timeout=LIMIT)
        assert value(meeting.come.remote()) == 0

    def test_a_late_call_is_overtaken_if_order_does_not_matter(self, turnstile: Turnstile) -> None:

        class Echo:
            def give(self, value: Any) -> Any:
                return value

        any_order = remote(Echo).options(allow_out_of_order_execution=True).remote()
        late = any_order.give.remote(hold.remote(turnstile, "late"))
        assert value(any_order.give.remote("early")) == "early"
        turnstile.let()
        assert value(late) == "late"


class Coroutines(Part):
    """Async actors."""

    def test_a_hundred_coroutines_run_at_once(self) -> None:
        hall = remote(Hall).remote()
        assert max(get([hall.come.remote(100) for _ in range(100)], timeout=LIMIT)) == 100

    def test_no_more_than_there_may_be(self) -> None:
        hall = remote(Hall).options(max_concurrency=3).remote()
        assert max(get([hall.come.remote(3) for _ in range(30)], timeout=LIMIT)) == 3

    def test_all_methods_run_in_one_thread(self) -> None:
        hall = remote(Hall).remote()
        threads = get(
            [hall.thread.remote(), hall.loop_s_thread.remote(), hall.thread.remote()], timeout=LIMIT
        )
        assert len(set(threads)) == 1

    def test_references_are_awaited(self) -> None:
        hall = remote(Hall).remote()
        refs = [echo.remote(i) for i in range(5)]
        assert value(hall.fetch.remote(refs)) == [*range(5), *range(5)]

    def test_to_block_the_loop_is_warned_of(self, turnstile: Turnstile) -> None:
        hall = remote(Hall).remote()
        asked = hall.get_badly.remote([hold.remote(turnstile, 7)])
        turnstile.arrived()
        turnstile.let()
        found, said = value(asked)
        assert found == 7
        assert not said or "await" in said[0]

    def test_a_coroutine_that_runs_is_cancelled(self, notes: Notes) -> None:
        hall = remote(Hall).remote(notes)
        ref = hall.stay.remote()
        notes.wait_for("begun")
        cancel(ref)
        with pytest.raises(TaskCancelledError):
            value(ref)
        notes.wait_for("cancelled")
        assert value(hall.come.remote(1)) == 1


class _Grouped:
    """Methods in groups."""

    @method(concurrency_group="io")
    def read(self, turnstile: Turnstile) -> str:
        """Stop until the test lets it through."""
        turnstile.wait()
        return "read"

    @method(concurrency_group="compute")
    def compute(self) -> str:
        """Do nothing for long."""
        return "computed"

    def plain(self) -> str:
        """Be in no group."""
        return "plain"


Grouped = remote(concurrency_groups={"io": 2, "compute": 1})(_Grouped)


class Groups(Part):
    """Concurrency groups."""

    def test_a_blocked_group_blocks_no_other(self, turnstile: Turnstile) -> None:
        grouped = Grouped.remote()
        refs = [grouped.read.remote(turnstile) for _ in range(4)]
        for _ in range(2):
            turnstile.arrived()
        assert value(grouped.compute.remote()) == "computed"
        assert value(grouped.plain.remote()) == "plain"
        turnstile.let()
        assert get(refs, timeout=LIMIT) == ["read"] * 4

    def test_a_call_may_choose_its_group(self, turnstile: Turnstile) -> None:
        grouped = Grouped.remote()
        refs = [grouped.read.options(concurrency_group="compute").remote(turnstile)]
        turnstile.arrived()
        refs.append(grouped.read.remote(turnstile))
        turnstile.arrived()
        assert value(grouped.plain.remote()) == "plain"
        turnstile.let()
        assert get(refs, timeout=LIMIT) == ["read"] * 2

    def test_an_unknown_group_is_refused_with_the_known_ones(self) -> None:
        grouped = Grouped.remote()
        with pytest.raises(ValueError, match="'compute', 'io'"):
            grouped.plain.options(concurrency_group="oi")

    def test_a_method_s_group_must_be_one_of_its_class(self) -> None:
        class Wrong:
            @method(concurrency_group="nowhere")
            def run(self) -> None:
                pass

        with pytest.raises(ValueError, match="nowhere"):
            remote(Wrong)

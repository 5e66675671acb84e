"""What only the embedded engine promises of actors: order, who keeps them alive, what ends with whom."""

import asyncio
import gc
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from alula.errors import ActorDiedError, ActorUnavailableError, GetTimeoutError, TaskCancelledError
from alula.futures import (
    ActorHandle,
    ObjectRef,
    cancel,
    cluster_resources,
    exit_actor,
    get,
    get_actor,
    get_runtime_context,
    kill,
    method,
    put,
    remote,
)
from alula.futures import available_resources as available
from alula.testing import Turnstile
from tests.faults.processes import LIMIT, ended, eventually, lines, note

pytestmark = pytest.mark.usefixtures("engine")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Cell:
    def __init__(self, kept: Any = None) -> None:
        self.kept = kept

    def keep(self, kept: Any) -> None:
        self.kept = kept

    def give(self) -> Any:
        return self.kept

    def pid(self) -> int:
        return os.getpid()

    def hold(self, turnstile: Turnstile) -> int:
        turnstile.wait()
        return os.getpid()

    def die(self) -> None:
        die()

    def me(self) -> list[ActorHandle]:
        return [get_runtime_context().current_actor]

    def make(self, cls: Any, *args: Any) -> list[ActorHandle]:
        return [cls.remote(*args)]

    def leave(self) -> None:
        exit_actor()


Celled = remote(Cell)


def value(ref: ObjectRef[Any]) -> Any:
    return get(ref, timeout=LIMIT)


# ----------------------------------------------------------------------------------------- restarts


class Steps:
    def __init__(self, path: Path) -> None:
        self.path = path

    def step(self, name: int) -> int:
        note(self.path, name)
        return name

    def die_once(self, name: int) -> int:
        again = str(name) in lines(self.path)
        note(self.path, name)
        if not again:
            die()
        return name


def test_calls_are_sent_again_in_their_order_before_later_ones(tmp_path: Path) -> None:
    path = tmp_path / "steps"
    path.touch()
    steps = remote(Steps).options(max_restarts=1, max_task_retries=1).remote(path)
    refs = [steps.step.remote(0), steps.die_once.remote(100), *map(steps.step.remote, range(1, 9))]
    assert get(refs, timeout=LIMIT) == [0, 100, *range(1, 9)]
    noted = lines(path)
    assert noted[noted.index("100") + 1 :][-9:] == ["100", *map(str, range(1, 9))]


def test_calls_in_flight_are_not_sent_again_unasked(turnstile: Turnstile) -> None:
    cell = Celled.options(max_restarts=1).remote(5)
    refs = [cell.hold.remote(turnstile)]
    turnstile.arrived()
    kill(cell, no_restart=False)
    with pytest.raises(ActorUnavailableError, match="may or may not have run"):
        value(refs[0])
    assert value(cell.give.remote()) == 5


def test_all_callers_find_the_new_process() -> None:
    cell = Celled.options(max_restarts=1, max_task_retries=-1).remote(5)

    class Caller:
        def __init__(self, cell: list[ActorHandle]) -> None:
            self.cell = cell[0]

        def ask(self) -> Any:
            return value(self.cell.pid.remote())

    callers = [remote(Caller).remote([cell]) for _ in range(3)]
    [before] = set(get([caller.ask.remote() for caller in callers], timeout=LIMIT))
    kill(cell, no_restart=False)
    assert ended(before)
    [after] = set(get([caller.ask.remote() for caller in callers], timeout=LIMIT))
    assert after == value(cell.pid.remote()) != before


def test_an_actor_that_dies_while_it_is_made_is_made_again(tmp_path: Path) -> None:
    class Fragile:
        def __init__(self, path: Path, given: bytes) -> None:
            self.given = given
            note(path, "made")
            if len(lines(path)) < 3:
                die()

        def size(self) -> int:
            return len(self.given)

    fragile = remote(Fragile).options(max_restarts=2).remote(tmp_path / "made", put(bytes(1_000_000)))
    assert value(fragile.size.remote()) == 1_000_000
    again = remote(Fragile).options(max_restarts=0).remote(tmp_path / "other", b"")
    with pytest.raises(ActorDiedError, match="SIGKILL"):
        value(again.size.remote())


def test_a_cancelled_call_is_not_sent_again(turnstile: Turnstile) -> None:
    cell = Celled.options(max_restarts=1, max_task_retries=-1).remote(5)
    ref = cell.hold.remote(turnstile)
    turnstile.arrived()
    cancel(ref)
    kill(cell, no_restart=False)
    with pytest.raises(TaskCancelledError):
        value(ref)
    assert value(cell.give.remote()) == 5


# -------------------------------------------------------------------------------------------- ends


def test_an_actor_ends_with_the_process_that_made_it() -> None:
    maker = Celled.remote()
    [made] = value(maker.make.remote(Celled, 1))
    pid = value(made.pid.remote())
    kill(maker)
    assert ended(pid)
    with pytest.raises(ActorDiedError, match="made it"):
        value(made.pid.remote())


def test_a_detached_one_does_not() -> None:
    maker = Celled.remote()
    [made] = value(maker.make.remote(Celled.options(lifetime="detached", name="stays"), 1))
    pid = value(made.pid.remote())
    kill(maker)
    del made
    assert value(get_actor("stays").pid.remote()) == pid
    kill(get_actor("stays"))


def test_a_dead_process_holds_no_actor() -> None:
    holder, cell = Celled.remote(), Celled.remote()
    value(holder.keep.remote([cell]))
    pid = value(cell.pid.remote())
    del cell
    assert value(holder.give.remote())[0].pid.remote() is not None
    kill(holder)
    assert ended(pid)


def test_a_handle_that_was_pickled_elsewhere_is_held_for_good() -> None:
    cell = Celled.remote(3)
    pickled = cloudpickle.dumps(cell)
    del cell
    gc.collect()
    assert value(cloudpickle.loads(pickled).give.remote()) == 3


def test_a_function_that_captures_a_handle_holds_the_actor() -> None:
    def capturing(cell: Any) -> Any:
        return remote(lambda: value(cell.give.remote()))

    ask = capturing(Celled.remote(3))
    gc.collect()
    assert [value(ask.remote()) for _ in range(2)] == [3, 3]


def test_the_handle_of_oneself_keeps_nobody_alive() -> None:
    cell = Celled.remote()
    pid = value(cell.pid.remote())
    [me] = value(cell.me.remote())
    value(cell.keep.remote([me]))
    del cell
    assert value(me.pid.remote()) == pid
    del me
    assert ended(pid)


def test_an_actor_that_cannot_be_made_holds_nothing() -> None:
    class Stillborn:
        def __init__(self) -> None:
            raise ValueError("not today")

        def live(self) -> None:
            pass

    all_cores = cluster_resources()["CPU"]
    stillborn = remote(Stillborn).options(num_cpus=all_cores, name="stillborn").remote()
    with pytest.raises(ActorDiedError, match="not today") as caught:
        value(stillborn.live.remote())
    assert isinstance(caught.value.__cause__, ValueError)
    assert eventually(lambda: available()["CPU"] == all_cores)
    with pytest.raises(ValueError, match="stillborn"):
        get_actor("stillborn")


def test_one_who_leaves_says_so_and_is_not_started_again() -> None:
    cell = Celled.options(max_restarts=-1, name="leaver").remote()
    refs = [cell.leave.remote(), cell.pid.remote()]
    for ref in (*refs, cell.pid.remote()):
        with pytest.raises(ActorDiedError, match="exit_actor"):
            value(ref)
    with pytest.raises(ValueError, match="leaver"):
        get_actor("leaver")


def test_what_an_actor_lent_is_given_before_it_ends(turnstile: Turnstile) -> None:
    @remote(num_cpus=0)
    def late(turnstile: Turnstile) -> int:
        turnstile.wait()
        return 7

    class Lender:
        def start(self, turnstile: Turnstile) -> list[ObjectRef[int]]:
            return [late.remote(turnstile)]

    lender = remote(Lender).remote()
    [ref] = value(lender.start.remote(turnstile))
    del lender
    turnstile.arrived()
    turnstile.let()
    assert value(ref) == 7


# --------------------------------------------------------------------------------------- coroutines


class Hall:
    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.open = asyncio.Event()

    async def stay(self) -> None:
        assert self.path is not None
        note(self.path, "begun")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            note(self.path, "cancelled")
            raise

    async def await_stay(self, other: list[ActorHandle]) -> None:
        await other[0].stay.remote()

    @method(concurrency_group="io")
    async def read(self) -> str:
        await self.open.wait()
        return "read"

    async def let(self) -> str:
        self.open.set()
        return "let"

    async def blocked(self, refs: list[ObjectRef[Any]]) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with pytest.raises(GetTimeoutError):
                get(refs[0], timeout=0)
        return [f"{Path(w.filename).name}: {w.message}" for w in caught]


Halls = remote(concurrency_groups={"io": 2})(Hall)


def begun(path: Path) -> bool:
    return path.exists() and "begun" in lines(path)


def test_coroutines_have_groups_too() -> None:
    hall = Halls.remote()
    refs = [hall.read.remote() for _ in range(5)]
    assert value(hall.let.remote()) == "let"
    assert get(refs, timeout=LIMIT) == ["read"] * 5


def test_whom_nobody_awaits_any_more_is_cancelled_too(tmp_path: Path) -> None:
    hall, other = Halls.remote(), Halls.remote(tmp_path / "notes")
    ref = hall.await_stay.remote([other])
    assert eventually(lambda: begun(tmp_path / "notes"))
    cancel(ref, recursive=False)
    with pytest.raises(TaskCancelledError):
        value(ref)
    assert eventually(lambda: "cancelled" in lines(tmp_path / "notes"))


def test_also_in_the_event_loop_of_the_driver(tmp_path: Path) -> None:
    hall = Halls.remote(tmp_path / "notes")

    async def give_up() -> None:
        task = asyncio.ensure_future(_awaited(hall.stay.remote()))
        while not begun(tmp_path / "notes"):  # noqa: ASYNC110  # the other process writes a file
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert eventually(lambda: "cancelled" in lines(tmp_path / "notes"))


async def _awaited(ref: ObjectRef[Any]) -> Any:
    return await ref


def test_a_coroutine_that_waits_for_its_turn_never_runs(tmp_path: Path) -> None:
    hall = Halls.options(max_concurrency=1).remote(tmp_path / "notes")
    first, second = hall.stay.remote(), hall.stay.remote()
    assert eventually(lambda: begun(tmp_path / "notes"))
    for ref in (second, first):
        cancel(ref)
        with pytest.raises(TaskCancelledError):
            value(ref)
    assert value(hall.let.remote()) == "let"
    assert lines(tmp_path / "notes") == ["begun", "cancelled"]


def test_whoever_blocks_the_loop_is_warned_where_it_stands(turnstile: Turnstile) -> None:
    @remote
    def hold(turnstile: Turnstile) -> None:
        turnstile.wait()

    hall = Halls.remote()
    ref = hold.remote(turnstile)
    turnstile.arrived()
    [warning] = value(hall.blocked.remote([ref]))
    assert warning.startswith("test_actors.py: ")
    assert "await" in warning


def test_a_threaded_call_that_waits_for_its_turn_is_cancelled(turnstile: Turnstile) -> None:
    cell = Celled.options(max_concurrency=2).remote()
    running = [cell.hold.remote(turnstile) for _ in range(2)]
    turnstile.arrived()
    turnstile.arrived()
    queued = cell.pid.remote()
    cancel(queued)
    with pytest.raises(TaskCancelledError):
        value(queued)
    turnstile.let()
    assert len(set(get(running, timeout=LIMIT))) == 1


def test_names_of_actors_hold_one_descriptor_for_each_actor() -> None:
    cell = Celled.remote()
    value(cell.give.remote())
    before = len(os.listdir("/proc/self/fd"))
    copies = [get(put([cell]))[0] for _ in range(20)]
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    del copies


# ------------------------------------------------------------------------------------------ bursts


class Diary:
    def __init__(self) -> None:
        self.days: list[int] = []

    def note(self, day: int) -> int:
        self.days.append(day)
        return day

    def two(self) -> tuple[int, int]:
        return len(self.days), self.days[-1]

    def all(self) -> Iterator[int]:
        yield from self.days

    def fail(self) -> None:
        raise ValueError("a torn page")


def test_calls_of_a_burst_keep_their_order_whatever_they_give() -> None:
    diary = remote(Diary).remote()
    first = [diary.note.remote(i) for i in range(300)]
    pair = diary.two.options(num_returns=2).remote()
    stream: Any = diary.all.remote()
    later = [diary.note.remote(i) for i in range(300, 400)]
    assert get(later) == list(range(300, 400))
    assert get(pair) == [300, 299]
    assert [get(ref) for ref in stream] == list(range(300)) == get(first)


def test_an_error_in_a_burst_is_that_of_its_call_alone() -> None:
    diary = remote(Diary).remote()
    refs = [diary.fail.remote() if i % 50 == 7 else diary.note.remote(i) for i in range(200)]
    for i, ref in enumerate(refs):
        if i % 50 == 7:
            with pytest.raises(ValueError, match="a torn page"):
                get(ref)
        else:
            assert get(ref) == i


def test_calls_that_were_made_before_kill_end_with_the_actor() -> None:
    diary = remote(Diary).remote()
    refs = [diary.note.remote(i) for i in range(300)]
    kill(diary)
    late = diary.note.remote(0)
    with pytest.raises(ActorDiedError):
        get(late)
    for ref in refs:  # each has its value, or its actor's end
        with suppress(ActorDiedError):
            assert get(ref) in range(300)

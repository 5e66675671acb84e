"""What actors of ours are to Ray."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import ray

import alula
from alula.errors import ActorDiedError, ActorUnavailableError, TaskCancelledError
from alula.futures import Engine
from alula.futures._options import MethodOptions
from alula.testing import Turnstile
from alula.testing.conformance._part import LIMIT


def call(actor: Any, method: str, *args: Any, **options: Any) -> Any:
    """Call a method with options that are not said by a decorator."""
    engine = alula.futures.current()
    [ref] = engine.tell(actor._actor, method, args, {}, MethodOptions().merged(options))
    return ref


class Meeting:
    """Two coroutines, of which one waits for the other."""

    def __init__(self) -> None:
        self.came = asyncio.Event()

    async def wait(self) -> int:
        await self.came.wait()
        return id(asyncio.get_running_loop())

    async def come(self) -> int:
        self.came.set()
        return id(asyncio.get_running_loop())

    def loop(self) -> int:
        return id(asyncio.get_running_loop())

    async def pause(self, turnstile: Turnstile) -> None:
        await asyncio.to_thread(turnstile.wait)
        await asyncio.Event().wait()


def test_coroutines_of_an_actor_run_at_once_on_one_loop(engine: Engine) -> None:
    meeting = alula.remote(Meeting).remote()
    loops = alula.get([meeting.wait.remote(), meeting.come.remote(), meeting.loop.remote()], timeout=LIMIT)
    assert len(set(loops)) == 1


def test_a_coroutine_that_is_cancelled_ends(engine: Engine, turnstile: Turnstile) -> None:
    turnstile.let()
    meeting = alula.remote(Meeting).remote()
    ref = meeting.pause.remote(turnstile)
    turnstile.arrived()
    alula.cancel(ref)
    with pytest.raises(TaskCancelledError, match="pause"):
        alula.get(ref, timeout=LIMIT)


class Office:
    def __init__(self) -> None:
        self.both = threading.Barrier(2)

    def meet(self) -> str:
        self.both.wait(LIMIT)
        return threading.current_thread().name


def test_groups_run_beside_each_other(engine: Engine) -> None:
    office = alula.remote(concurrency_groups={"io": 1, "cpu": 1})(Office).remote()
    calls = [call(office, "meet", concurrency_group=group) for group in ("io", "cpu")]
    names = alula.get(calls, timeout=LIMIT)
    assert len(set(names)) == 2


def test_a_group_that_there_is_not_is_refused_with_the_nearest(engine: Engine) -> None:
    office = alula.remote(concurrency_groups={"files": 1})(Office).remote()
    with pytest.raises(ValueError, match="did you mean 'files'"):
        call(office, "meet", concurrency_group="flies")


class Mortal:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def die_once(self) -> str:
        if not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os._exit(1)
        return "reborn"

    def fail_twice(self) -> int:
        count = len(list(self.folder.glob("failed*")))
        if count < 2:
            (self.folder / f"failed{count}").touch()
            raise KeyError(count)
        return count


def test_a_call_that_may_be_retried_is_sent_to_the_new_process(engine: Engine, tmp_path: Path) -> None:
    mortal = alula.remote(Mortal).options(max_restarts=1, max_task_retries=1).remote(tmp_path)
    assert alula.get(mortal.die_once.remote()) == "reborn"


def test_one_call_may_be_retried_where_others_are_not(engine: Engine, tmp_path: Path) -> None:
    mortal = alula.remote(Mortal).options(max_restarts=1).remote(tmp_path)
    assert alula.get(call(mortal, "die_once", max_task_retries=1)) == "reborn"


def test_errors_of_a_method_are_retried_if_it_asks(engine: Engine, tmp_path: Path) -> None:
    mortal = alula.remote(Mortal).options(max_task_retries=5).remote(tmp_path)
    assert alula.get(call(mortal, "fail_twice", retry_exceptions=[LookupError])) == 2


def test_without_retries_the_call_fails_and_the_actor_comes_back(engine: Engine, tmp_path: Path) -> None:
    mortal = alula.remote(Mortal).options(max_restarts=1).remote(tmp_path)
    with pytest.raises((ActorDiedError, ActorUnavailableError)):
        alula.get(mortal.die_once.remote())
    assert alula.get(mortal.die_once.remote()) == "reborn"  # it waits until the actor is there


def test_a_detached_actor_outlives_its_handles(engine: Engine, tmp_path: Path) -> None:
    alula.remote(Mortal).options(name="stays", lifetime="detached").remote(tmp_path)
    found = alula.get_actor("stays")
    with pytest.raises(KeyError):
        alula.get(found.fail_twice.remote())
    alula.kill(found)


def test_ray_shows_the_names_of_the_class_and_of_its_methods(engine: Engine) -> None:
    class Shown:
        def name(self) -> Any:
            return ray.get_runtime_context().get_task_function_name()

    shown = alula.remote(Shown).remote()
    assert alula.get(shown.name.remote()).endswith(".Shown.name")
    assert "Actor(Shown" in repr(shown._actor.raw)


def test_two_classes_of_one_name_are_two(engine: Engine) -> None:
    def one() -> Any:
        class Same:
            def first(self) -> int:
                return 1

        return alula.remote(Same).remote()

    def other() -> Any:
        class Same:
            def second(self) -> int:
                return 2

        return alula.remote(Same).remote()

    assert alula.get([one().first.remote(), other().second.remote()]) == [1, 2]

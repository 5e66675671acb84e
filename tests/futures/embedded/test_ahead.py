"""A task that waits for one other may run ahead, behind it in its worker; nobody can tell the difference."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from alula.errors import TaskCancelledError, TaskError, WorkerCrashedError
from alula.futures import ObjectRef, cancel, get, remote
from alula.testing import Turnstile
from tests.faults.processes import eventually

pytestmark = pytest.mark.usefixtures("engine")

LENGTH = 300  # of chains: far more than are pushed one by one


@remote
def add(x: int, y: int = 1) -> int:
    return x + y


@remote
def held(turnstile: Turnstile) -> int:
    turnstile.wait()
    return 0


def chain(start: Any, length: int = LENGTH) -> list[ObjectRef[int]]:
    refs = [add.remote(start)]
    for _ in range(length - 1):
        refs.append(add.remote(refs[-1]))
    return refs


def test_a_chain_gives_every_value_on_its_way() -> None:
    assert get(chain(0)) == list(range(1, LENGTH + 1))


def test_a_chain_behind_a_task_that_runs_already(turnstile: Turnstile) -> None:
    start = held.remote(turnstile)
    turnstile.arrived()
    last = chain(start)[-1]
    turnstile.let()
    assert get(last) == LENGTH


def test_a_chain_behind_a_long_task_holds_up_nobody(turnstile: Turnstile) -> None:
    last = chain(held.remote(turnstile))[-1]
    turnstile.arrived()
    assert get([add.remote(i) for i in range(100)], timeout=150) == list(range(1, 101))
    turnstile.let()
    assert get(last) == LENGTH


def test_only_one_of_many_that_wait_for_a_value_follows_it(turnstile: Turnstile) -> None:
    """The others may run anywhere: a fan of tasks is not tied to one worker."""
    start = held.remote(turnstile)
    turnstile.arrived()
    fan = [pair.remote(turnstile, start) for _ in range(2)]
    turnstile.let(1)
    turnstile.arrived()
    turnstile.arrived()  # both at once, so in two workers
    turnstile.let()
    assert len(set(get(fan))) == 2


@remote
def pair(turnstile: Turnstile, _: Any) -> int:
    turnstile.wait()
    return os.getpid()


def test_values_nested_beside_the_one_that_is_waited_for_are_lent(turnstile: Turnstile) -> None:
    slow = held.remote(turnstile)
    quick = add.remote(1)
    both = first_and.remote(quick, [slow])
    turnstile.arrived()
    turnstile.let()
    assert get(both) == (2, 0)


@remote
def first_and(first: int, nested: list[ObjectRef[int]]) -> tuple[int, int]:
    return first, get(nested[0])


@remote
def fails(_: Any = None) -> int:
    raise KeyError("here")


def test_an_error_goes_down_the_chain() -> None:
    refs = chain(fails.remote())
    for ref in (refs[0], refs[1], refs[-1]):
        with pytest.raises(KeyError, match="here"):
            get(ref)


@remote(retry_exceptions=True, max_retries=5)
def flaky(folder: Path, x: int) -> int:
    tries = len(list(folder.iterdir()))
    (folder / str(tries)).touch()
    if tries < 3:
        raise ValueError(tries)
    return x


def test_what_follows_a_task_that_is_tried_again_waits_for_it(tmp_path: Path) -> None:
    assert get(chain(flaky.remote(tmp_path, 0))[-1]) == LENGTH


@remote(max_retries=3)
def dies_once(folder: Path, x: int) -> int:
    if not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def test_a_worker_that_dies_in_the_middle_of_a_chain(tmp_path: Path) -> None:
    middle = dies_once.remote(tmp_path, chain(0)[-1])
    assert get(chain(middle)[-1]) == 2 * LENGTH


@remote(max_retries=0)
def dies(_: Any) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_what_follows_a_task_that_killed_its_worker_has_its_error() -> None:
    refs = chain(dies.remote(chain(0)[-1]))
    with pytest.raises(WorkerCrashedError, match="dies"):
        get(refs[-1])


def test_a_chain_whose_beginning_is_cancelled_ends(turnstile: Turnstile) -> None:
    start = held.remote(turnstile)
    refs = chain(start)
    turnstile.arrived()
    cancel(start)
    for ref in (start, refs[0], refs[-1]):
        with pytest.raises((TaskCancelledError, TaskError)):
            get(ref)
    assert get(add.remote(1)) == 2


def test_a_link_that_is_cancelled_takes_along_what_follows_it(turnstile: Turnstile) -> None:
    start = held.remote(turnstile)
    refs = chain(start)
    turnstile.arrived()
    cancel(refs[100])
    turnstile.let()
    assert get(refs[99]) == 100
    for ref in (refs[100], refs[-1]):
        with pytest.raises(TaskCancelledError):
            get(ref)


def test_large_values_go_down_a_chain() -> None:
    assert get(grown(b"", 20)) == 20 * 200_000


def grown(start: bytes, times: int) -> ObjectRef[int]:
    ref: Any = start
    for _ in range(times):
        ref = grow.remote(ref)
    return remote(len).remote(ref)


@remote
def grow(value: bytes) -> bytes:
    return value + bytes(200_000)


def test_what_was_submitted_in_a_burst_runs_though_nobody_asks(tmp_path: Path) -> None:
    """Also the last few, which wait for no full batch: somebody looks before everybody sleeps."""
    for i in range(333):
        touch.remote(tmp_path / str(i))
    eventually(lambda: len(list(tmp_path.iterdir())) == 333)


@remote
def touch(path: Path) -> None:
    path.touch()


def test_a_burst_inside_a_task() -> None:
    assert get(burst.remote(500)) == list(range(1, 501))


@remote
def burst(count: int) -> list[int]:
    return get(chain(0, count))


def test_a_task_that_waits_for_two_gets_both(turnstile: Turnstile) -> None:
    """Also if the later one is there first, and the worker that makes the other has just made it."""
    slow = held.remote(turnstile)
    turnstile.arrived()
    sums = [add.remote(slow, add.remote(i)) for i in range(20)]
    quick = [add.remote(i) for i in range(20)]
    assert get(quick) == list(range(1, 21))
    turnstile.let()
    assert get(sums) == list(range(1, 21))

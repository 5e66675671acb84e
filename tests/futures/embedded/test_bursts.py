"""Tasks that go their way together: nobody can tell, whatever happens to one of them."""

import gc
import os
import signal
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import alula
from alula.errors import TaskCancelledError, TaskError, WorkerCrashedError
from alula.futures import ObjectRef, cancel, get, get_runtime_context, remote, wait
from alula.testing import Turnstile
from tests.faults.processes import eventually

COUNT = 500


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    alula.init(num_cpus=2)
    get([same.remote(i) for i in range(COUNT)])  # from now on it is known to be quick
    yield
    alula.shutdown()


@pytest.fixture
def turnstile(tmp_path: Path) -> Iterator[Turnstile]:
    with Turnstile(tmp_path) as turnstile:
        yield turnstile
        turnstile.let()


@remote
def same(value: Any) -> Any:
    return value


@remote
def stopped(value: int, turnstile: Turnstile | None = None) -> int:
    if turnstile is not None:
        turnstile.wait()
    return value


def with_one_that_stops(turnstile: Turnstile, at: int) -> list[ObjectRef[int]]:
    get([stopped.remote(i) for i in range(COUNT)])
    refs = [stopped.remote(i, turnstile if i == at else None) for i in range(COUNT)]
    turnstile.arrived()
    return refs


@pytest.mark.parametrize("value", [None, 7, -(1 << 70), 1.5, True, "a\ud800", b"b" * 300, [1], {"a": (2,)}])
def test_every_value_comes_back_as_it_went(value: Any) -> None:
    found = get([same.remote(value) for _ in range(20)])
    assert found == [value] * 20
    assert {type(each) for each in found} == {type(value)}


def test_arguments_and_values_of_every_kind_in_one_burst() -> None:
    values = [None, 1, "x" * 5000, bytes(200_000), (1, "a"), 2.5] * 40
    assert get([same.remote(value=value) for value in values]) == values


def test_nobody_waits_behind_a_long_one(turnstile: Turnstile) -> None:
    refs = with_one_that_stops(turnstile, COUNT // 2)
    others = refs[: COUNT // 2] + refs[COUNT // 2 + 1 :]
    assert len(wait(others, num_returns=len(others), timeout=150)[0]) == COUNT - 1
    turnstile.let()
    assert get(refs) == list(range(COUNT))


def test_one_that_runs_is_cancelled_and_all_others_have_their_values(turnstile: Turnstile) -> None:
    refs = with_one_that_stops(turnstile, 100)
    cancel(refs[100])
    with pytest.raises(TaskCancelledError):
        get(refs[100])
    del refs[100]
    assert sum(get(refs)) == sum(range(COUNT)) - 100


def test_any_of_them_may_be_cancelled_before_it_starts(turnstile: Turnstile) -> None:
    refs = with_one_that_stops(turnstile, 0)
    for ref in refs[1::7]:
        cancel(ref)
    turnstile.let()
    for i, ref in enumerate(refs):
        try:
            assert get(ref) == i
        except TaskCancelledError:
            assert i % 7 == 1


@remote
def killed(value: int, path: Path | None = None) -> int:
    if path is not None and not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_all_are_tried_again_if_the_worker_dies(tmp_path: Path) -> None:
    get([killed.remote(i) for i in range(COUNT)])
    refs = [killed.remote(i, tmp_path / "once" if i == 50 else None) for i in range(COUNT)]
    assert get(refs) == list(range(COUNT))


def test_only_the_one_that_kills_its_worker_fails() -> None:
    """Whoever ran beside it is tried again, alone."""

    @remote(max_retries=1)
    def body(i: int) -> int:
        if i == 20:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    refs = [body.remote(i) for i in range(40)]
    with pytest.raises(WorkerCrashedError):
        get(refs[20])
    del refs[20]
    assert sum(get(refs)) == sum(range(40)) - 20


def test_errors_are_those_of_their_tasks() -> None:
    @remote
    def odd(i: int) -> int:
        if i % 10 == 3:
            raise ValueError(i)
        return i

    for i, ref in enumerate([odd.remote(i) for i in range(100)]):
        if i % 10 == 3:
            with pytest.raises(TaskError, match=str(i)):
                get(ref)
        else:
            assert get(ref) == i


def test_errors_are_tried_again_if_that_is_asked_for(tmp_path: Path) -> None:
    @remote(retry_exceptions=True)
    def fails_once(i: int) -> int:
        path = tmp_path / str(i)
        if i % 10 == 3 and not path.exists():
            path.touch()
            raise ValueError(i)
        return i

    assert get([fails_once.remote(i) for i in range(100)]) == list(range(100))


def test_each_knows_its_own_id_and_the_children_are_its_own() -> None:
    @remote
    def who() -> tuple[str | None, ObjectRef[int]]:
        return get_runtime_context().get_task_id(), same.remote(5)

    found = get([who.remote() for _ in range(100)])
    assert len({task for task, _ in found}) == 100
    assert get([child for _, child in found]) == [5] * 100


def test_what_a_result_lends_does_not_overtake_it() -> None:
    """A child may end while the result that names it still waits for others."""

    @remote
    def parent() -> ObjectRef[int]:
        return same.remote(5)

    for _ in range(50):
        assert get(get([parent.remote() for _ in range(100)]), timeout=150) == [5] * 100


def test_a_task_that_waits_gives_back_the_others() -> None:
    @remote
    def nested(i: int) -> int:
        return get(same.remote(i)) if i % 10 == 0 else i

    assert get([nested.remote(i) for i in range(100)]) == list(range(100))


def test_what_was_dropped_is_gone_though_others_run_on(turnstile: Turnstile) -> None:
    refs = with_one_that_stops(turnstile, COUNT - 1)
    gone = weakref.ref(refs[3])
    wait(refs[:-1], num_returns=COUNT - 1, timeout=150)
    del refs[:-1]
    eventually(lambda: gc.collect() >= 0 and gone() is None)


def test_what_needs_a_failed_one_settles_though_no_answer_comes() -> None:
    @remote
    def fails() -> int:
        raise ValueError("here")

    failed = fails.remote()
    wait([failed])
    for _ in range(20):
        refs = [same.remote(failed) for _ in range(50)]
        with pytest.raises(ValueError, match="here"):
            get(refs[-1], timeout=150)

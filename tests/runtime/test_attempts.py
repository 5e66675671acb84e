"""What a worker notes of a task that it runs."""

import os
from collections.abc import Iterator

import pytest

from alula._core._settings import Settings
from alula.runtime._attempts import Attempts
from alula.store import Store
from tests.faults.processes import eventually
from tests.postgres import ON_BOTH

pytestmark = ON_BOTH


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    store = Store.open(Settings.load().store)
    yield Attempts(store)
    store.close()


def test_a_task_that_runs_has_an_attempt(attempts: Attempts) -> None:
    with attempts.running("a") as attempt:
        assert attempts.last(["a", "b"]) == [attempt]
    assert (attempt.number, attempt.pid, attempt.failed) == (1, os.getpid(), None)


def test_each_attempt_has_the_next_number_and_takes_the_place_of_the_last(attempts: Attempts) -> None:
    for number in (1, 2, 3):
        with attempts.running("a") as attempt:
            assert attempt.number == number
    assert attempts.last(["a"]) == [attempt]


def test_an_attempt_that_fails_says_when_until_the_next_one_begins(attempts: Attempts) -> None:
    with pytest.raises(KeyboardInterrupt), attempts.running("a"):
        raise KeyboardInterrupt
    [failed] = attempts.last(["a"])
    assert failed.failed is not None
    assert failed.failed >= failed.started
    with attempts.running("a"):
        assert attempts.last(["a"])[0].failed is None


def test_attempts_are_given_in_the_order_in_which_they_began(attempts: Attempts) -> None:
    tasks = [f"task {i}" for i in range(1001, 0, -1)]
    for task in tasks[:3]:
        with attempts.running(task):
            pass
    assert [attempt.task for attempt in attempts.last(sorted(tasks))] == tasks[:3]


def test_what_is_over_in_a_moment_need_not_be_noted(attempts: Attempts) -> None:
    with attempts.running("a", soon=True) as attempt:
        assert attempt.number == 1
    assert attempts.last(["a"]) == []


def test_what_takes_long_is_noted_and_what_fails_as_well(attempts: Attempts) -> None:
    with attempts.running("a", soon=True) as attempt:
        assert eventually(lambda: attempts.last(["a"]) == [attempt])
    with pytest.raises(KeyboardInterrupt), attempts.running("b", soon=True):
        raise KeyboardInterrupt
    [failed] = attempts.last(["b"])
    assert failed.failed is not None
    with attempts.running("b", soon=True) as again:
        assert again.number == 2

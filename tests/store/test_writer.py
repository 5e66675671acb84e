import os
from collections.abc import Callable, Iterator
from threading import Event, get_ident
from typing import Any

import pytest
from sqlalchemy import Connection

from alula._core._gates import arm, disarm
from alula.errors import FencedError, StoreUnavailableError
from alula.store import Store, _writer
from tests.store.numbers import adding, kept


class Told:
    """What the callbacks were told, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, BaseException | None]] = []

    def __call__(self, value: Any, error: BaseException | None) -> None:
        self.all.append((value, error))


def test_posts_are_told_in_order_when_they_are_durable(numbers: Store) -> None:
    order: list[int] = []

    def then(n: int | None, error: BaseException | None) -> None:
        assert n in kept(numbers)
        order.append(n)

    for n in range(5):
        numbers.post(adding(n), then)
    numbers.close()
    assert order == [0, 1, 2, 3, 4]


def test_what_is_queued_goes_in_one_transaction(numbers: Store) -> None:
    commits: list[int] = []
    with numbers.transaction():  # the writer must wait for this one
        for n in range(10):
            numbers.post(adding(n), Told())
    arm("store.committed", lambda: commits.append(get_ident()))
    numbers.close()
    disarm()
    assert len(commits) <= 2  # the first piece may have left alone, before the others came


@pytest.fixture
def commits() -> Iterator[list[int]]:
    """Note each commit."""
    made: list[int] = []
    arm("store.committed", lambda: made.append(get_ident()))
    yield made
    disarm()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a moment last for longer than any test."""
    monkeypatch.setattr(_writer, "_MOMENT", 3600.0)


@pytest.mark.usefixtures("patience")
def test_patient_pieces_wait_for_one_that_is_not(numbers: Store, commits: list[int]) -> None:
    done = Event()
    for n in range(5):
        numbers.post(adding(n), Told(), patient=True)
    numbers.post(adding(5), lambda *_: done.set())
    assert done.wait(150)
    assert kept(numbers) == [0, 1, 2, 3, 4, 5]
    assert len(commits) == 1


@pytest.mark.usefixtures("patience")
def test_patient_pieces_wait_until_they_are_enough(numbers: Store, commits: list[int]) -> None:
    done = Event()
    for n in range(63):
        numbers.post(adding(n), Told(), patient=True)
    numbers.post(adding(63), lambda *_: done.set(), patient=True)
    assert done.wait(150)
    assert kept(numbers) == list(range(64))
    assert len(commits) == 1


@pytest.mark.usefixtures("patience")
def test_patient_pieces_do_not_outlive_the_store(numbers: Store) -> None:
    told = Told()
    numbers.post(adding(1), told, patient=True)
    numbers.close()
    assert told.all == [(1, None)]


def test_patient_pieces_wait_for_a_moment_only(numbers: Store) -> None:
    done = Event()
    numbers.post(adding(1), lambda *_: done.set(), patient=True)
    assert done.wait(150)


@pytest.mark.parametrize("lasting", [True, False])
@pytest.mark.usefixtures("patience")
def test_a_fence_that_stands_is_asked_once_in_a_transaction(numbers: Store, lasting: bool) -> None:
    asked: list[str] = []

    def fence(connection: Connection) -> None:
        asked.append("fence")

    def other(connection: Connection) -> None:
        asked.append("other")

    for n, each in enumerate([fence, fence, other, fence, fence]):
        numbers.post(adding(n), Told(), fence=each, lasting=lasting, patient=True)
    numbers.post(adding(5), Told(), fence=fence, patient=True)  # does not last, and so is followed by a look
    numbers.post(adding(6), Told(), fence=fence, lasting=lasting)
    numbers.close()
    once = ["fence", "other", "fence", "fence", "fence"]
    assert asked == (once if lasting else ["fence", "fence", "other", "fence", "fence", "fence", "fence"])


@pytest.mark.usefixtures("patience")
def test_a_fence_that_refuses_is_asked_by_everyone(numbers: Store) -> None:
    told = Told()

    def fence(connection: Connection) -> None:
        raise FencedError("workflow w", 1)

    for n in range(3):
        numbers.post(adding(n), told, fence=fence, lasting=True, patient=True)
    numbers.close()
    assert [type(error) for _, error in told.all] == [FencedError] * 3


def test_a_piece_that_fails_fails_alone(numbers: Store) -> None:
    def half(connection: Connection) -> None:
        adding(2)(connection)
        raise ValueError("half-way")

    told = Told()
    numbers.post(adding(1), told)
    numbers.post(half, told)
    numbers.post(adding(1), told)  # the same key again
    numbers.post(adding(3), told)
    numbers.close()
    reopened = Store.open(numbers.url)
    assert kept(reopened) == [1, 3]
    reopened.close()
    assert [type(error).__name__ for _, error in told.all] == [
        "NoneType",
        "ValueError",
        "IntegrityError",
        "NoneType",
    ]


def test_a_fenced_piece_does_no_work_and_harms_no_other(numbers: Store) -> None:
    def fence(connection: Connection) -> None:
        raise FencedError("workflow w", 1)

    told = Told()
    numbers.post(adding(1), told, fence=fence)
    numbers.post(adding(2), told)
    numbers.close()
    assert isinstance(told.all[0][1], FencedError)
    assert told.all[1] == (2, None)


def test_when_the_commit_fails_everybody_hears_of_it(numbers: Store) -> None:
    def fail() -> None:
        raise StoreUnavailableError("here", "the disk is full")

    told = Told()
    arm("store.before_commit", fail)
    numbers.post(adding(1), told)
    numbers.post(adding(2), told)
    numbers.close()
    disarm()
    assert [(value, str(error)) for value, error in told.all] == [
        (None, "the store here cannot be used: the disk is full")
    ] * 2


def test_the_writer_survives_a_callback_that_raises(numbers: Store, caplog: pytest.LogCaptureFixture) -> None:
    def broken(value: object, error: object) -> None:
        raise ValueError("broken callback")

    told = Told()
    numbers.post(adding(1), broken)
    numbers.post(adding(2), told)
    numbers.close()
    assert told.all == [(2, None)]
    assert "broken callback" in caplog.text


def test_a_callback_may_post_again_and_close_the_store(numbers: Store) -> None:
    closed = Event()

    def close(value: object, error: object) -> None:
        numbers.close()
        closed.set()

    numbers.post(adding(1), lambda value, error: numbers.post(adding(2), close))
    assert closed.wait(150)


@pytest.mark.parametrize(("gate", "survives"), [("store.before_commit", []), ("store.committed", [1])])
def test_a_kill_during_group_commit_loses_only_what_nobody_was_told(
    numbers: Store, spawn: Callable[..., Any], gate: str, survives: list[int]
) -> None:
    code = """
        from threading import Event
        die_at(sys.argv[2])
        store.post(lambda c: c.execute(insert(numbers).values(n=1)) and None, lambda v, e: say("told"))
        Event().wait()
    """
    child = spawn(code, gate)
    assert child.communicate(timeout=150)[0] == ""
    assert kept(numbers) == survives


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads
def test_a_fork_leaves_the_parents_posts_to_the_parent(numbers: Store) -> None:
    told = Told()
    with numbers.transaction():
        numbers.post(adding(1), told)
        child = os.fork()
        if not child:
            numbers.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    numbers.close()
    assert told.all == [(1, None)]

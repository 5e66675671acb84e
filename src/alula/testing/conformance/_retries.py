"""Tasks whose process dies, and tasks that are run again because they raised."""

import os
import signal

import pytest

from ...errors import WorkerCrashedError
from ...futures import get, remote
from .._turnstile import Turnstile
from ._part import LIMIT, Notes, Part, value
from ._values import echo

__all__ = ["Crashes", "Retries"]


@remote
def die_until(notes: Notes, attempt: int) -> int:
    """Die by SIGKILL at every attempt before this one."""
    if (now := notes.add()) < attempt:
        os.kill(os.getpid(), signal.SIGKILL)
    return now


@remote
def raise_until(notes: Notes, attempt: int, error: Exception) -> int:
    """Raise at every attempt before this one."""
    if (now := notes.add()) < attempt:
        raise error
    return now


class Crashes(Part):
    """The process of a task dies."""

    def test_a_task_whose_process_was_killed_runs_again(self, notes: Notes) -> None:
        assert value(die_until.remote(notes, 2)) == 2

    def test_a_task_whose_process_exits_runs_again(self, notes: Notes) -> None:
        leave = remote(lambda notes: notes.add() > 1 or os._exit(3))
        assert value(leave.remote(notes)) is True
        assert len(notes.lines) == 2

    def test_one_that_is_killed_from_outside_runs_again(self, notes: Notes, turnstile: Turnstile) -> None:
        @remote
        def exposed(notes: Notes, turnstile: Turnstile) -> int:
            count = notes.add(os.getpid())
            turnstile.wait()
            return count

        ref = exposed.remote(notes, turnstile)
        turnstile.arrived()
        os.kill(int(notes.lines[0]), signal.SIGKILL)
        turnstile.arrived()
        turnstile.let()
        assert value(ref) == 2

    def test_without_retries_the_crash_is_the_error(self, notes: Notes) -> None:
        with pytest.raises(WorkerCrashedError, match="die_until") as caught:
            value(die_until.options(max_retries=0).remote(notes, 2))
        assert caught.value.attempts == 1
        assert len(notes.lines) == 1

    def test_it_is_tried_once_more_than_there_are_retries(self, notes: Notes) -> None:
        with pytest.raises(WorkerCrashedError) as caught:
            value(die_until.options(max_retries=2).remote(notes, 99))
        assert caught.value.attempts == 3
        assert len(notes.lines) == 3

    def test_retries_without_end(self, notes: Notes) -> None:
        assert value(die_until.options(max_retries=-1).remote(notes, 6)) == 6

    def test_what_needs_the_crashed_one_fails_alike(self, notes: Notes) -> None:
        with pytest.raises(WorkerCrashedError):
            value(echo.remote(die_until.options(max_retries=0).remote(notes, 2)))

    def test_a_crash_harms_no_other_task(self, notes: Notes) -> None:
        refs = [echo.remote(i) for i in range(20)]
        refs.insert(10, die_until.remote(notes, 2))
        refs += [echo.remote(i) for i in range(20)]
        assert get(refs, timeout=LIMIT) == [*range(10), 2, *range(10, 20), *range(20)]


class Retries(Part):
    """`retry_exceptions`."""

    @pytest.mark.parametrize(
        "wanted",
        [True, [KeyError], [ValueError, LookupError], (Exception,)],
        ids=["any", "its class", "a class above it", "all"],
    )
    def test_an_error_that_is_wanted_is_retried(self, notes: Notes, wanted: object) -> None:
        task = raise_until.options(retry_exceptions=wanted)
        assert value(task.remote(notes, 3, KeyError("k"))) == 3

    @pytest.mark.parametrize("wanted", [False, [], [ValueError, IndexError]], ids=str)
    def test_any_other_error_is_not_retried(self, notes: Notes, wanted: object) -> None:
        with pytest.raises(KeyError):
            value(raise_until.options(retry_exceptions=wanted).remote(notes, 3, KeyError("k")))
        assert len(notes.lines) == 1

    def test_errors_are_not_retried_unless_asked_for(self, notes: Notes) -> None:
        with pytest.raises(KeyError):
            value(raise_until.remote(notes, 3, KeyError("k")))
        assert len(notes.lines) == 1

    def test_the_last_error_is_raised_when_no_retries_are_left(self, notes: Notes) -> None:
        task = raise_until.options(retry_exceptions=True, max_retries=2)
        with pytest.raises(KeyError, match="last"):
            value(task.remote(notes, 99, KeyError("last")))
        assert len(notes.lines) == 3

    def test_crashes_and_errors_draw_from_one_budget(self, notes: Notes) -> None:
        @remote(max_retries=1, retry_exceptions=True)
        def unlucky(notes: Notes) -> None:
            if notes.add() == 1:
                raise KeyError("first")
            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(WorkerCrashedError):
            value(unlucky.remote(notes))
        assert len(notes.lines) == 2

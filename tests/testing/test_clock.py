from threading import Condition, Event, Thread
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.testing import Clock

if TYPE_CHECKING:
    from alula._core import _clock


def read(clock: "_clock.Clock") -> tuple[float, float]:
    """Take it as every layer does."""
    return clock.time(), clock.monotonic()


def test_it_stands_still() -> None:
    clock = Clock(now=100.0)
    assert [read(clock), read(clock)] == [(100.0, 0.0)] * 2


def test_time_passes_for_both() -> None:
    clock = Clock(now=100.0)
    clock.advance(2.5)
    clock.advance(0)
    assert read(clock) == (102.5, 2.5)


def test_a_jump_is_no_time() -> None:
    clock = Clock(now=100.0)
    clock.jump(-50)
    assert read(clock) == (50.0, 0.0)


def test_time_does_not_run_backwards() -> None:
    clock = Clock()
    with pytest.raises(ValueError, match="jump"):
        clock.advance(-1)
    assert clock.monotonic() == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1000))))
def test_what_has_passed_is_the_sum_of_all_advances(moves: list[tuple[bool, int]]) -> None:
    clock = Clock(now=0)
    for passes, seconds in moves:
        if passes:
            clock.advance(seconds)
        else:
            clock.jump(-seconds)
    assert clock.monotonic() == sum(seconds for passes, seconds in moves if passes)
    assert clock.time() == sum(seconds if passes else -seconds for passes, seconds in moves)


def test_many_threads_may_move_it() -> None:
    clock = Clock(now=0)

    def move() -> None:
        for _ in range(1000):
            clock.advance(1)

    threads = [Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 4000


def test_it_says_where_it_stands() -> None:
    assert repr(Clock(now=1.5)) == "<Clock at 1.500, 0 s passed>"


def test_who_waits_by_it_is_woken_when_it_moves_and_not_held_up_when_the_time_has_come() -> None:
    clock, condition, woken = Clock(now=100.0), Condition(), Event()

    def wait() -> None:
        with condition:
            while clock.time() < 110.0:
                clock.wait(condition, 110.0)
        woken.set()

    Thread(target=wait, daemon=True).start()
    clock.advance(5)
    assert not woken.is_set()
    clock.jump(5)
    assert woken.wait(150)
    with condition:
        clock.wait(condition, 110.0)

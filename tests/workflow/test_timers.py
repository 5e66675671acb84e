from functools import partial
from queue import Queue

import pytest

from alula._core._clock import SYSTEM
from alula.testing import Clock
from alula.workflow._timers import Timers
from tests.postgres import ON_BOTH

pytestmark = ON_BOTH


def test_they_call_in_the_order_of_their_times_when_these_have_come() -> None:
    clock, told = Clock(now=100.0), Queue[str]()
    timers = Timers(clock)
    for when, what in [(130.0, "third"), (110.0, "first"), (120.0, "second")]:
        timers.at(when, partial(told.put, what))
    timers.at(90.0, lambda: told.put("at once"))
    assert told.get(timeout=150) == "at once"
    clock.advance(25)
    assert [told.get(timeout=150) for _ in range(2)] == ["first", "second"]
    clock.jump(10)
    assert told.get(timeout=150) == "third"
    timers.close()


def test_one_that_was_given_up_is_not_called() -> None:
    clock, told = Clock(now=100.0), Queue[str]()
    timers = Timers(clock)
    give_up = timers.at(110.0, lambda: told.put("wrong"))
    timers.at(111.0, lambda: told.put("right"))
    give_up()
    clock.advance(20)
    assert told.get(timeout=150) == "right"
    timers.close()


def test_a_call_that_fails_does_not_stop_the_next(caplog: pytest.LogCaptureFixture) -> None:
    told, timers = Queue[str](), Timers(SYSTEM)
    timers.at(0.0, lambda: print(1 / 0))
    timers.at(0.1, lambda: told.put("next"))
    assert told.get(timeout=150) == "next"
    assert "ZeroDivisionError" in caplog.text
    timers.close()


def test_closed_ones_take_no_more() -> None:
    timers = Timers(SYSTEM)
    timers.close()
    with pytest.raises(RuntimeError, match="closed"):
        timers.at(0.0, lambda: None)

import time

from alula._core._clock import SYSTEM


def test_the_clock_of_the_system_is_that_of_the_time_module() -> None:
    before = time.time(), time.monotonic()
    now = SYSTEM.time(), SYSTEM.monotonic()
    after = time.time(), time.monotonic()
    assert before[0] <= now[0] <= after[0]
    assert before[1] <= now[1] <= after[1]

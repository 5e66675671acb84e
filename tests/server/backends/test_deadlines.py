from threading import Event

from alula.server._backends._deadlines import Deadlines
from tests.server.world import PATIENCE


def test_a_run_that_is_not_over_in_time_is_told() -> None:
    deadlines, late = Deadlines(0.02), Event()
    mark = deadlines.begin(late.set)
    assert late.wait(PATIENCE)
    deadlines.end(mark)


def test_a_run_that_is_over_in_time_is_not_told() -> None:
    deadlines, told, late = Deadlines(0.5), Event(), Event()
    deadlines.end(deadlines.begin(told.set))
    deadlines.begin(late.set)
    assert late.wait(PATIENCE)
    assert not told.is_set()


def test_what_begins_after_a_rest_is_looked_after_too() -> None:
    deadlines = Deadlines(0.02)
    for _ in range(3):
        late = Event()
        deadlines.begin(late.set)
        assert late.wait(PATIENCE)

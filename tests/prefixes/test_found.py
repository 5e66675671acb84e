"""What random programs have found, as small as it could be made."""

from collections.abc import Iterator

import pytest

from alula._core._gates import disarm
from alula.futures import Engine
from tests.prefixes import programs as here
from tests.prefixes.programs import Call, Rest, Sleep, Step, Wait
from tests.prefixes.runs import Ran, check, first
from tests.prefixes.test_prefixes import on_sqlite


@pytest.fixture(autouse=True)
def driver(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(here, "is_driver", True)
    yield
    disarm()


def give(program: Step) -> Ran:
    """Run a program, and look what comes of it."""
    with on_sqlite() as recorder:
        ran = first(recorder.empty(), program)
        check(program, ran, crashed=False)
        return ran


def test_an_unrecorded_task_may_return_the_handle_of_a_recorded_one() -> None:
    left = Call("reader", (Wait("wait", (Call("one"), Call("other"))),), then=Rest("return", Call("none")))
    give(Call("out", (left,), checkpoint=False))
    give(Call("reader", (Wait("wait", (Call("one"), Call("other"))),), then=left.then, checkpoint=False))


def test_a_task_that_catches_may_go_on_with_a_graph_some_of_which_runs_in_place() -> None:
    graph = Call("output", (Call("here", inplace=True, fails=True), Call("elsewhere")))
    give(Call("out", then=graph, catch=True))
    link = Call("link", then=graph, inplace=True)
    give(Call("out", (Call("first", then=link, catch=True),)))


def test_a_task_that_goes_on_after_the_output_may_tell_something_and_run_on_in_place() -> None:
    link = Call("link", then=Call("end", inplace=True), inplace=True, tells=True)
    late = Call("late", (Call("slow", (Sleep("sleep", 10),)),), then=link, tells=True)
    ran = give(Call("out", (Wait("wait", (late, Sleep("none", 0.0)), timeout=0.0, abandon="run"),)))
    assert {"late", "link", "end"} <= {row.name for row in ran.after.values()}

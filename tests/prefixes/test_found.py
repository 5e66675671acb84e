"""What random programs have found, as small as it could be made."""

import pytest

from alula.futures import Engine
from tests.prefixes import programs as here
from tests.prefixes.programs import Call, Rest, Step, Wait
from tests.prefixes.runs import check, first
from tests.prefixes.test_prefixes import on_sqlite


@pytest.fixture(autouse=True)
def driver(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "is_driver", True)


def give(program: Step) -> None:
    """Run a program, and look what comes of it."""
    with on_sqlite() as recorder:
        check(program, first(recorder.empty(), program), crashed=False)


def test_an_unrecorded_task_may_return_the_handle_of_a_recorded_one() -> None:
    left = Call("reader", (Wait("wait", (Call("one"), Call("other"))),), then=Rest("return", Call("none")))
    give(Call("out", (left,), checkpoint=False))
    give(Call("reader", (Wait("wait", (Call("one"), Call("other"))),), then=left.then, checkpoint=False))

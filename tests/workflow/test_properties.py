"""Random dynamic programs give what plain recursion gives, however often they are cut off."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alula._core._settings import Settings
from alula.errors import WorkflowError
from alula.graph import Graph
from alula.testing import faults
from alula.workflow import Executor
from alula.workflow._tables import TASKS
from tests.workflow.bodies import Tally
from tests.workflow.programs import Program, build, evaluate, names, programs

FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@contextmanager
def emptiness() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _fail_from(passage: int) -> Callable[[], None]:
    """From that passage on nothing can be written, as after the death of the process."""
    passed = 0

    def action() -> None:
        nonlocal passed
        passed += 1
        if passed >= passage:
            raise OSError("the process is dead")

    return action


def _run(folder: Path, program: Program, tally: Tally) -> Any:
    with Executor.open(Settings.load(home=str(folder))) as executor:
        handle = executor.submit(Graph.of(build(tally, program, {})), id="w")
        return handle.result(30)


def _recorded(folder: Path) -> set[str]:
    with Executor.open(Settings.load(home=str(folder))) as executor, executor._store.reading() as connection:
        done = TASKS.c.digest.is_not(None) | TASKS.c.pointer.is_not(None)
        return set(connection.scalars(select(TASKS.c.name).where(done)))


@given(programs())
@FEW
def test_a_program_gives_what_plain_recursion_gives(program: Program) -> None:
    with emptiness() as folder:
        tally = Tally(folder / "tally")
        assert _run(folder, program, tally) == evaluate(program)
        assert set(tally.counts().values()) == {1}
        assert set(tally.counts()) <= names(program)


@given(programs(), st.integers(1, 12))
@FEW
def test_after_any_prefix_of_its_writes_it_can_be_resumed_to_the_same_end(
    program: Program, written: int
) -> None:
    with emptiness() as folder:
        tally = Tally(folder / "tally")
        with faults({"journal.commit": _fail_from(written + 1)}), suppress(WorkflowError, OSError):
            _run(folder, program, tally)
        recorded = _recorded(folder)
        with Executor.open(Settings.load(home=str(folder))) as executor:
            assert executor.resume("w").result(30) == evaluate(program)
        assert {tally.counts()[name] for name in recorded} <= {1}

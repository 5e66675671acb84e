"""A process that runs a workflow is killed; another goes on with it, and no recorded task runs again."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import event, select, text

from alula import workflow
from alula._core._settings import Settings
from alula.store import Store
from alula.testing import Turnstile, fault_environment
from alula.workflow import Executor
from alula.workflow._tables import TASKS
from tests.faults.processes import TREE
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally
from tests.workflow.programs import SAMPLE, evaluate

Child: TypeAlias = "subprocess.Popen[str]"
Start: TypeAlias = Callable[..., Child]

DRIVER = """
import sys
from pathlib import Path
import alula
from alula import workflow
from alula.testing import Turnstile
from tests.workflow.bodies import Tally, held
from tests.workflow.programs import SAMPLE, build

folder = Path(sys.argv[1])
tally = Tally(folder / "tally")
alula.init(num_cpus=2)
"""

RUN = 'print(workflow.run(build(tally, SAMPLE, {}), workflow_id="w"))'


pytestmark = pytest.mark.usefixtures("executor")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process that runs `code`, and is killed at some gate if `kills` says so."""
    started: list[Child] = []

    def start_one(code: str, kills: dict[str, int] | None = None, once: Path | None = None) -> Child:
        environment = {**(fault_environment(kills, once=once) if kills else os.environ), "PYTHONPATH": TREE}
        command = [sys.executable, "-c", DRIVER + code, str(tmp_path)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, text=True, env=environment, stdout=pipe, stderr=pipe))
        return started[-1]

    yield start_one
    for child in started:
        child.kill()
        child.communicate()


def _recorded() -> set[str]:
    """Give the names of the tasks that have a result, as the store has them now."""
    store = Store.open(Settings.load().store)
    done = TASKS.c.digest.is_not(None) | TASKS.c.pointer.is_not(None)
    with store.reading() as connection:
        found = set(connection.scalars(select(TASKS.c.name).where(done)))
    store.close()
    return found


KILLS = [
    ("journal.created", 1),
    *(("journal.commit", n) for n in (2, 5, 8, 11)),
    *(("journal.recorded", n) for n in (1, 3, 6, 9, 12)),
    *(("store.before_commit", n) for n in (6, 8)),
    *(("store.committed", n) for n in (7, 9)),
]


ONE_OF_EACH = dict(KILLS).items()


@pytest.mark.parametrize(
    ("records", "gate", "passage"),
    [*(("sqlite", *kill) for kill in KILLS), *(("postgres", *kill) for kill in ONE_OF_EACH)],
    indirect=["records"],
)
def test_a_driver_killed_at_any_gate_leaves_a_workflow_that_goes_on(
    gate: str, passage: int, start: Start, tally: Tally
) -> None:
    child = start(RUN, {gate: passage})
    _, errors = child.communicate(timeout=150)
    assert child.returncode == -signal.SIGKILL, errors
    recorded, before = _recorded(), tally.counts()
    assert workflow.list_all() == [("w", workflow.RESUMABLE)]
    assert workflow.resume("w") == evaluate(SAMPLE)
    again = {name for name, count in tally.counts().items() if count > before[name] > 0}
    assert not again & recorded


def test_a_driver_killed_before_the_entry_is_written_leaves_no_workflow(start: Start, tally: Tally) -> None:
    child = start(RUN, {"journal.commit": 1})
    assert child.wait(150) == -signal.SIGKILL
    assert workflow.list_all() == []
    assert tally.counts() == {}


@pytest.mark.parametrize("gate", ["task.started", "task.finished", "artifacts.written"])
def test_workers_killed_on_their_way_are_replaced(gate: str, start: Start, tally: Tally) -> None:
    # Each worker dies at its sixth passage; the client, which passes one of these gates itself, does not get
    # that far.
    child = start(RUN, {gate: 6})
    output, errors = child.communicate(timeout=150)
    assert (child.returncode, output.strip()) == (0, str(evaluate(SAMPLE))), errors


IN_MAIN = """
import pickle
turnstile = pickle.loads((folder / "turnstile").read_bytes())

@alula.remote
def climb(n):
    tally.mark(f"climb{n}")
    if n == 0:
        turnstile.wait()
        return "top"
    return workflow.continuation(climb.bind(n - 1))

"""


def test_functions_of_a_killed_main_program_go_on_in_another_one(
    start: Start, tally: Tally, tmp_path: Path
) -> None:
    with Turnstile(tmp_path, "steps") as turnstile:
        (tmp_path / "turnstile").write_bytes(pickle.dumps(turnstile))
        child = start(IN_MAIN + 'workflow.run(climb.bind(9), workflow_id="w")')
        turnstile.arrived()
        child.kill()
        child.wait()
        turnstile.let()
        output, errors = start('print(workflow.resume("w"))').communicate(timeout=150)
    assert output == "top\n", errors
    assert tally.counts() == {f"climb{n}": 1 for n in range(1, 10)} | {"climb0": 2}


def test_a_client_that_exits_says_what_it_leaves(start: Start, tmp_path: Path) -> None:
    with Turnstile(tmp_path, "steps") as turnstile:
        (tmp_path / "turnstile").write_bytes(pickle.dumps(turnstile))
        child = start(IN_MAIN + 'workflow.run_async(climb.bind(0), workflow_id="w")')
        _, errors = child.communicate(timeout=150)
        assert child.returncode == 0
        assert errors == "unfinished, and to be continued by alula.workflow.resume(id): w\n"
        assert workflow.get_status("w") == "RESUMABLE"
        turnstile.let()
        assert workflow.resume("w") == "top"


def test_recovery_of_a_long_chain_reads_its_end_alone(start: Start, tmp_path: Path) -> None:
    with Turnstile(tmp_path, "steps") as turnstile:
        (tmp_path / "turnstile").write_bytes(pickle.dumps(turnstile))
        child = start(IN_MAIN + 'workflow.run(climb.bind(300), workflow_id="w")')
        turnstile.arrived(60)
        child.kill()
        child.wait()
        turnstile.let()
        statements: list[str] = []
        executor = workflow.default_executor()
        event.listen(
            executor._store._database._engine, "before_cursor_execute", lambda *a: statements.append(a[2])
        )
        assert workflow.resume("w") == "top"
    assert len([s for s in statements if s.startswith("SELECT") and "workflow_tasks" in s]) < 10


ENTER = """
from tests.workflow.bodies import entered
nodes = [entered.bind(tally, f"e{n}") for n in range(3)]
print(workflow.run(entered.bind(tally, "last", *nodes), workflow_id="w"))
"""


def _entries() -> list[str]:
    store = Store.open(Settings.load().store)
    with store.reading() as connection:
        found = list(connection.scalars(text("SELECT name FROM entries ORDER BY name")))
    store.close()
    return found


@ON_BOTH
@pytest.mark.parametrize(("gate", "passage"), [("store.lent", 2), ("store.committed", 6)])
def test_the_effect_of_a_transaction_is_there_once_whoever_dies(
    gate: str, passage: int, start: Start, tally: Tally, tmp_path: Path
) -> None:
    once = tmp_path / "once"  # the first of all processes that gets there dies, and no other
    once.touch()
    output, errors = start(ENTER, {gate: passage}, once).communicate(timeout=150)
    assert not once.exists()
    if output != "last\n":  # it was the driver
        assert workflow.resume("w") == "last", errors
    assert _entries() == ["e0", "e1", "e2", "last"]


@ON_BOTH
def test_and_no_other_process_repeats_it(start: Start, tally: Tally) -> None:
    assert start(ENTER, {"store.before_commit": 6}).wait(150) == -signal.SIGKILL
    assert workflow.resume("w") == "last"
    assert _entries() == ["e0", "e1", "e2", "last"]


RECOVER = """
from alula._core._settings import Settings
from alula.workflow import Executor

with Executor.open(Settings.load(), recover=True) as executor:
    print(executor.find("w").result(150), flush=True)
"""


def test_an_executor_that_recovers_takes_what_a_killed_one_had(
    start: Start, tally: Tally, tmp_path: Path
) -> None:
    with Turnstile(tmp_path, "steps") as turnstile, Executor.open(Settings.load(), recover=True) as executor:
        (tmp_path / "turnstile").write_bytes(pickle.dumps(turnstile))
        child = start(IN_MAIN + 'workflow.run(climb.bind(3), workflow_id="w")')
        turnstile.arrived()
        child.kill()
        child.wait()
        turnstile.arrived()
        turnstile.let()
        assert executor.find("w").result(150) == "top"
    assert tally.counts() == {"climb3": 1, "climb2": 1, "climb1": 1, "climb0": 2}


@pytest.mark.parametrize(("gate", "passage"), [("executor.claimed", 1), ("store.before_commit", 4)])
def test_one_that_is_killed_while_it_recovers_is_followed_by_another(
    gate: str, passage: int, start: Start, tally: Tally
) -> None:
    assert start(RUN, {"journal.recorded": 3}).wait(150) == -signal.SIGKILL
    recorded, before = _recorded(), tally.counts()
    assert start(RECOVER, {gate: passage}).wait(150) == -signal.SIGKILL
    output, errors = start(RECOVER).communicate(timeout=150)
    assert output == f"{evaluate(SAMPLE)}\n", errors
    again = {name for name, count in tally.counts().items() if count > before[name] > 0}
    assert not again & recorded

"""Runs: a program is run, or resumed from a state, and what came of it is looked at."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event as Flag
from time import monotonic
from typing import Any

from sqlalchemy import select

from alula.errors import (
    GetTimeoutError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotResumableError,
)
from alula.graph import Graph
from alula.store import Executors, Store
from alula.testing import Clock
from alula.workflow import Executor, WorkflowStatus
from alula.workflow._handle import Handle
from alula.workflow._tables import TASKS
from alula.workflow._vault import Vault
from tests.prefixes.answers import Answer, Broken, answers
from tests.prefixes.programs import (
    DEATHS,
    POLLED,
    BrokenError,
    Call,
    Rest,
    Signal,
    Step,
    Tally,
    Wait,
    build,
    every,
    seen_as,
    show,
    watch_artifacts,
)
from tests.prefixes.recordings import Recorder, Recording, State

__all__ = ["Ran", "check", "first", "record", "resumed"]

_LONG = 30.0  # seconds after which a run counts as one that hangs
_STEP = 0.003


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a run.

    Attributes
    ----------
    answer
        None if there is no such workflow.
    before, after
        The tasks with a result, by their keys, as recorded before the run and after it.
    counts
        How often each body ran, and each listener was asked.
    """

    answer: Answer | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    counts: Counter[str]


def first(state: State, program: Step, *, moment: int = 0) -> Ran:
    """Submit a program, and wait for its answer.

    Parameters
    ----------
    moment
        After so many looks at the clock it is sent its signals.
    """
    return _run(state, program, moment, lambda executor: executor.submit(Graph.of(build(program)), id="w"))


def resumed(state: State, program: Step, *, moment: int = 0) -> Ran:
    """Go on with a program from a state, as a process does that has no part in what was before."""
    return _run(state, program, moment, lambda executor: executor.resume("w"))


def record(recorder: Recorder, state: State, work: Callable[[State], Ran]) -> tuple[Ran, Recording]:
    """Do some work on a state, and record what it writes."""
    with _opened(state):  # so that all tables are there
        pass
    with recorder.recording(state) as made:
        ran = work(state)
    [recording] = made
    return ran, recording


def _run(state: State, program: Step, moment: int, begin: Callable[[Executor], Handle[Any]]) -> Ran:
    clock, tally = Clock(), Tally(state.store)
    tally.clear()
    POLLED.clear()
    watch_artifacts(state.store)
    with _opened(state, clock) as executor:
        before = _results(executor)
        try:
            handle = begin(executor)
        except WorkflowNotResumableError as error:
            if "there is none of that id" not in str(error):
                raise
            return Ran(None, before, {}, tally.counts())
        run = executor._runs.get("w") or executor._runs._ending.get("w")
        answer = _awaited(executor, handle, program, clock, moment)
        if run is not None and not _may_wait_on(program):
            _ends(run.ended, clock)
        status = executor.status("w")
        wanted = WorkflowStatus.FAILED if isinstance(answer, Broken) else WorkflowStatus.SUCCESSFUL
        assert status is wanted, (status, answer)
        counts = tally.counts() + POLLED
        tally.clear()
        return Ran(answer, before, _results(executor), counts)


@contextmanager
def _opened(state: State, clock: Clock | None = None) -> Iterator[Executor]:
    settings = state.settings()
    store = Store.open(settings.store, clock=clock or Clock())
    try:
        executors = Executors(store)
        lease = executors.register(("default",))
        with Executor(store, Vault.of(settings), lease, executors, where="here") as executor:
            yield executor
    finally:
        store.close()


def _awaited(executor: Executor, handle: Handle[Any], program: Step, clock: Clock, moment: int) -> Answer:
    signals = [step.name for step in every(program) if isinstance(step, Signal)]
    late = monotonic() + _LONG
    for look in range(1_000_000):
        try:
            return seen_as(handle.result(_STEP))
        except WorkflowExecutionError as error:
            return _broken(error)
        except GetTimeoutError:
            clock.advance(0.1)
        if look == moment:
            for name in signals:
                with suppress(WorkflowError):  # it has just succeeded, without them
                    executor.signal("w", name, name, idempotency_key=name)
        if monotonic() > late:
            tasks = "\n".join(map(str, executor.records.tasks("w")))
            raise AssertionError(f"it hangs:\n{tasks}")
    raise AssertionError


def _broken(error: WorkflowExecutionError) -> Broken:
    cause = error.__cause__
    found = getattr(cause, "cause", cause)
    assert isinstance(found, BrokenError), repr(cause)
    return Broken(found.args[0])


def _ends(ended: Flag, clock: Clock) -> None:
    late = monotonic() + _LONG
    while not ended.wait(_STEP):
        clock.advance(0.1)
        assert monotonic() < late, "its output is there, and something of it goes on for ever"


def _may_wait_on(program: Step) -> bool:
    """Tell whether something may go on to wait for a signal that nobody will send any more."""
    steps = every(program)
    spared = any(isinstance(step, Wait) and step.abandon == "run" for step in steps)
    return spared and any(isinstance(step, Signal) for step in steps)


def _results(executor: Executor) -> dict[str, Any]:
    c = TASKS.c
    asked = select(c.key, c.name, c.task_id, c.creator, c.digest, c.pointer, c.call_digest).where(
        c.digest.is_not(None) | c.pointer.is_not(None)
    )
    with executor._store.reading() as connection:
        return {row.key: row for row in connection.execute(asked)}


# ----------------------------------------------------------------------------------------- checks


def check(program: Step, ran: Ran, *, crashed: bool = True) -> None:
    """Raise `AssertionError` if a run has given what it must not, or run what was recorded."""
    said = show(program)
    assert ran.answer in answers(program, crashed=crashed), f"{ran.answer}\nis no answer of\n{said}"
    volatile = _volatile(program)
    for key, row in ran.before.items():
        if row.name in volatile:
            continue
        assert not ran.counts[row.name], f"{row.name} was recorded, and runs again, in\n{said}"
        now = ran.after[key]
        assert now.digest == row.digest, f"{row.name} has another value now, in\n{said}"
    for name, count in ran.counts.items():
        assert count <= _most(program, name), f"{name} ran {count} times at once, in\n{said}"


def _volatile(program: Step) -> set[str]:
    """Give the names of what is made by tasks that are not recorded."""
    found: set[str] = set()

    def note(step: Step | Rest | None, *, sure: bool) -> None:
        match step:
            case Rest(inner=inner):
                note(inner, sure=sure)
            case Call():
                for part in step.parts:
                    note(part, sure=sure)
                note(step.then, sure=sure and step.checkpoint is not False)
            case Wait():
                for part in step.over:
                    note(part, sure=sure)
            case _:
                pass
        if not sure and not isinstance(step, Rest | None):
            found.add(step.name)

    note(program, sure=True)
    return found


def _most(program: Step, name: str) -> int:
    """Say how often a body may run in one run; where processes die, any may have to run again."""
    steps = [step for step in every(program) if isinstance(step, Call)]
    deaths = DEATHS if any(step.dies for step in steps) else 0
    tries = [step.tries + (DEATHS if step.fails else 0) for step in steps if step.name == name and step.tries]
    return 1 + deaths + sum(tries)

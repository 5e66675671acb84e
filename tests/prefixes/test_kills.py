"""Processes are killed in programs: what was recorded never runs again, and the answer is right."""

import signal
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, note, settings

from alula._core._gates import disarm
from alula.futures import Engine
from alula.testing import fault_environment
from tests.postgres import Postgres
from tests.prefixes import programs as here
from tests.prefixes.answers import answers
from tests.prefixes.driver import How, answer_of, start
from tests.prefixes.programs import Call, Step, Tally, Tree, Wait, show
from tests.prefixes.recordings import Recorder
from tests.prefixes.runs import check, first, resumed
from tests.prefixes.strategies import programs
from tests.prefixes.test_prefixes import FIXED, LIMIT, LONG, SEEDS, Count, on_postgres, on_sqlite

GATES = ["journal.commit", "journal.recorded", "store.before_commit", "store.committed", "artifacts.written"]


@pytest.fixture(autouse=True)
def driver(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(here, "is_driver", True)
    yield
    disarm()


@pytest.fixture(params=["sqlite", "postgres"])
def recorder(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    if request.param == "sqlite":
        with on_sqlite() as recorder:
            yield recorder
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url, on_postgres(url) as recorder:
        yield recorder


# ------------------------------------------------------------------------------------------- drivers


def killed(recorder: Recorder, program: Step, random: Random, count: Count) -> None:
    """Kill a process that runs a program, and perhaps one that goes on with it; then go on here."""
    note(show(program))
    state = recorder.empty()
    for _ in range(random.randint(1, 2)):
        at, once = {random.choice(GATES): random.randint(1, 12)}, state.home / "once"
        once.touch()
        note(f"killed at {at}")
        how: How = "resumed" if (state.home / "program").exists() else "first"
        answer = answer_of(start(state, program, how, fault_environment(at, once=once)))
        if answer is not None:  # it did not get there, or a worker of its did
            assert answer in answers(program, crashed=True)
            break
        count("kills")
    ran = resumed(state, program)
    if ran.answer is None:
        assert not ran.before
    else:
        check(program, ran)


@given(program=programs(), seed=SEEDS)
@settings(FIXED, max_examples=200 if LONG else 2)
@LIMIT
def test_of_a_killed_process_another_goes_on_with_what_is_recorded(
    count: Count, program: Step, seed: int
) -> None:
    with on_sqlite() as recorder:
        killed(recorder, program, Random(seed), count)


@given(program=programs(), seed=SEEDS)
@settings(FIXED, max_examples=100 if LONG else 1)
@LIMIT
def test_of_a_killed_process_another_goes_on_with_what_is_recorded_on_postgres(
    count: Count, postgres: Postgres, program: Step, seed: int
) -> None:
    with postgres.database() as url, on_postgres(url) as recorder:
        killed(recorder, program, Random(seed), count)


@LIMIT
def test_a_process_that_is_killed_at_some_moment_is_followed_by_another(
    recorder: Recorder, count: Count
) -> None:
    """At no gate: just when the fourth of its bodies has begun to run."""
    links = Call("end")
    for n in range(12):
        links = Call(f"link{n}", then=links, inplace=n % 3 == 0)
    program = Call("out", (links, Call("r", (Wait("w", (Call("a"), Call("b"))),))))
    state = recorder.empty()
    tally = Tally(state.store)
    tally.clear()
    process = start(state, program, "first")
    while tally.counts().total() < 4 and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    assert answer_of(process) is None
    count("kills")
    check(program, resumed(state, program))


# ------------------------------------------------------------------------------------------- workers


def chain(gate: str, passage: int) -> Call:
    """Eight links in place, of which the fifth dies in its first attempt; some give what is not recorded."""
    link = Call("link8", inplace=True)
    for n in range(7, 0, -1):
        dies = (gate, passage) if n == 5 else None
        link = Call(f"link{n}", then=link, inplace=n > 1, dies=dies, local=n == 7)
    return Call("out", (link,))


@pytest.mark.parametrize(
    ("gate", "passage", "again"),
    [
        ("", 1, {"link5"}),
        ("store.before_commit", 1, {"link5"}),
        ("store.committed", 1, set()),
        ("store.before_commit", 2, {"link6", "link7"}),
    ],
)
def test_a_chain_whose_worker_is_killed_goes_on_with_its_newest_link(
    recorder: Recorder, gate: str, passage: int, again: set[str]
) -> None:
    ran = first(recorder.empty(), chain(gate, passage))
    assert ran.answer == Tree("out", (Tree("link8"),))
    assert {name for name, times in ran.counts.items() if times > 1} == again


@given(program=programs(deadly=True))
@settings(FIXED, max_examples=1000 if LONG else 6)
@LIMIT
def test_programs_whose_workers_are_killed_give_a_right_answer(count: Count, program: Step) -> None:
    note(show(program))
    with on_sqlite() as recorder:
        count("programs")
        check(program, first(recorder.empty(), program))

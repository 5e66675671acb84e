"""For every prefix of what a run writes, a fresh process resumes to a right answer, or finds no workflow.

Programs are random; how many is said by `PROFILES`, and ``ALULA_PROOF=long`` asks for many. The numbers
of programs and prefixes stand at the end of the report.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from alula._core._gates import disarm
from alula.futures import Engine
from alula.store import _writer
from tests.postgres import Postgres
from tests.prefixes import programs as here
from tests.prefixes.answers import answers
from tests.prefixes.driver import answer_of, start
from tests.prefixes.programs import Step, show
from tests.prefixes.recordings import PostgresRecorder, Recorder, Recording, SQLiteRecorder, State
from tests.prefixes.runs import Ran, check, first, record, resumed
from tests.prefixes.strategies import programs

Count = Callable[[str], None]

LONG = os.environ.get("ALULA_PROOF") == "long"
FIXED = settings(
    derandomize=not LONG,
    phases=[Phase.reuse, Phase.generate, *([Phase.shrink] if LONG else [])],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LIMIT = pytest.mark.timeout(0 if LONG else 150)
MEMORY = Path("/dev/shm")


@pytest.fixture(autouse=True)
def apart(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write each piece in a transaction of its own: what a group commit joins may also come one by one."""
    monkeypatch.setattr(_writer, "_MOST", 1)
    monkeypatch.setattr(here, "is_driver", True)
    yield
    disarm()


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for one program, in memory where there is such a place."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def on_postgres(url: str) -> Iterator[Recorder]:
    with folder() as homes:
        yield PostgresRecorder(homes, url)


@contextmanager
def on_sqlite() -> Iterator[Recorder]:
    with folder() as homes:
        yield SQLiteRecorder(homes)


class Proof:
    """What is tried of one program.

    Parameters
    ----------
    random
        Chooses what is not tried always: when signals are sent, and of which run a second one is recorded.
    """

    def __init__(self, recorder: Recorder, program: Step, random: Random, count: Count) -> None:
        note(show(program))
        self._recorder, self._program, self._random, self._count = recorder, program, random, count

    def whole(self, *, most: int | None = None, depth: int = 2) -> Recording:
        """Run the program, and resume it after its commits; then the same with one of the resumed runs.

        Parameters
        ----------
        most
            How many prefixes of each run are tried; by default all of the first, and four of the others.
        depth
            How many runs are recorded.
        """
        moment = self._random.randrange(3)
        recording = whole = self.run(self._recorder.empty(), lambda s: first(s, self._program, moment=moment))
        self.prefixes(whole, most)
        for _ in range(depth - 1):
            state = recording.after(self._random.randint(0, len(recording)))
            recording = self.run(state, self.resumed, crashed=True)
            self.prefixes(recording, most or 4)
        self._count("programs")
        return whole

    def run(self, state: State, work: Callable[[State], Ran], *, crashed: bool = False) -> Recording:
        ran, recording = record(self._recorder, state, work)
        if ran.answer is not None:
            check(self._program, ran, crashed=crashed)
        return recording

    def prefixes(self, recording: Recording, most: int | None) -> None:
        lengths = range(len(recording) + 1)
        few = lengths if most is None or most > len(lengths) else self._random.sample(lengths, most)
        for commits in few:
            note(f"after {commits} of {len(recording)} commits")
            self._count("prefixes")
            ran = self.resumed(recording.after(commits))
            if ran.answer is None:
                assert not ran.before
            else:
                check(self._program, ran)

    def resumed(self, state: State) -> Ran:
        return resumed(state, self._program, moment=self._random.randrange(3))


SEEDS = st.integers(0, 2**32 - 1)


@given(program=programs(), seed=SEEDS)
@settings(FIXED, max_examples=2000 if LONG else 6)
@LIMIT
def test_after_each_commit_a_program_goes_on_to_a_right_answer(
    count: Count, program: Step, seed: int
) -> None:
    with on_sqlite() as recorder:
        Proof(recorder, program, Random(seed), count).whole(depth=3 if LONG else 2)


@given(program=programs(), seed=SEEDS)
@settings(FIXED, max_examples=500 if LONG else 2)
@LIMIT
def test_after_each_commit_on_postgres_as_well(
    count: Count, postgres: Postgres, program: Step, seed: int
) -> None:
    with postgres.database() as url, on_postgres(url) as recorder:
        Proof(recorder, program, Random(seed), count).whole(most=None if LONG else 8)


@given(program=programs(), seed=SEEDS)
@settings(FIXED, max_examples=50 if LONG else 1)
@LIMIT
def test_after_some_commits_in_a_process_that_was_just_started(
    count: Count, program: Step, seed: int
) -> None:
    with on_sqlite() as recorder:
        recording = Proof(recorder, program, Random(seed), count).whole(most=1, depth=1)
        few = Random(seed).sample(range(len(recording) + 1), min(2, len(recording) + 1))
        for process in [start(recording.after(commits), program, "resumed") for commits in few]:
            count("prefixes")
            answer = answer_of(process)
            assert answer is None or answer in answers(program, crashed=True)

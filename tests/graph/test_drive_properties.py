"""Whatever the graph, and in whatever order its places answer: a drive gives what a plain loop gives."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from random import Random
from threading import Lock
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from alula.errors import StoreUnavailableError, TaskCancelledError
from alula.graph import Call, Cancel, Done, Drive, Failed, Grown, Name, Outcome, Recorded, Scope, Then
from alula.testing._graphs import StepFailed, agree, draw, plain
from tests.graph.worlds import Records, World, perform

# Seeds find more than a random that hypothesis makes smaller bit by bit; what it makes small is the size.
randoms = st.randoms(use_true_random=True)
sizes = st.integers(1, 9)
modes: st.SearchStrategy[Literal["stop", "skip"]] = st.sampled_from(["stop", "skip"])


def home(recorded: bool) -> Records | None:
    return {} if recorded else None


@given(randoms, sizes, modes, st.booleans())
def test_a_place_that_answers_in_any_order_gives_what_a_plain_loop_gives(
    random: Random, size: int, mode: Literal["stop", "skip"], recorded: bool
) -> None:
    program = draw(random, size=size)
    world = World(program, random, on_error=mode, records=home(recorded))
    world.run()
    agree(program, world.outcome)


@given(randoms, sizes, modes, st.booleans())
def test_a_place_that_answers_at_once_gives_what_a_plain_loop_gives(
    random: Random, size: int, mode: Literal["stop", "skip"], recorded: bool
) -> None:
    program = draw(random, size=size)
    world = World(program, None, on_error=mode, records=home(recorded))
    world.run()
    agree(program, world.outcome)


@given(randoms, sizes, st.booleans())
def test_after_a_failure_skip_leaves_out_just_what_needed_the_failed_value(
    random: Random, size: int, recorded: bool
) -> None:
    program = draw(random, size=size)
    world = World(program, random, on_error="skip", records=home(recorded))
    world.run()
    expected = plain(program)
    assert world.names(world.drive.failures) == world.failed == expected.failed
    assert world.names(world.drive.skipped) == expected.skipped


@given(randoms, sizes, st.booleans())
def test_after_a_failure_stop_starts_nothing_more_and_waits_for_what_runs(
    random: Random, size: int, recorded: bool
) -> None:
    program = draw(random, size=size)
    world = World(program, random, on_error="stop", records=home(recorded))
    world.run()
    over = world.settled | world.grown | world.failed
    assert world.started == over
    assert world.failed <= plain(program).failed
    assert not over & world.names(world.drive.skipped)


@given(randoms, sizes, modes, st.booleans())
def test_a_cancel_at_any_moment_asks_what_runs_to_end_and_starts_nothing_more(
    random: Random, size: int, mode: Literal["stop", "skip"], recorded: bool
) -> None:
    program = draw(random, size=size)
    world = World(program, random, on_error=mode, records=home(recorded))
    world.run(cancel=True)
    outcome = world.outcome
    if isinstance(outcome, Failed):
        assert isinstance(outcome.error, TaskCancelledError | StepFailed)
    else:
        agree(program, outcome)


@given(randoms, sizes, modes)
def test_a_step_whose_outcome_cannot_be_recorded_has_failed(
    random: Random, size: int, mode: Literal["stop", "skip"]
) -> None:
    program = draw(random, size=size, failures=False)
    names = sorted(plain(program).values)
    broken = frozenset(random.sample(names, random.randint(1, min(2, len(names)))))
    world = World(program, random, on_error=mode, records={}, broken=broken)
    world.run()
    outcome = world.outcome
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, StoreUnavailableError)
    assert world.failed <= plain(program, broken=broken).failed


@given(randoms, sizes, modes)
def test_a_run_that_died_is_taken_up_where_its_records_end(
    random: Random, size: int, mode: Literal["stop", "skip"]
) -> None:
    # Of a graph that grew, only what its first output needs is taken up again.
    program, records = draw(random, size=size, outputs=1, effects=False), Records()
    for _ in range(3):
        World(program, random, on_error=mode, records=records).run(moves=random.randint(0, 12))
    recorded = World(program, random, records=records)
    world = World(program, random, on_error=mode, records=records)
    world.run()
    agree(program, world.outcome)
    assert not world.started & (recorded.settled | recorded.grown)


@given(randoms, sizes, modes)
def test_any_part_of_the_records_is_enough_to_go_on(
    random: Random, size: int, mode: Literal["stop", "skip"]
) -> None:
    """A volatile step leaves no record, and may have grown into steps that do."""
    program, records = draw(random, size=size, failures=False), Records()
    World(program, random, records=records).run()
    part = {key: outcome for key, outcome in records.items() if random.randrange(2)}
    world = World(program, random, on_error=mode, records=part, earlier=records)
    world.run()
    agree(program, world.outcome)


class Threads:
    """A place and a home whose answers come from two threads of their own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._lock = Lock()
        self.calls: list[str] = []
        self.records: Records = {}

    def start(self, call: Call, then: Then) -> Cancel:
        self.calls.append(call.fn.name)
        self._pool.submit(lambda: then(perform(call)))
        return lambda: None

    def recall(self, mark: str | Name) -> Outcome | None:
        return None

    def record(self, key: str, outcome: Done[Any] | Grown, then: Recorded) -> None:
        with self._lock:
            self.records[key] = outcome
        self._pool.submit(then, None)

    def commit(self, values: tuple[Any, ...], then: Recorded) -> None:
        self._pool.submit(then, None)

    def close(self) -> None:
        self._pool.shutdown()


@settings(max_examples=50)
@given(randoms, sizes, st.booleans())
def test_answers_from_other_threads_give_what_a_plain_loop_gives(
    random: Random, size: int, recorded: bool
) -> None:
    program, world, scope = draw(random, size=size), Threads(), Scope()
    ended: Future[Outcome] = Future()
    then = partial(Future.set_result, ended)  # raises if it is called twice
    Drive(program.graph(), world, scope, world if recorded else None, then=then).start()
    outcome = ended.result(timeout=150)
    world.close()
    agree(program, outcome)
    assert len(set(world.calls)) == len(world.calls)
    assert not scope

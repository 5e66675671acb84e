"""Generators: streams of references, their ends, and the tasks behind them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ...errors import ActorDiedError, TaskCancelledError, TaskError, WorkerCrashedError
from ...futures import Engine, ObjectRef, ObjectRefGenerator, cancel, get, kill, method, put, remote, wait
from .._turnstile import Turnstile
from ._part import LIMIT, Notes, Part, needs, value
from ._values import echo, fail, hold

__all__ = ["ActorStreams", "FixedCounts", "RandomStreams", "StreamCrashes", "StreamEnds", "Streams"]


@remote
def count(n: int) -> Iterator[int]:
    """Yield so many numbers."""
    yield from range(n)


@remote
async def count_async(n: int) -> AsyncIterator[int]:
    """Yield so many numbers, from an event loop."""
    for i in range(n):
        await asyncio.sleep(0)
        yield i


@remote
def stepwise(turnstile: Turnstile, n: int) -> Iterator[int]:
    """Yield so many numbers, each when the test allows it."""
    for i in range(n):
        turnstile.wait()
        yield i


@remote
def noted(notes: Notes, n: int) -> Iterator[int]:
    """Yield so many numbers, leaving a line before each, and one at the end."""
    try:
        for i in range(n):
            notes.add(i)
            yield i
    finally:
        notes.add("end")


@remote
def broken(n: int) -> Iterator[int]:
    """Yield so many numbers and raise."""
    yield from range(n)
    raise ValueError("broken")


def each(refs: Any) -> list[Any]:
    """Give the value of each reference, or the class of the user's error."""
    found: list[Any] = []
    for ref in refs:
        try:
            found.append(value(ref))
        except TaskError as error:
            found.append(type(error.cause))
    return found


class Streams(Part):
    """Taking from a stream.

    Attributes
    ----------
    many
        Values of a long one; fewer do where each takes long to come.
    """

    many: ClassVar[int] = 3000

    def test_a_generator_gives_a_stream(self) -> None:
        stream: Any = count.remote(3)
        assert isinstance(stream, ObjectRefGenerator)
        assert iter(stream) is stream
        refs = list(stream)
        assert all(isinstance(ref, ObjectRef) for ref in refs)
        assert get(refs) == [0, 1, 2]

    def test_an_asynchronous_generator_gives_a_stream(self) -> None:
        assert each(count_async.remote(3)) == [0, 1, 2]

    def test_it_is_empty_if_nothing_is_yielded(self) -> None:
        assert each(count.remote(0)) == []

    def test_after_its_end_it_stays_at_its_end(self) -> None:
        stream: Any = count.remote(1)
        assert each(stream) == [0]
        with pytest.raises(StopIteration):
            next(stream)

    def test_a_value_is_there_before_the_next_is_made(self, turnstile: Turnstile) -> None:
        stream: Any = stepwise.remote(turnstile, 2)
        for i in range(2):
            turnstile.let(1)
            assert value(next(stream)) == i
        assert each(stream) == []

    def test_the_producer_runs_ahead(self, notes: Notes) -> None:
        stream: Any = noted.remote(notes, 5)
        assert get(stream.completed(), timeout=LIMIT) is None
        assert notes.lines == [*"01234", "end"]
        assert each(stream) == [0, 1, 2, 3, 4]

    def test_it_can_be_taken_from_an_event_loop(self) -> None:
        async def taken() -> list[Any]:
            stream: Any = count.remote(3)
            return [await ref async for ref in stream]

        assert asyncio.run(taken()) == [0, 1, 2]

    def test_waiting_for_the_next_one_leaves_the_event_loop_free(self, turnstile: Turnstile) -> None:
        async def taken() -> Any:
            stream: Any = stepwise.remote(turnstile, 1)
            following = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            assert not following.done()
            turnstile.let()
            return await (await following)

        assert asyncio.run(taken()) == 0

    def test_large_and_small_values_come_in_their_order(self) -> None:
        @remote
        def mixed() -> Iterator[bytes]:
            for i in range(20):
                yield bytes([i]) * (300_000 if i % 3 else 3)

        assert [(v[0], len(v)) for v in each(mixed.remote())] == [
            (i, 300_000 if i % 3 else 3) for i in range(20)
        ]

    def test_many_values_come_in_their_order(self) -> None:
        assert each(count.remote(self.many)) == list(range(self.many))

    def test_the_references_are_like_any_others(self) -> None:
        stream: Any = count.remote(3)
        refs = list(stream)
        assert len(set(refs)) == 3
        assert value(echo.remote(refs[2])) == 2
        [back] = value(echo.remote([refs[1]]))
        assert back == refs[1]
        assert value(back) == 1

    def test_a_yielded_reference_stays_one(self) -> None:
        @remote
        def inner() -> Iterator[ObjectRef[Any]]:
            yield put("put")
            made = echo.remote("made")
            wait([made])
            yield made

        assert [value(ref) for ref in each(inner.remote())] == ["put", "made"]

    def test_a_yielded_reference_may_be_of_a_task_that_runs(self, engine: Engine) -> None:
        needs(engine, "lending")

        @remote
        def inner() -> Iterator[ObjectRef[Any]]:
            yield echo.remote("made")

        assert [value(ref) for ref in each(inner.remote())] == ["made"]

    def test_inputs_are_computed_first(self) -> None:
        assert each(count.remote(echo.remote(2))) == [0, 1]

    def test_a_task_can_take_from_a_stream(self) -> None:
        @remote
        def total(n: int) -> int:
            stream: Any = count.remote(n)
            return sum(get(ref) for ref in stream)

        assert value(total.remote(10)) == 45

    def test_a_method_without_its_instance_is_a_generator_too(self) -> None:
        assert each(remote(Talker.numbers).remote(None, 2)) == [0, 1]

    def test_wait_takes_streams_among_references(self, turnstile: Turnstile) -> None:
        stream: Any = stepwise.remote(turnstile, 1)
        ref = echo.remote(7)
        assert wait([stream, ref], timeout=LIMIT) == ([ref], [stream])
        assert wait([stream], timeout=0) == ([], [stream])
        turnstile.let()
        assert wait([stream], timeout=LIMIT) == ([stream], [])
        assert wait([stream, ref], num_returns=2, timeout=LIMIT) == ([stream, ref], [])
        assert each(stream) == [0]

    def test_a_stream_at_its_end_is_ready(self) -> None:
        stream: Any = count.remote(0)
        assert wait([stream], timeout=LIMIT) == ([stream], [])

    def test_get_refuses_a_stream(self) -> None:
        stream: Any = count.remote(1)
        with pytest.raises(ValueError, match="ObjectRefGenerator"):
            get(stream)
        with pytest.raises(ValueError, match="ObjectRefGenerator"):
            get([stream])
        assert each(stream) == [0]

    @pytest.mark.parametrize("wrap", [lambda s: s, lambda s: [s]])
    def test_a_stream_cannot_be_passed_on(self, wrap: Any) -> None:
        stream: Any = count.remote(1)
        with pytest.raises(TypeError, match="ObjectRefGenerator"):
            echo.remote(wrap(stream))
        with pytest.raises(TypeError, match="ObjectRefGenerator"):
            put(wrap(stream))
        assert each(stream) == [0]

    def test_a_node_cannot_be_a_stream(self) -> None:
        with pytest.raises(TypeError, match="count"):
            count.bind(3)


class StreamEnds(Part):
    """How a stream ends: errors, cancellation, back-pressure, and nobody who takes."""

    def test_an_error_is_the_last_reference(self) -> None:
        assert each(broken.remote(2)) == [0, 1, ValueError]
        assert each(broken.remote(0)) == [ValueError]

    def test_the_error_is_that_of_a_task(self) -> None:
        stream: Any = broken.remote(0)
        with pytest.raises(ValueError, match="broken") as caught:
            value(next(stream))
        assert isinstance(caught.value, TaskError)
        assert "broken" in caught.value.remote_traceback

    def test_that_the_task_came_to_its_end_is_no_error(self) -> None:
        stream: Any = broken.remote(1)
        assert get(stream.completed(), timeout=LIMIT) is None

    def test_completed_waits_for_the_end(self, turnstile: Turnstile) -> None:
        stream: Any = stepwise.remote(turnstile, 1)
        done = stream.completed()
        assert wait([done], timeout=0) == ([], [done])
        turnstile.let()
        assert value(done) is None
        assert stream.completed() == done

    def test_who_asked_for_the_end_has_it_also_without_the_stream(self, notes: Notes) -> None:
        stream: Any = noted.remote(notes, 3)
        done = stream.completed()
        del stream
        assert value(done) is None
        assert notes.lines == [*"012", "end"]

    def test_a_failed_input_is_the_only_reference(self) -> None:
        assert each(count.remote(fail.remote("input"))) == [ValueError]

    def test_a_value_that_cannot_be_pickled_is_an_error(self) -> None:
        @remote
        def odd() -> Iterator[Any]:
            yield 1
            yield (i for i in range(3))

        assert each(odd.remote()) == [1, TypeError]

    def test_a_function_that_yields_nothing_is_no_stream(self) -> None:
        @remote
        def late() -> Any:
            return count_here(2)

        assert each(late.options(num_returns="streaming").remote()) == [0, 1]
        assert each(echo.options(num_returns="streaming").remote(1)) == [ValueError]

    def test_with_retries_the_error_comes_after_the_last_attempt(self, notes: Notes) -> None:
        @remote(retry_exceptions=True, max_retries=1)
        def moody(notes: Notes, attempts: int) -> Iterator[int]:
            now = notes.add()
            yield 0
            if now < attempts:
                raise ValueError
            yield 1

        assert each(moody.remote(notes, 2)) == [0, 1]
        assert len(notes.lines) == 2
        assert each(moody.options(max_retries=0).remote(notes, 9)) == [0, ValueError]

    def test_a_cancelled_stream_ends_with_the_error(self, turnstile: Turnstile) -> None:
        stream: Any = stepwise.remote(turnstile, 2)
        turnstile.let(1)
        first = next(stream)
        turnstile.arrived()
        turnstile.arrived()
        cancel(stream)
        with pytest.raises(TaskCancelledError):
            value(next(stream))
        with pytest.raises(StopIteration):
            next(stream)
        assert value(first) == 0

    def test_a_stream_that_has_not_begun_can_be_cancelled(self, turnstile: Turnstile, notes: Notes) -> None:
        stream: Any = noted.remote(notes, hold.remote(turnstile, 3))
        cancel(stream)
        turnstile.let()
        with pytest.raises(TaskCancelledError):
            value(next(stream))
        assert notes.lines == []

    @pytest.mark.parametrize("ahead", [1, 2, 5])
    def test_a_limited_producer_waits_for_its_consumer(self, notes: Notes, ahead: int) -> None:
        limited = noted.options(_generator_backpressure_num_objects=ahead)
        stream: Any = limited.remote(notes, 12)
        for i in range(12):
            assert value(next(stream)) == i
            assert len(notes.lines) <= i + 1 + ahead + (i == 11)
        assert each(stream) == []

    def test_a_limit_that_allows_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="_generator_backpressure_num_objects"):
            count.options(_generator_backpressure_num_objects=0)
        assert each(count.options(_generator_backpressure_num_objects=None).remote(2)) == [0, 1]
        assert each(count.options(_generator_backpressure_num_objects=-1).remote(2)) == [0, 1]


class FixedCounts(Part):
    """Generators with a number of references."""

    def test_a_number_of_references_is_filled(self) -> None:
        refs: Any = count.options(num_returns=3).remote(3)
        assert isinstance(refs, list)
        assert get(refs, timeout=LIMIT) == [0, 1, 2]
        refs = count_async.options(num_returns=2).remote(2)
        assert get(refs, timeout=LIMIT) == [0, 1]

    def test_one_reference_is_filled(self) -> None:
        ref: Any = count.options(num_returns=1).remote(1)
        assert value(ref) == 0

    def test_without_a_reference_it_runs_to_its_end(self, notes: Notes, turnstile: Turnstile) -> None:
        @remote(num_returns=0)
        def silent(notes: Notes, turnstile: Turnstile) -> Iterator[int]:
            yield notes.add()
            yield notes.add()
            turnstile.wait()

        assert silent.remote(notes, turnstile) is None
        turnstile.arrived()
        assert len(notes.lines) == 2

    def test_too_few_values_are_an_error(self) -> None:
        refs: Any = count.options(num_returns=3).remote(2)
        assert each(refs) == [0, 1, ValueError]

    def test_too_many_values_are_an_error(self) -> None:
        refs: Any = count.options(num_returns=2).remote(3)
        assert each(refs) == [0, ValueError]

    def test_an_error_is_in_all_that_follow(self) -> None:
        refs: Any = broken.options(num_returns=4).remote(2)
        assert each(refs) == [0, 1, ValueError, ValueError]

    def test_a_dynamic_number_of_references_is_a_value(self) -> None:
        ref: Any = count.options(num_returns="dynamic").remote(3)
        refs: Any = value(ref)
        assert len(refs) == 3
        assert each(refs) == [0, 1, 2]
        assert each(value(broken.options(num_returns="dynamic").remote(1))) == [0, ValueError]

    def test_a_dynamic_number_of_references_can_be_passed_on(self) -> None:
        total = remote(lambda refs: sum(get(list(refs))))
        ref: Any = count.options(num_returns="dynamic").remote(4)
        assert value(total.remote(ref)) == 6


def count_here(n: int) -> Iterator[int]:
    """Yield so many numbers, here."""
    yield from range(n)


class Talker:
    """An actor whose methods yield."""

    def __init__(self) -> None:
        self.said = 0

    def numbers(self, n: int) -> Iterator[int]:
        """Yield so many numbers."""
        yield from range(n)

    def words(self, n: int) -> Iterator[int]:
        """Count what was ever said."""
        for _ in range(n):
            self.said += 1
            yield self.said

    @method(num_returns=2)
    def both(self) -> Iterator[int]:
        """Yield two numbers."""
        yield 1
        yield 2

    def held(self, turnstile: Turnstile) -> Iterator[int]:
        """Yield a number, and another when the test allows it."""
        yield 0
        turnstile.wait()
        yield 1

    def broken(self) -> Iterator[int]:
        """Yield a number and raise."""
        yield 0
        raise ValueError("broken")

    def endless(self, notes: Notes) -> Iterator[int]:
        """Yield numbers for ever."""
        try:
            while True:
                self.said += 1
                yield self.said
        finally:
            notes.add("end")

    def count(self) -> int:
        """Tell how much was said."""
        return self.said


class Murmurer:
    """An actor whose methods yield from an event loop."""

    async def numbers(self, n: int) -> AsyncIterator[int]:
        """Yield so many numbers."""
        for i in range(n):
            await asyncio.sleep(0)
            yield i

    def plain(self, n: int) -> Iterator[int]:
        """Yield so many numbers without a pause."""
        yield from range(n)


Speaker = remote(Talker)
Whisperer = remote(Murmurer)


class ActorStreams(Part):
    """Methods that yield."""

    def test_a_method_gives_a_stream(self) -> None:
        speaker = Speaker.remote()
        stream: Any = speaker.numbers.remote(3)
        assert isinstance(stream, ObjectRefGenerator)
        assert each(stream) == [0, 1, 2]

    def test_its_calls_keep_their_order(self) -> None:
        speaker = Speaker.remote()
        streams: list[Any] = [speaker.words.remote(2) for _ in range(3)]
        assert value(speaker.count.remote()) == 6
        assert [each(stream) for stream in streams] == [[1, 2], [3, 4], [5, 6]]

    def test_an_asynchronous_method_gives_a_stream(self) -> None:
        whisperer = Whisperer.remote()
        assert each(whisperer.numbers.remote(3)) == [0, 1, 2]
        assert each(whisperer.plain.remote(3)) == [0, 1, 2]

    def test_many_streams_of_an_asynchronous_actor(self) -> None:
        whisperer = Whisperer.remote()
        streams = [whisperer.numbers.remote(5) for _ in range(5)]
        assert [each(stream) for stream in streams] == [[0, 1, 2, 3, 4]] * 5

    def test_a_threaded_actor_streams_several_at_once(self, turnstile: Turnstile) -> None:
        speaker = Speaker.options(max_concurrency=2).remote()
        streams: list[Any] = [speaker.held.remote(turnstile) for _ in range(2)]
        assert [value(next(stream)) for stream in streams] == [0, 0]
        turnstile.let()
        assert [each(stream) for stream in streams] == [[1], [1]]

    def test_a_method_may_say_how_many(self) -> None:
        speaker = Speaker.remote()
        refs: Any = speaker.both.remote()
        assert get(refs, timeout=LIMIT) == [1, 2]
        refs = speaker.numbers.options(num_returns=2).remote(2)
        assert get(refs, timeout=LIMIT) == [0, 1]

    def test_an_error_is_the_last_reference_and_the_actor_lives_on(self) -> None:
        speaker = Speaker.remote()
        assert each(speaker.broken.remote()) == [0, ValueError]
        assert each(speaker.numbers.remote(1)) == [0]

    def test_a_limited_method_waits_for_its_consumer(self) -> None:
        speaker = Speaker.options(max_concurrency=2).remote()
        limited = speaker.words.options(_generator_backpressure_num_objects=2)
        stream: Any = limited.remote(9)
        for i in range(1, 10):
            assert value(next(stream)) == i
            assert value(speaker.count.remote()) <= i + 2

    def test_a_dead_actor_ends_its_streams(self, turnstile: Turnstile) -> None:
        speaker = Speaker.remote()
        stream: Any = speaker.held.remote(turnstile)
        assert value(next(stream)) == 0
        turnstile.arrived()
        kill(speaker)
        with pytest.raises(ActorDiedError):
            value(next(stream))
        with pytest.raises(StopIteration):
            next(stream)


class StreamCrashes(Part):
    """The process that yields dies."""

    def test_what_was_given_stays_and_the_rest_follows(self, notes: Notes, turnstile: Turnstile) -> None:
        @remote
        def exposed(notes: Notes, turnstile: Turnstile) -> Iterator[tuple[int, int]]:
            attempt = notes.add(os.getpid())
            for i in range(4):
                if i == 2:
                    turnstile.wait()
                yield i, attempt

        stream: Any = exposed.remote(notes, turnstile)
        first = [value(next(stream)) for _ in range(2)]
        turnstile.arrived()
        os.kill(int(notes.lines[0]), signal.SIGKILL)
        turnstile.let()
        assert first == [(0, 1), (1, 1)]
        assert each(stream) == [(2, 2), (3, 2)]

    def test_without_retries_the_crash_is_the_last_reference(self) -> None:
        @remote(max_retries=0)
        def doomed(turnstile: Turnstile | None = None) -> Iterator[int]:
            yield 0
            os.kill(os.getpid(), signal.SIGKILL)

        stream: Any = doomed.remote()
        refs = list(stream)
        assert len(refs) <= 2  # a crash may be faster than what was yielded before it
        with pytest.raises(WorkerCrashedError):
            value(refs[-1])


@remote
def by_plan(sizes: list[int], fails: bool) -> Iterator[tuple[int, bytes]]:
    """Yield numbered values of these sizes, and raise at the end if so asked."""
    for i, size in enumerate(sizes):
        yield i, bytes(size)
    if fails:
        raise ValueError


PLANS = st.tuples(st.lists(st.sampled_from([0, 10, 200_000]), max_size=8), st.booleans())
LIMITS = st.sampled_from([-1, 1, 2, 3])


def planned(sizes: list[int], fails: bool) -> list[Any]:
    """Give what a stream by that plan has to give."""
    return [*enumerate(map(bytes, sizes)), *([ValueError] if fails else [])]


class RandomStreams(Part):
    """A stream gives what a list would."""

    @settings(max_examples=30, deadline=None)
    @given(plan=PLANS, limit=LIMITS, taken=st.integers(0, 10), kept=st.booleans())
    def test_a_stream_gives_what_a_list_would(
        self, plan: tuple[list[int], bool], limit: int, taken: int, kept: bool
    ) -> None:
        expected = planned(*plan)
        stream: Any = by_plan.options(_generator_backpressure_num_objects=limit).remote(*plan)
        refs = list(islice(stream, taken))
        rest = list(stream) if kept else []
        del stream
        assert each(refs) == expected[:taken]
        assert each(rest) == (expected[taken:] if kept else [])

    @settings(max_examples=20, deadline=None)
    @given(
        plans=st.lists(st.tuples(PLANS, LIMITS), min_size=2, max_size=2),
        steps=st.lists(st.tuples(st.sampled_from(["take", "take", "wait", "drop"]), st.integers(0, 1))),
    )
    def test_streams_do_not_disturb_each_other(
        self, plans: list[tuple[tuple[list[int], bool], int]], steps: list[tuple[str, int]]
    ) -> None:
        """Take, wait and drop in any order; what was taken stays good to the end."""
        tasks = [by_plan.options(_generator_backpressure_num_objects=limit) for _, limit in plans]
        streams: list[Any] = [task.remote(*plan) for task, (plan, _) in zip(tasks, plans, strict=True)]
        taken: list[list[Any]] = [[], []]
        for step, i in steps:
            if streams[i] is None:
                continue
            if step == "take":
                taken[i] += islice(streams[i], 1)
            elif step == "wait":
                assert wait([streams[i]], timeout=LIMIT) == ([streams[i]], [])
            else:
                streams[i] = None
        for i, (plan, _) in enumerate(plans):
            taken[i] += streams[i] or ()
            expected = planned(*plan)
            whole = streams[i] is not None
            assert each(taken[i]) == (expected if whole else expected[: len(taken[i])])

"""What only the embedded engine promises of streams: nothing kept, nothing made for nobody."""

import gc
import os
import signal
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import get, kill, put, remote, wait
from alula.errors import NodeDiedError, StreamingGeneratorReplayInconsistentError, TaskCancelledError
from alula.futures import current
from alula.testing import Turnstile
from tests.faults.processes import LIMIT, eventually, lines, note, segments

pytestmark = pytest.mark.usefixtures("engine")


@remote
def endless(notes: Path, size: int = 0) -> Iterator[bytes]:
    """Yield for ever; leave a line at the end."""
    try:
        while True:
            yield bytes(size)
    finally:
        note(notes, "end")


@remote
async def endless_async(notes: Path) -> AsyncIterator[int]:
    try:
        while True:
            yield 1
    finally:
        note(notes, "end")


class Fountain:
    def flow(self, notes: Path) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            note(notes, "end")

    def ping(self) -> str:
        return "here"


@remote
def count(n: int) -> Iterator[int]:
    yield from range(n)


def open_streams() -> dict[int, Any]:
    streams: dict[int, Any] = current().streams._open  # type: ignore[attr-defined]  # of the embedded engine
    return streams


# -------------------------------------------------------------------------------- nobody takes them


@pytest.mark.parametrize("limit", [-1, 1, 3])
@pytest.mark.parametrize("task", [endless, endless_async])
def test_a_dropped_stream_ends_its_producer(tmp_path: Path, task: Any, limit: int) -> None:
    stream: Any = task.options(_generator_backpressure_num_objects=limit).remote(tmp_path / "notes")
    next(stream)
    del stream
    gc.collect()
    assert eventually(lambda: lines(tmp_path / "notes") == ["end"])
    assert eventually(lambda: not open_streams())


def test_a_dropped_stream_of_an_actor_leaves_the_actor_alive(tmp_path: Path) -> None:
    fountain = remote(Fountain).remote()
    stream: Any = fountain.flow.remote(tmp_path / "notes")
    next(stream)
    del stream
    assert get(fountain.ping.remote(), timeout=LIMIT) == "here"
    assert lines(tmp_path / "notes") == ["end"]


def test_a_dropped_stream_that_has_not_begun_never_does(tmp_path: Path, turnstile: Turnstile) -> None:
    hold = remote(lambda turnstile: turnstile.wait())
    held = hold.options(num_cpus=2).remote(turnstile)
    turnstile.arrived()
    stream: Any = endless.remote(tmp_path / "notes")
    del stream
    turnstile.let()
    get(held, timeout=LIMIT)
    assert eventually(lambda: not open_streams())
    assert lines(tmp_path / "notes") == []


def test_a_cancelled_stream_of_an_actor_ends_at_its_next_step(tmp_path: Path) -> None:
    fountain = remote(Fountain).remote()
    stream: Any = fountain.flow.options(_generator_backpressure_num_objects=2).remote(tmp_path / "notes")
    refs = [next(stream)]
    alula.cancel(stream)
    refs += stream
    with pytest.raises(TaskCancelledError):
        get(refs[-1], timeout=LIMIT)
    assert lines(tmp_path / "notes") == ["end"]


@pytest.mark.parametrize("task", [endless, endless_async])
def test_a_producer_that_waits_can_be_cancelled(tmp_path: Path, task: Any) -> None:
    stream: Any = task.options(_generator_backpressure_num_objects=1).remote(tmp_path / "notes")
    wait([stream], timeout=LIMIT)
    alula.cancel(stream)
    get(next(stream))
    with pytest.raises(TaskCancelledError):
        get(next(stream), timeout=LIMIT)
    assert list(stream) == []
    assert lines(tmp_path / "notes") == ["end"]


def test_who_asked_for_the_end_lets_a_limited_producer_run(tmp_path: Path) -> None:
    done = count.options(_generator_backpressure_num_objects=1).remote(10).completed()  # type: ignore[attr-defined]  # a stream
    gc.collect()
    assert get(done, timeout=LIMIT) is None


def test_what_is_not_taken_is_freed_with_the_stream() -> None:
    @remote
    def large() -> Iterator[bytes]:
        for _ in range(5):
            yield bytes(1 << 20)

    before = segments()
    stream: Any = large.remote()
    get(stream.completed(), timeout=LIMIT)
    assert segments() == before + 5
    del stream
    gc.collect()
    assert segments() == before


def test_what_was_taken_and_dropped_is_freed() -> None:
    @remote
    def large() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(1 << 20)

    before = segments()
    most = 0
    stream: Any = large.options(_generator_backpressure_num_objects=2).remote()
    for ref in stream:
        assert len(get(ref)) == 1 << 20
        del ref
        most = max(most, segments() - before)
    assert most <= 4
    assert segments() == before


def test_a_long_stream_holds_no_more_than_what_is_not_taken() -> None:
    stream: Any = count.options(_generator_backpressure_num_objects=1000).remote(100_000)
    taken: list[weakref.ref[Any]] = []
    for i, ref in enumerate(stream):
        assert get(ref) == i
        if not i % 10_000:
            taken.append(weakref.ref(ref))
        assert len(stream._stream.items) <= 1000
    del ref
    assert i == 99_999
    assert all(gone() is None for gone in taken)
    assert not open_streams()


# -------------------------------------------------------------------------------------- soon enough


def test_what_a_fast_generator_has_left_is_sent_while_it_waits(turnstile: Turnstile) -> None:
    @remote
    def hasty(turnstile: Turnstile) -> Iterator[int]:
        yield from range(100)
        turnstile.wait()
        yield 100

    stream: Any = hasty.remote(turnstile)
    assert [get(next(stream), timeout=LIMIT) for _ in range(100)] == list(range(100))
    turnstile.let()
    assert [get(ref) for ref in stream] == [100]


def test_a_pending_reference_that_was_yielded_gets_its_value_later(turnstile: Turnstile) -> None:
    hold = remote(lambda turnstile: turnstile.wait() or "late")

    @remote
    def lending(turnstile: Turnstile) -> Iterator[Any]:
        yield hold.options(num_cpus=0).remote(turnstile)

    stream: Any = lending.remote(turnstile)
    inner = get(next(stream), timeout=LIMIT)
    assert wait([inner], timeout=0) == ([], [inner])
    turnstile.let()
    assert get(inner, timeout=LIMIT) == "late"


def test_a_thread_that_waits_sees_what_another_reads() -> None:
    stream: Any = count.remote(2000)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(get(list(stream))))
    thread.start()
    other = [get(put(i)) for i in range(100)]
    thread.join(LIMIT)
    assert found == list(range(2000))
    assert other == list(range(100))


def test_a_number_of_references_is_filled_as_they_are_yielded(turnstile: Turnstile) -> None:
    @remote(num_returns=3)
    def stepwise(turnstile: Turnstile) -> Iterator[int]:
        for i in range(3):
            turnstile.wait()
            yield i

    refs: Any = stepwise.remote(turnstile)
    follower = remote(lambda x: x + 10).remote(refs[0])
    turnstile.let(1)
    assert get(refs[0], timeout=LIMIT) == 0
    assert get(follower, timeout=LIMIT) == 10
    assert wait(refs, num_returns=3, timeout=0) == ([refs[0]], refs[1:])
    turnstile.let(2)
    assert get(refs, timeout=LIMIT) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_task_behind_a_generator_has_its_first_value(count: int) -> None:
    @remote(num_returns=count)
    def some(n: int) -> Iterator[int]:
        yield from range(7, 7 + n)

    add = remote(lambda x: x + 1)
    given: Any = [some.remote(n) for _ in range(20) for n in (count, count - 1)]
    firsts = [add.remote(refs[0] if count > 1 else refs) for refs in given]
    assert [get(ref, timeout=LIMIT) for ref in firsts[::2]] == [8] * 20
    if count > 1:
        assert [get(ref, timeout=LIMIT) for ref in firsts[1::2]] == [8] * 20


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_producer_that_waits_lends_its_cores(asynchronous: bool) -> None:
    @remote(num_cpus=2, _generator_backpressure_num_objects=1)
    def plain() -> Iterator[int]:
        yield from range(3)

    @remote(num_cpus=2, _generator_backpressure_num_objects=1)
    async def awaited() -> AsyncIterator[int]:
        for i in range(3):
            yield i

    stream: Any = (awaited if asynchronous else plain).remote()
    assert get(remote(num_cpus=2)(lambda: "in between").remote(), timeout=LIMIT) == "in between"
    assert [get(ref) for ref in stream] == [0, 1, 2]


# ------------------------------------------------------------------------------------------ replays


@remote
def shrinking(notes: Path, first: int, later: int) -> Iterator[int]:
    """Yield `first` numbers and die, and fewer or more the next time."""
    n = first if note(notes) == 1 else later
    yield from range(n)
    if n == first:
        os.kill(os.getpid(), signal.SIGKILL)


def replayed(folder: Path, first: int, later: int) -> list[Any]:
    """Give all references; a limited producer sends the first ones before it may go on to its death."""
    limited = shrinking.options(_generator_backpressure_num_objects=first)
    stream: Any = limited.remote(folder / "notes", first, later)
    return list(stream)


@pytest.mark.parametrize("later", [0, 2])
def test_a_replay_that_yields_less_is_an_error(tmp_path: Path, later: int) -> None:
    refs = replayed(tmp_path, 3, later)
    assert get(refs[:3]) == [0, 1, 2]
    assert len(refs) == 4
    with pytest.raises(StreamingGeneratorReplayInconsistentError, match=f"{later} values, and 3"):
        get(refs[3])


def test_a_replay_that_yields_more_goes_on(tmp_path: Path) -> None:
    assert get(replayed(tmp_path, 3, 5)) == [0, 1, 2, 3, 4]


def test_a_stream_whose_consumer_died_ends(tmp_path: Path) -> None:
    fountain = remote(Fountain).remote()

    class Consumer:
        def take(self, fountain: Any, notes: Path) -> int:
            self.stream: Any = fountain.flow.options(_generator_backpressure_num_objects=2).remote(notes)
            next(self.stream)
            return os.getpid()

    consumer = remote(Consumer).remote()
    get(consumer.take.remote(fountain, tmp_path / "notes"), timeout=LIMIT)
    kill(consumer)
    assert get(fountain.ping.remote(), timeout=LIMIT) == "here"
    assert lines(tmp_path / "notes") == ["end"]


# ------------------------------------------------------------------------------------------ the end


def test_a_stream_ends_with_its_session(tmp_path: Path) -> None:
    alula.shutdown()
    alula.init(num_cpus=2)
    stream: Any = endless.options(_generator_backpressure_num_objects=2).remote(tmp_path / "notes")
    next(stream)
    alula.shutdown()
    refs = list(stream)
    alula.init(num_cpus=2)
    with pytest.raises(NodeDiedError):
        get(refs[-1])

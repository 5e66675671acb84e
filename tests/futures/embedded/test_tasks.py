"""The owner's side of tasks, in a world where workers do what a test says, in any order."""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alula.errors import NodeDiedError, TaskCancelledError, TaskError, WorkerCrashedError
from alula.futures import TaskOptions
from alula.futures._embedded._leases import Lease, Returned, Task
from alula.futures._embedded._machine import Machine
from alula.futures._embedded._tasks import Tasks
from alula.futures._embedded._values import ERROR, NONE, Blob, Ref, to_blob
from alula.futures._errors import pack_task_error
from alula.futures._remote import Function

OF_BURST = 4  # entries of a row that is a burst


class Channel:
    broken = False


class Worker:
    """What the owner knows of a worker, and what was pushed to it."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.channel = Channel()
        self.shipped: set[bytes] = set()
        self.lease: Lease | None = None
        self.inbox: deque[int] = deque()
        self.bursts: dict[int, int] = {}  # of what came in one: its first number
        self.cancelled: list[int] = []
        self.outbox: deque[Callable[[], None]] = deque()  # what it has said and nobody has read
        self.after: dict[int, int] = {}  # of tasks in the inbox that follow another, that one's number
        self.failed: set[int] = set()  # tasks that gave an error here
        self.latest = 0  # the number of the task that it has run last

    def take(self, number: int, after: int) -> bool:
        """Take a task; False if it is to follow one whose value is not here."""
        if after and after not in (self.latest, *self.inbox):
            return False
        self.inbox.append(number)
        self.after[number] = after
        return True

    def run(self, *, fails: bool) -> tuple[int, list[Blob]]:
        """Run what is first; what follows a failure fails likewise."""
        number = self.latest = self.inbox.popleft()
        fails = fails or self.after[number] in self.failed
        (self.failed.add if fails else self.failed.discard)(number)
        return number, [FAILED if fails else NONE]


class World:
    """Stands in for the engine: what it is told is noted, and nothing happens by itself."""

    def __init__(self, cores: int = 2) -> None:
        self.parcels = self.loop = self
        self.closed = True  # so that nobody is told of errors that nobody reads
        self.due: deque[Callable[[], None]] = deque()
        self.peers: dict[int, Worker] = {}
        self.asked: list[Callable[[Any], None]] = []
        self.killed: list[int] = []
        self.returned: list[int] = []
        self.numbers = 0
        machine = Machine(node_id="ab", resources={"CPU": cores}, labels={"zone": "a"}, gpus=())
        self.tasks = Tasks(self, machine)  # type: ignore[arg-type]  # as much of an engine as they need

    # What tasks ask of the engine.

    def settle(self, ref: Ref[Any], blob: Blob) -> None:
        settling = bool(self.due)
        for task in ref.settle(blob) or ():
            assert isinstance(task, Task)
            self.due.append(partial(self.tasks.input_settled, task, ref))
        while self.due and not settling:  # a loop, as in the engine: chains are long
            self.due[0]()
            self.due.popleft()

    def encode(self, peer: Worker, blob: Blob, fds: list[Any], ahead: int = 0) -> Any:
        return blob

    def decode(self, peer: Worker, encoded: Blob, fds: list[Any]) -> Blob:
        return encoded

    def ship(self, peer: Worker, definition: Any, calls: int = 0) -> None:
        peer.shipped.add(definition.id)

    def send(self, peer: Worker, message: tuple[Any, ...], fds: object = ()) -> None:
        if message[0] == "push" and not peer.channel.broken:
            for row in message[1]:
                if len(row) > OF_BURST:
                    number, *_, after = row
                    if not peer.take(number, after):
                        self.say(peer, "unknown", [number])
                    continue
                count = row[2] if isinstance(row[2], int) else len(row[2])
                for number in range(row[0], row[0] + count):
                    peer.take(number, 0)
                    peer.bursts[number] = row[0]
        elif message[0] == "cancel":
            peer.cancelled.append(message[1])

    def request(
        self, head: Any, resources: Mapping[str, float], env: Any, reply: Callable[[Any], None]
    ) -> None:
        self.asked.append(reply)

    def tell_node(self, message: tuple[Any, ...]) -> None:
        if message[0] == "return":
            self.returned.append(message[1])
            self.peers[message[1]].inbox.clear()
        elif message[0] == "kill":
            self.killed.append(message[1])

    # What tests do.

    def submit(self, *inputs: Ref[Any], function: Function | None = None, **options: Any) -> Ref[Any]:
        self.numbers += 1
        ref = Ref[Any](None, b"us", self.numbers)  # type: ignore[arg-type]  # no engine is needed here
        blob = Blob(0, b"args", inputs)
        task = Task(function or NOTHING, blob, TaskOptions().merged(options), [ref], inputs)
        self.tasks.meet("nothing", task.options.shape)
        self.tasks.take(deque([task]))
        return ref

    def submit_burst(self, count: int, blob: Blob = NONE, **options: Any) -> list[Ref[Any]]:
        """Submit plain tasks one right after the other."""
        merged = TaskOptions().merged(options)
        numbers = range(self.numbers + 1, self.numbers + 1 + count)
        self.numbers += count
        refs = [Ref[Any](None, b"us", number) for number in numbers]  # type: ignore[arg-type]  # as above
        self.tasks.meet("nothing", merged.shape)
        self.tasks.take(deque([(NOTHING, merged, None, blob, ref) for ref in refs]))
        return refs

    def grant(self) -> Worker:
        worker = Worker(len(self.peers) + 1)
        self.peers[worker.id] = worker
        self.asked.pop(0)(("granted", 0, worker.id))
        return worker

    def say(self, worker: Worker, what: str, *facts: Any, **named: Any) -> None:
        """A worker says something, which will be read later, or never if it was given back meanwhile."""

        def read() -> None:
            if worker.lease is not None:
                getattr(self.tasks, what)(worker.lease, *facts, **named)

        worker.outbox.append(read)

    def answer(self, worker: Worker, done: list[tuple[int, list[Blob]]], seconds: float) -> None:
        """A worker says what tasks gave, as it speaks of them."""
        lone = [each for each in done if each[0] not in worker.bursts]
        bursts = [(worker.bursts[n], n, 1, blobs) for n, blobs in done if n in worker.bursts]
        self.say(worker, "results", lone, [], seconds, bursts)

    def read(self, worker: Worker, count: int = 1) -> None:
        for _ in range(min(count, len(worker.outbox))):
            worker.outbox.popleft()()

    def finish(self, worker: Worker, count: int = 1, blob: Blob = NONE, seconds: float = 0.0) -> None:
        assert worker.lease is not None
        numbers = [worker.inbox.popleft() for _ in range(min(count, len(worker.inbox)))]
        done = [(number, [blob]) for number in numbers if number not in worker.bursts]
        bursts = [(*run, [blob]) for run in runs(worker, numbers) if isinstance(run, tuple)]
        self.tasks.results(worker.lease, done, [], seconds, bursts)

    def give_back(self, worker: Worker, *, waits: bool = False) -> None:
        """All but the one that runs."""
        assert worker.lease is not None
        numbers = [worker.inbox.pop() for _ in range(len(worker.inbox) - 1)]
        self.tasks.given_back(worker.lease, runs(worker, numbers[::-1]), waits=waits)

    def die(self, worker: Worker) -> None:
        assert worker.lease is not None
        worker.channel.broken = True
        self.tasks.lost(worker.lease, "was killed")
        worker.lease = None
        worker.inbox.clear()


def runs(worker: Worker, numbers: list[int]) -> list[Returned]:
    """Give tasks as a worker speaks of them: of a burst by its first number, theirs, and their count."""
    found: list[Returned] = []
    for first, group in groupby(numbers, key=worker.bursts.get):
        some = list(group)
        found += some if first is None else [(first, some[0], len(some))]
    return found


NOTHING, OTHER = (Function(lambda: None, TaskOptions()) for _ in range(2))
FAILED = Blob(ERROR, pack_task_error(KeyError("k"), "f"))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def quick() -> World:
    """A world in which the function is known to be quick, so that it is pushed in batches."""
    world = World(1)
    first = world.submit()
    world.grant()
    world.finish(world.peers[1], seconds=1e-6)
    assert first.blob is NONE
    return world


def error(ref: Ref[Any]) -> BaseException | None:
    assert ref.blob is not None
    return ref.blob.error()


def test_a_task_that_is_cancelled_by_force_costs_its_neighbours_no_attempt() -> None:
    world = World(cores=1)
    world.submit()
    worker = world.grant()
    world.finish(worker)  # so that it is known to be quick, and others are pushed together
    first, second = world.submit(max_retries=1), world.submit(max_retries=1)
    assert len(worker.inbox) == 2
    world.tasks.cancel(first, force=True, recursive=True)
    world.die(worker)
    again = world.grant()
    world.die(again)  # this one is its own
    world.finish(world.grant())
    assert second.blob is NONE


def test_a_task_behind_another_is_not_worth_killing_its_worker() -> None:
    world = World(cores=1)
    world.submit()
    worker = world.grant()
    world.finish(worker)
    world.submit()
    world.tasks.cancel(world.submit(), force=True, recursive=True)
    assert (world.killed, len(worker.cancelled)) == ([], 1)


def test_one_worker_is_asked_for_each_task_up_to_the_cores(world: World) -> None:
    for wanted in (1, 2, 2):
        world.submit()
        assert len(world.asked) == wanted


def test_a_function_that_is_not_known_yet_is_pushed_one_at_a_time(world: World) -> None:
    for _ in range(5):
        world.submit()
    assert list(world.grant().inbox) == [1]


def test_a_quick_function_is_pushed_in_batches(quick: World) -> None:
    worker = quick.peers[1]
    for _ in range(500):
        quick.submit()
    assert len(worker.inbox) > 400


def test_a_slow_function_is_pushed_as_far_as_ten_milliseconds(quick: World) -> None:
    worker = quick.peers[1]
    for _ in range(40):
        quick.submit()
        quick.finish(worker, seconds=0.003)
    for _ in range(40):
        quick.submit()
    assert 3 <= len(worker.inbox) <= 5


def test_few_tasks_wait_while_the_worker_has_enough_to_do(quick: World) -> None:
    worker = quick.peers[1]
    for _ in range(100):
        quick.submit()
    pushed = len(worker.inbox)
    quick.submit()
    assert len(worker.inbox) == pushed
    quick.finish(worker, pushed)
    assert len(worker.inbox) == 101 - pushed


def test_a_task_that_must_not_run_twice_is_alone(quick: World) -> None:
    worker = quick.peers[1]
    quick.submit(max_retries=0)
    quick.submit()
    quick.submit(max_retries=0)
    assert list(worker.inbox) == [2]
    quick.finish(worker)
    assert list(worker.inbox) == [3]
    quick.finish(worker)
    assert list(worker.inbox) == [4]


def test_a_worker_that_refused_its_last_task_has_room() -> None:
    """Also if the task was thought to take longer when it was pushed than when it came back."""
    world = World(2)
    world.submit()
    world.submit(function=OTHER)
    first, second = world.grant(), world.grant()
    world.finish(first)
    world.finish(second, seconds=1.0)
    world.submit(function=OTHER)  # keeps the first one busy
    source = world.submit()
    world.submit()
    world.answer(second, [second.run(fails=False) for _ in range(2)], 1e-6)
    world.submit(source, function=OTHER)  # goes to a worker that has its input no more
    world.finish(first, seconds=0.5)
    world.read(second, 2)
    assert second.lease is not None
    assert second.inbox or second.lease.room() > 0


def test_what_ran_ahead_of_a_task_that_is_tried_again_does_not_count() -> None:
    """Also if the second attempt is faster than the news of what followed the first one."""
    world = World(2)
    world.submit()
    first = world.grant()
    world.finish(first, seconds=1e-6)
    source = world.submit(retry_exceptions=True)
    refs = [source, follower := world.submit(source), world.submit(follower)]
    assert len(first.inbox) == 3
    for fails in (True, False, False):
        world.answer(first, [first.run(fails=fails)], 1e-6)
    world.read(first)
    world.finish(world.grant())
    assert source.blob is NONE
    world.read(first, 2)
    world.finish(world.peers[2])
    world.finish(first)
    assert [ref.blob for ref in refs] == [NONE, NONE, NONE]


def test_what_a_worker_gives_back_goes_to_the_next_one_in_its_order() -> None:
    world = World(2)
    world.submit()
    first = world.grant()
    world.finish(first, seconds=1e-6)
    for _ in range(10):
        world.submit()
    pushed = list(first.inbox)
    world.give_back(first)
    second = world.grant()
    assert list(second.inbox) == [*pushed[1:], *range(pushed[-1] + 1, 12)]


def test_a_worker_that_gave_back_gets_nothing_until_its_next_result(quick: World) -> None:
    worker = quick.peers[1]
    quick.submit()
    quick.submit()
    quick.give_back(worker)
    quick.submit()
    assert list(worker.inbox) == [2]
    quick.finish(worker)
    assert list(worker.inbox) == [3, 4]


def test_while_a_worker_waits_another_may_be_had(quick: World) -> None:
    quick.submit()
    quick.give_back(quick.peers[1])
    quick.submit()
    assert not quick.asked  # it is busy with our only core
    quick.give_back(quick.peers[1], waits=True)
    assert len(quick.asked) == 1


def test_of_several_tasks_no_one_is_blamed_and_each_is_alone_from_then_on(quick: World) -> None:
    refs = [quick.submit(max_retries=1) for _ in range(3)]
    quick.die(quick.peers[1])
    assert all(ref.blob is None for ref in refs)
    worker = quick.grant()
    for number in (2, 3, 4):
        assert list(worker.inbox) == [number]
        quick.finish(worker)
    assert all(ref.blob is NONE for ref in refs)


def test_a_task_that_was_alone_with_dying_workers_fails(world: World) -> None:
    ref = world.submit(max_retries=2)
    for _ in range(3):
        assert ref.blob is None
        world.die(world.grant())
    raised = error(ref)
    assert isinstance(raised, WorkerCrashedError)
    assert raised.attempts == 3


def test_a_push_that_did_not_arrive_is_no_attempt(world: World) -> None:
    ref = world.submit(max_retries=0)
    world.finish(world.grant())
    again = world.submit(max_retries=0)
    worker = world.peers[1]
    worker.inbox.clear()
    world.die(worker)
    assert isinstance(error(again), WorkerCrashedError)
    worker = Worker(9)
    world.peers[9] = worker
    worker.channel.broken = True
    lost = world.submit(max_retries=0)
    world.asked.pop()(("granted", 0, 9))
    assert lost.blob is None
    world.die(worker)
    assert list(world.grant().inbox) == [3]
    assert ref.blob is NONE


def test_errors_are_retried_as_asked(world: World) -> None:
    ref = world.submit(retry_exceptions=[KeyError], max_retries=2)
    worker = world.grant()
    failed = Blob(ERROR, pack_task_error(KeyError("k"), "f"))
    for _ in range(2):
        world.finish(worker, blob=failed)
        assert ref.blob is None
    world.finish(worker, blob=failed)
    assert isinstance(error(ref), KeyError)


def test_an_error_that_cannot_be_unpickled_is_not_retried(world: World) -> None:
    ref = world.submit(retry_exceptions=[KeyError])
    dependent = world.submit(ref)
    world.finish(world.grant(), blob=Blob(ERROR, b"no pickle"))
    assert ref.blob is dependent.blob is not None


def test_a_task_waits_for_its_inputs(world: World) -> None:
    first = world.submit()
    second = world.submit(first, first)
    worker = world.grant()
    assert list(worker.inbox) == [1]
    world.finish(worker)
    assert list(worker.inbox) == [2]
    assert second.blob is None


def test_a_task_whose_input_failed_does_not_run(world: World) -> None:
    first = world.submit()
    second = world.submit(first, world.submit())
    world.finish(world.grant(), blob=Blob(ERROR, pack_task_error(KeyError("k"), "f")))
    late = world.submit(first)
    for ref in (second, late):
        raised = error(ref)
        assert isinstance(raised, TaskError)
        assert isinstance(raised, KeyError)
        assert "could not be computed" in raised.__notes__[-1]


def test_a_cancelled_task_never_runs(world: World) -> None:
    world.submit()
    worker = world.grant()
    queued, waiting = world.submit(), world.submit(world.submit())
    for ref in (queued, waiting):
        assert world.tasks.cancel(ref, force=False, recursive=True)
        assert isinstance(error(ref), TaskCancelledError)
    for _ in range(5):
        world.finish(worker)
    assert queued.number not in worker.inbox


@pytest.mark.parametrize("force", [False, True])
def test_the_worker_is_asked_to_end_a_task_that_runs(world: World, force: bool) -> None:
    ref = world.submit()
    worker = world.grant()
    world.tasks.cancel(ref, force=force, recursive=True)
    assert (world.killed, worker.cancelled) == (([worker.id], []) if force else ([], [ref.number]))
    world.die(worker)
    assert isinstance(error(ref), TaskCancelledError)


def test_a_task_that_was_cancelled_and_given_back_does_not_run_again(quick: World) -> None:
    quick.submit()
    ref = quick.submit()
    quick.tasks.cancel(ref, force=False, recursive=True)
    quick.give_back(quick.peers[1])
    assert isinstance(error(ref), TaskCancelledError)


def test_what_is_no_task_cannot_be_cancelled(world: World) -> None:
    ref = world.submit()
    world.finish(world.grant())
    assert not world.tasks.cancel(ref, force=False, recursive=True)


def test_workers_are_given_back_when_others_want_them(world: World) -> None:
    world.submit()
    worker = world.grant()
    world.tasks.reclaim()
    assert world.returned == []
    world.finish(worker)
    assert world.returned == [worker.id]


def test_one_idle_worker_is_kept_and_more_are_given_back(world: World) -> None:
    for _ in range(2):
        world.submit()
    first = world.grant()
    world.finish(first, seconds=1e-6)
    world.finish(first, seconds=1e-6)
    second = world.grant()
    assert world.returned == [second.id]


def test_at_the_end_of_the_session_all_fail_and_late_answers_do_no_harm(world: World) -> None:
    refs = [world.submit(), world.submit()]
    refs.append(world.submit(refs[0]))
    world.grant()
    world.tasks.fail_all(NodeDiedError("over"))
    world.asked.pop()(("over",))
    assert all(isinstance(error(ref), NodeDiedError) for ref in refs)
    assert not world.tasks.pending


@settings(max_examples=200, stateful_step_count=60)
class AnyOrder(RuleBasedStateMachine):
    """Whatever workers do, and whenever it is heard, every task ends as it should, and none is stuck.

    A task that may fail is tried again as often as it does, so it ends well unless it is cancelled.
    """

    @initialize(cores=st.integers(1, 3))
    def begin(self, cores: int) -> None:
        self.world = World(cores)
        self.refs: list[Ref[Any]] = []
        self.once: set[int] = set()  # tasks that must run at most once
        self.unsure: set[int] = set()  # those that may end with an error, and what depends on them

    @property
    def workers(self) -> list[Worker]:
        return [w for w in self.world.peers.values() if w.lease is not None and (w.inbox or w.outbox)]

    @rule(
        count=st.integers(1, 40),
        retries=st.sampled_from([0, 1, 3, -1]),
        inputs=st.lists(st.integers(1, 3), max_size=2),
        other=st.booleans(),
    )
    def submit(self, count: int, retries: int, inputs: list[int], other: bool) -> None:
        for _ in range(count):
            given = [self.refs[-back] for back in inputs if back <= len(self.refs)]
            options = {"max_retries": retries, "retry_exceptions": retries != 0}
            ref = self.world.submit(*given, function=OTHER if other else NOTHING, **options)
            if retries == 0:
                self.once.add(ref.number)
            if retries >= 0 or any(each.number in self.unsure for each in given):
                self.unsure.add(ref.number)
            self.refs.append(ref)

    @rule(count=st.integers(1, 40), retries=st.sampled_from([1, 3, -1]), bare=st.booleans())
    def submit_burst(self, count: int, retries: int, bare: bool) -> None:
        blob = NONE if bare else Blob(0, b"args")
        refs = self.world.submit_burst(count, blob, max_retries=retries, retry_exceptions=True)
        if retries >= 0:
            self.unsure.update(ref.number for ref in refs)
        self.refs += refs

    @precondition(lambda self: self.world.asked)
    @rule()
    def grant(self) -> None:
        self.world.grant()

    @precondition(lambda self: self.workers)
    @rule(
        data=st.data(),
        count=st.integers(1, 50),
        seconds=st.sampled_from([0.0, 1e-5, 0.003, 1.0]),
        fails=st.booleans(),
    )
    def run(self, data: st.DataObject, count: int, seconds: float, fails: bool) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        done = [worker.run(fails=fails) for _ in range(min(count, len(worker.inbox)))]
        if done:
            self.world.answer(worker, done, seconds)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), waits=st.booleans())
    def give_back(self, data: st.DataObject, waits: bool) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        if worker.inbox:
            numbers = [worker.inbox.pop() for _ in range(len(worker.inbox) - 1)]
            self.world.say(worker, "given_back", runs(worker, numbers[::-1]), waits=waits)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), count=st.integers(1, 3))
    def read(self, data: st.DataObject, count: int) -> None:
        self.world.read(data.draw(st.sampled_from(self.workers)), count)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), heard=st.integers(0, 3))
    def die(self, data: st.DataObject, heard: int) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        self.world.read(worker, heard)
        if worker.lease is not None:
            self.world.die(worker)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """It has run as many calls as it may."""
        worker = data.draw(st.sampled_from(self.workers))
        self.world.say(worker, "left")
        while worker.outbox:
            self.world.read(worker)
        worker.inbox.clear()  # it has refused what was pushed meanwhile

    @precondition(lambda self: self.refs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        ref = data.draw(st.sampled_from(self.refs))
        if ref.blob is None:
            self.world.tasks.cancel(ref, force=False, recursive=False)
            self.unsure |= {each.number for each in self.refs if each.number >= ref.number}

    @rule()
    def reclaim(self) -> None:
        self.world.tasks.reclaim()

    @invariant()
    def each_task_is_in_one_place(self) -> None:
        places = [number for worker in self.world.peers.values() for number in worker.inbox]
        assert len(places) == len(set(places))

    @invariant()
    def the_tasks_in_flight_are_counted(self) -> None:
        for worker in self.world.peers.values():
            if worker.lease is not None:
                assert worker.lease.count == sum(task.left for task in worker.lease.inflight.values())
        unsettled = sum(ref.blob is None for ref in self.refs)
        counts = self.world.tasks.counts()
        assert counts["waiting"] + counts["queued"] + counts["sent"] == unsettled

    @invariant()
    def a_task_that_may_run_once_is_alone(self) -> None:
        for worker in self.world.peers.values():
            assert len(worker.inbox) <= 1 or not self.once & set(worker.inbox)

    @invariant()
    def whoever_has_nothing_to_do_has_room(self) -> None:
        for worker in self.world.peers.values():
            if worker.lease is not None and not (worker.lease.inflight or worker.outbox):
                assert worker.lease.load == 0
                assert not worker.lease.busy

    def teardown(self) -> None:
        """Let everything run to its end: nothing may be left over."""
        refs = getattr(self, "refs", [])
        for _ in range(20 * len(refs) + 100):
            if all(ref.blob is not None for ref in refs):
                break
            if self.world.asked:
                self.world.grant()
            for worker in self.workers:
                done = [worker.run(fails=False) for _ in range(len(worker.inbox))]
                if done:
                    self.world.answer(worker, done, 1e-5)
                self.world.read(worker, len(worker.outbox))
        for ref in refs:
            assert ref.blob is NONE or (ref.number in self.unsure and ref.blob is not None), ref.number


TestAnyOrder = AnyOrder.TestCase


@given(st.lists(st.floats(1e-7, 1.0), min_size=1, max_size=30))
def test_the_load_of_a_worker_without_tasks_is_nothing(seconds: list[float]) -> None:
    world = World(1)
    for taken in seconds:
        world.submit()
        world.submit()
        worker = world.peers.get(1) or world.grant()
        world.finish(worker, 2, seconds=taken)
        if worker.inbox:
            world.finish(worker, 2, seconds=taken)
        assert worker.lease is not None
        assert worker.lease.load == 0
        assert to_blob(None) is NONE

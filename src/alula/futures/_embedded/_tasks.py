"""The owner's side of tasks: what waits for inputs, what is queued, and which workers are lent to us.

Tasks that need the same resources share a queue and the workers lent for it. A worker is given as many
tasks as it will work through in about ten milliseconds, judged by how long the function took before, so
that neither side waits for the other. A worker that finds itself busy for longer, or waiting inside a
task, gives back what it has not started; so nothing is ever queued behind a long task.

The first task that waits for another one's value, and for nothing else, may run ahead: it is pushed
behind that other one to the same worker, which has the value at hand, so a chain needs no round trips.

When a worker dies with several tasks, nobody can tell which of them it was: all of them are run again,
from then on one at a time, and only a task that was alone with a dying worker can fail because of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..._core._gates import gate
from ...errors import (
    TaskCancelledError,
    TaskUnschedulableError,
    WorkerCrashedError,
    WorkerStartError,
)
from .._errors import pack_error, unpack_error
from .._options import Shape
from ._bursts import Burst, Plain, gathered
from ._environments import checked
from ._leases import AHEAD, MOST, Lease, Returned, Task
from ._machine import Machine
from ._placing import amounts, limit, refusal, warn_of
from ._unread import unread
from ._values import ERROR, NONE, Blob, Ref
from ._wire import Descriptor, Message

if TYPE_CHECKING:
    from ._hub import Hub
    from ._timeline import Way

__all__ = ["Tasks"]

_BATCH = 32  # tasks that are worth a message of their own
_SLICE = 0.100  # s after which a lease is given back if others wait
_BATCH_FDS = 200
_BATCH_BYTES = 1 << 20


class _Shape:
    """Queue and workers for tasks of one shape, which is: that demand the same."""

    __slots__ = (
        "denied",
        "env",
        "leases",
        "limit",
        "queue",
        "refusal",
        "requested",
        "shape",
        "wanted_amounts",
    )

    def __init__(self, task: str, shape: Shape, machine: Machine) -> None:
        self.shape = shape
        self.env = checked(task, shape.env)
        self.wanted_amounts = amounts(machine, shape)
        self.limit = limit(machine, self.wanted_amounts)  # workers that can be had at most
        self.refusal = refusal(machine, shape)  # why none is ever asked for
        self.queue: deque[Task | Burst] = deque()
        self.leases: list[Lease] = []
        self.requested = 0
        self.denied = False  # the last answer was that there can be none

    @property
    def wanted(self) -> int:
        """How many more workers could be had."""
        return self.limit - self.requested - sum(not lease.waiting for lease in self.leases)


class Tasks:
    """All tasks of this process. Every method is called with the hub's lock held."""

    def __init__(self, hub: "Hub", machine: Machine) -> None:
        self._hub = hub
        self._machine = machine
        self.shapes: dict[Shape, _Shape] = {}
        self._tasks: dict[int, Task] = {}  # by number, those without a result
        self._bursts: set[Burst] = set()  # the others
        self._cost: dict[bytes, float] = {}  # s that a function took lately
        self._reclaim = False
        self.times: dict[int, list[float]] | None = None  # of pending tasks, if that is recorded
        self.ways: deque[Way] = deque(maxlen=0)  # of tasks that have ended, likewise
        self._finished = 0
        self._collecting = False  # a message is being handled: tasks that get ready are pushed together
        self._late: list[tuple[Task, Task]] = []  # tasks that may follow another to its worker

    @property
    def pending(self) -> bool:
        """Whether any task has no result yet."""
        return bool(self._tasks or self._bursts)

    def note(self, number: int, step: int) -> None:
        """Record when a task was submitted (0), had its inputs (1) or was sent (2): the last time counts."""
        assert self.times is not None
        times = self.times.setdefault(number, [])
        del times[step:]
        times += [monotonic()] * (step + 1 - len(times))  # what it skipped took no time

    def note_end(self, name: str, number: int) -> None:
        """Record that a task has ended."""
        assert self.times is not None
        if times := self.times.pop(number, None):
            self.ways.append((name, number, times, monotonic()))

    def counts(self) -> dict[str, int]:
        """Say how many tasks of ours wait for inputs, are queued, sent to workers, and finished."""
        queued = sum(task.left for shape in self.shapes.values() for task in shape.queue)
        sent = sum(lease.count for shape in self.shapes.values() for lease in shape.leases)
        waiting = len(self._tasks) + sum(burst.left for burst in self._bursts) - queued - sent
        return {"waiting": waiting, "queued": queued, "sent": sent, "finished": self._finished}

    def forget(self, function: bytes) -> None:
        """Nobody can submit that function again."""
        self._cost.pop(function, None)

    def meet(self, task: str, shape: Shape) -> None:
        """See a shape for the first time.

        Raises
        ------
        UnsupportedError, RuntimeEnvSetupError
            If the task asks for surroundings that cannot be had.
        """
        if shape in self.shapes:
            return
        made = self.shapes[shape] = _Shape(task, shape, self._machine)
        if not (made.limit or made.refusal):
            warn_of(self._machine, f"the task {task}", made.wanted_amounts)

    def take(self, submitted: deque[Task | Plain]) -> None:
        """Take new tasks; each is queued when its inputs have their values."""
        if len(submitted) == 1:
            lone = submitted.popleft()
            self._add(lone if isinstance(lone, Task) else _task(lone))
            if self._late:
                self._push_late()
            return
        self._collecting = True
        try:
            while submitted:
                if isinstance(first := submitted[0], Task):
                    del submitted[0]
                    self._add(first)
                else:
                    self._take_plain(gathered(submitted))
        finally:
            self._collecting = False
        self._pump_all()
        if self._late:
            self._push_late()

    def _take_plain(self, found: list[Plain] | Burst) -> None:
        if isinstance(found, Burst):
            self._bursts.add(found)
            self.shapes[found.options.shape].queue.append(found)
        else:
            for plain in found:
                self._add(_task(plain))

    def _push_late(self) -> None:
        """Push those that wait for a task that was in flight before they came."""
        late, self._late = self._late, []
        batches: dict[Lease, deque[Task | Burst]] = {}
        for task, source in late:
            if source.lease is not None and source.lease.takes_ahead(task):
                batches.setdefault(source.lease, deque()).append(task)
        for lease, tasks in batches.items():
            self._fill(lease, tasks)

    def _add(self, task: Task) -> None:
        self._tasks[task.refs[0].number] = task
        inputs, task.inputs = task.inputs, ()
        pending: Ref[Any] | None = None
        for ref in inputs:
            if ref.blob is None:
                pending = ref
                task.missing += 1
                ref.on_settled(task)
            elif ref.blob.kind == ERROR:
                self._finish(task, [_not_computed(ref.blob, task)] * len(task.refs))
                return
        if pending is None:
            self._enqueue(task)
        elif task.missing == 1:
            self._follow(task, pending)

    def _follow(self, task: Task, ref: Ref[Any]) -> None:
        """Take note of a task that waits for one value alone: it may run ahead, behind who makes it."""
        source = self._tasks.get(ref.number)
        if source is not None and source.next is None and source.refs[0] is ref:
            source.next, task.after = task, ref.number
            if source.lease is not None:
                self._late.append((task, source))

    def input_settled(self, task: Task, ref: Ref[Any]) -> None:
        """A value that a task waits for is there."""
        assert ref.blob is not None
        task.missing -= 1
        if task.number not in self._tasks:
            return
        if ref.blob.kind == ERROR:
            self._finish(task, [_not_computed(ref.blob, task)] * len(task.refs))
        elif not task.missing and task.lease is None:  # else it ran ahead
            self._enqueue(task)

    def _enqueue(self, task: Task) -> None:
        shape = self.shapes[task.options.shape]
        shape.queue.append(task)
        if self.times is not None:
            self.note(task.number, 1)
        if self._collecting:
            return
        # Behind others it changes nothing, unless there are now enough for a message, or for a worker.
        length = len(shape.queue)
        if length == 1 or length == _BATCH or len(shape.leases) + shape.requested < shape.limit:
            self._pump(shape)

    # ----------------------------------------------------------------------------------- to workers

    def _pump(self, shape: _Shape) -> None:
        """Give queued tasks to workers with room, and ask for more workers if there is none left.

        A few tasks wait while all workers have enough: the next results will bring us here again.
        """
        queue = shape.queue
        if len(queue) == 1 and queue[0].left == 1:
            for each in shape.leases:
                if each.idle():
                    self._fill(each, queue)
                    return
        while queue:
            lease = max(shape.leases, key=Lease.room, default=None)
            if lease is None or lease.room() <= 0 or not lease.takes(queue[0]):
                break
            if lease.has_enough() and not _several(queue, _BATCH):
                break
            self._fill(lease, queue)
        if queue:
            self._request(shape)

    def _fill(self, lease: Lease, queue: deque[Task | Burst]) -> None:
        batch: list[Any] = []
        fds: list[Descriptor] = []
        size = 0
        peer = lease.peer
        encode = self._hub.parcels.encode
        task: Task | None = None  # the next one, if it follows the last one
        while len(fds) < _BATCH_FDS and size < _BATCH_BYTES:
            if task is None:
                if not (queue and lease.takes(queue[0])):
                    break
                if isinstance(first := queue[0], Burst):
                    size += self._push_part(lease, first, queue, batch)
                    continue
                task = first
                del queue[0]
            key, number, options = task.function.definition.id, task.refs[0].number, task.options
            task.lease = lease
            if self.times is not None:
                self.note(number, 2)
            lease.inflight[number] = task
            lease.count += 1
            lease.load += self._cost.get(key, AHEAD)
            if key not in peer.shipped:
                self._hub.ship(peer, task.function.definition, options.calls)
            ahead = task.after if task.missing else 0
            args: Message = () if task.args is NONE else encode(peer, task.args, fds, ahead)
            returns: Any = options.num_returns
            if returns.__class__ is str:
                returns = self._hub.streams.terms(peer, number, returns)
            batch.append((number, key, returns, args, options.name, ahead))
            size += task.args.size
            task = task.next
            if task is not None and not lease.takes_ahead(task):
                task = None
        gate("push.sending")
        self._hub.send(peer, ("push", batch), fds)
        gate("push.sent")
        if peer.channel.broken:  # it died before it could read any of this
            self._take_back(lease, [number for number, *_ in batch])

    def _push_part(self, lease: Lease, burst: Burst, queue: deque[Task | Burst], batch: list[Message]) -> int:
        """Push as many tasks of the burst that is queued first as there is room for; give their bytes."""
        del queue[0]
        function = burst.function.definition
        cost = self._cost.get(function.id, AHEAD)
        room = min(MOST - lease.count, int((AHEAD - lease.load) / cost) + 1 if cost else MOST)
        count, size = burst.fitting(room)
        if count < burst.left:
            self._queue_first(queue, burst.cut(burst.first + count))
        burst.lease = lease
        lease.inflight[burst.first] = burst
        lease.count += count
        lease.load += cost * count
        if function.id not in lease.peer.shipped:
            self._hub.ship(lease.peer, function)
        batch.append(burst.row())
        return size

    def _queue_first(self, queue: deque[Task | Burst], burst: Burst) -> None:
        self._bursts.add(burst)
        queue.appendleft(burst)

    def _request(self, shape: _Shape) -> None:
        if shape.refusal:
            self._fail_queued(shape, lambda task: TaskUnschedulableError(task.name, shape.refusal))
            return
        for _ in range(shape.wanted):
            if not _several(shape.queue, shape.requested + 1):
                return
            shape.requested += 1
            reply = partial(self._granted, shape)
            self._hub.request(("lease",), shape.wanted_amounts, shape.env, reply=reply)

    def _fail_queued(self, shape: _Shape, error: Callable[[Task], BaseException]) -> None:
        self._dissolve([task for task in shape.queue if isinstance(task, Burst)])
        while shape.queue:
            task = shape.queue.popleft()
            assert isinstance(task, Task)
            self._finish(task, [Blob(ERROR, pack_error(error(task)))] * len(task.refs))

    def _granted(self, shape: _Shape, message: tuple[Any, ...]) -> None:
        if message[0] == "over":
            return
        shape.requested -= 1
        if message[0] == "denied":
            self._denied(shape, message[2])
            return
        shape.denied = False
        peer = self._hub.peers[message[2]]
        lease = peer.lease = Lease(peer, shape.shape)
        shape.leases.append(lease)
        gate("lease.granted")
        self._pump(shape)
        if not lease.inflight and len(shape.leases) > 1:
            self._give_up(lease)

    def _denied(self, shape: _Shape, why: str) -> None:
        """No process can be started, and every task waits for another: some of them have to fail.

        Not at the first answer, for we may have given a worker back after the question.
        """
        if shape.requested or not all(lease.waiting for lease in shape.leases):
            return
        if shape.denied:
            self._fail_queued(shape, lambda task: WorkerStartError(task.name, why))
        shape.denied = not shape.denied
        self._request(shape)

    def _give_up(self, lease: Lease) -> None:
        self._drop(lease)
        self._hub.tell_node(("return", lease.peer.id))

    def reclaim(self) -> None:
        """Others wait for workers: give back those that are idle, and the busy ones in a while."""
        self._reclaim = True
        self.give_back_idle()

    def give_back_idle(self) -> None:
        """Give back every worker that has nothing to do."""
        for shape in self.shapes.values():
            for lease in list(shape.leases):
                if not lease.inflight:
                    self._give_up(lease)

    # --------------------------------------------------------------------------------- from workers

    def results(
        self,
        lease: Lease,
        results: Sequence[Any],
        fds: list[Descriptor],
        seconds: float,
        bursts: Sequence[Any] = (),
    ) -> None:
        """A worker has finished tasks, some of them of bursts; they took `seconds` together."""
        gate("results.received")
        lease.busy = lease.waiting = False
        decode, peer = self._hub.parcels.decode, lease.peer
        functions: list[bytes] = []  # a few, most often one
        self._collecting = True
        for number, encoded in results:
            self._task_result(lease, number, [decode(peer, item, fds) for item in encoded], functions)
        finished = len(results)
        for first, number, count, encoded in bursts:
            blobs = [decode(peer, item, fds) for item in encoded]
            self._burst_results(lease, (first, number, count), blobs, functions)
            finished += count
        self._collecting = False
        self._finished += finished
        for key in functions:
            self._note_cost(key, seconds / finished, finished)
        if not lease.inflight:
            lease.load, lease.count = 0.0, 0
            if lease.retiring or self._reclaim:
                self._give_up(lease)
        elif self._reclaim and monotonic() - lease.granted > _SLICE:
            lease.retiring = True
        self._pump_all()

    def _task_result(self, lease: Lease, number: int, blobs: list[Blob], functions: list[bytes]) -> None:
        task = lease.inflight.pop(number, None)
        if task is None:
            return
        assert isinstance(task, Task)
        key = task.function.definition.id
        if key not in functions:
            functions.append(key)
        lease.count -= 1
        lease.load -= self._cost.get(key, AHEAD)
        if (task.void or task.missing) and not task.cancelled:
            self._run_again(task)
        elif blobs[-1].kind != ERROR or not self._retried(task, blobs[-1]):
            self._finish(task, blobs)

    def _burst_results(
        self, lease: Lease, which: tuple[int, int, int], blobs: list[Blob], functions: list[bytes]
    ) -> None:
        """Take the values of some tasks that were sent as a burst, or the one that all of them have."""
        first, number, count = which
        values = blobs if len(blobs) == count else blobs * count
        burst = lease.inflight.get(first)
        if not isinstance(burst, Burst):  # it was dissolved meanwhile
            for at, blob in enumerate(values, number):
                self._task_result(lease, at, [blob], functions)
            return
        key = burst.function.definition.id
        if key not in functions:
            functions.append(key)
        lease.count -= count
        lease.load -= self._cost.get(key, AHEAD) * count
        if any(blob.kind == ERROR for blob in blobs):
            self._errors(burst, count, values)
        else:
            for ref, blob in zip(burst.done(number, count), values, strict=True):
                if ref.then is None and ref.blob is None:
                    ref.blob = blob
                else:
                    self._hub.settle(ref, blob)
        if not burst.left:
            self._end_burst(lease, burst)

    def _errors(self, burst: Burst, count: int, values: list[Blob]) -> None:
        """Take values of the next tasks of a burst, errors among them, some of which may be tried again."""
        found = list(islice(burst.rest(), count))
        burst.done(found[0][-1].number, count)
        for plain, blob in zip(found, values, strict=True):
            task = self._tasks[plain[-1].number] = _task(plain)
            if blob.kind != ERROR or not self._retried(task, blob):
                self._finish(task, [blob])

    def _dissolve(self, bursts: Iterable[Burst]) -> None:
        """Make tasks of bursts, in the place where each of them is."""
        for burst in bursts:
            tasks = {plain[-1].number: _task(plain) for plain in burst.rest()}
            self._tasks.update(tasks)
            self._bursts.discard(burst)
            lease = burst.lease
            if lease is None:
                queue = self.shapes[burst.options.shape].queue
                at = queue.index(burst)
                queue.rotate(-at)
                queue.popleft()
                queue.extendleft(reversed(tasks.values()))
                queue.rotate(at)
                continue
            inflight, lease.inflight = lease.inflight, {}
            for number, task in inflight.items():
                lease.inflight.update(tasks if task is burst else {number: task})
            for task in tasks.values():
                task.lease = lease

    def refs_of(self, lease: Lease, number: int) -> list[Ref[Any]]:
        """Give the references of a task that a worker has; none if it has no such task."""
        task = lease.inflight.get(number)
        if task is None or isinstance(task, Burst):
            held = (t for t in lease.inflight.values() if isinstance(t, Burst) and t.holds(number))
            return [burst.refs[number - burst.first] for burst in held]
        return task.refs

    def _note_cost(self, function: bytes, seconds: float, times: int) -> None:
        known = self._cost.get(function, seconds)
        self._cost[function] = seconds + 0.8**times * (known - seconds)

    def _pump_all(self) -> None:
        for shape in self.shapes.values():
            if shape.queue:
                self._pump(shape)

    def _retried(self, task: Task, blob: Blob) -> bool:
        wanted = task.options.retry_exceptions
        if not wanted or task.cancelled or not self._attempts_left(task) or task.number not in self._tasks:
            return False
        error = _unpacked(blob)
        if isinstance(wanted, tuple) and not isinstance(error, wanted):
            return False
        if type(error) is TaskCancelledError:  # it interrupted itself; a child's would be a `TaskError` too
            return False
        task.attempts += 1
        self._run_again(task)
        return True

    def _run_again(self, task: Task) -> None:
        """Queue a task whose result does not count, and so does not that of what followed it."""
        if task.next is not None and task.next.lease is task.lease:
            task.next.void = True
        task.lease, task.void = None, False
        if not task.missing and task.number in self._tasks:
            self._enqueue(task)

    def _attempts_left(self, task: Task) -> bool:
        return task.options.max_retries < 0 or task.attempts < task.options.max_retries

    def given_back(self, lease: Lease, numbers: Sequence[Returned], *, waits: bool) -> None:
        """A worker gives back tasks that it has not started: the one that it runs takes long, or waits."""
        lease.busy = True
        lease.waiting = lease.waiting or waits
        self._take_back(lease, numbers)
        self._pump(self.shapes[lease.shape])

    def _take_back(self, lease: Lease, returned: Sequence[Returned]) -> None:
        queue = self.shapes[lease.shape].queue
        for number in reversed(returned):
            if isinstance(number, tuple):
                self._take_back_end(lease, *number)
                continue
            task = lease.inflight.pop(number, None)
            if task is None:
                continue
            if isinstance(task, Burst):
                lease.inflight[number] = task
                self._take_back_end(lease, number, task.first + len(task.refs) - task.left, task.left)
                continue
            task.lease, task.void = None, False
            lease.count -= 1
            lease.load -= self._cost.get(task.function.definition.id, AHEAD)
            if task.cancelled:
                self._finish_cancelled(task)
            elif not task.missing and number in self._tasks:
                queue.appendleft(task)
        if not lease.inflight:
            lease.load = 0.0  # what functions cost may have been known better meanwhile

    def _take_back_end(self, lease: Lease, first: int, number: int, count: int) -> None:
        """Queue the end of a burst again, from a number on."""
        burst = lease.inflight.get(first)
        if not isinstance(burst, Burst):  # it was dissolved meanwhile
            self._take_back(lease, range(number, number + count))
            return
        lease.count -= count
        lease.load -= self._cost.get(burst.function.definition.id, AHEAD) * count
        self._queue_first(self.shapes[lease.shape].queue, burst.cut(number))
        if not burst.left:
            self._end_burst(lease, burst)

    def _end_burst(self, lease: Lease, burst: Burst) -> None:
        self._bursts.discard(burst)
        del lease.inflight[burst.first]

    def unknown(self, lease: Lease, numbers: list[int]) -> None:
        """A worker gives back tasks that came too late to follow another: it has that value no more."""
        self._take_back(lease, numbers)
        self._pump(self.shapes[lease.shape])
        if not lease.inflight and self._reclaim:
            self._give_up(lease)

    def left(self, lease: Lease) -> None:
        """A worker ends because it has run what it may; it has started nothing of what it still has."""
        self._drop(lease)
        self._take_back(lease, list(lease.inflight))
        self._pump(self.shapes[lease.shape])

    def _drop(self, lease: Lease) -> None:
        lease.peer.lease = None
        self.shapes[lease.shape].leases.remove(lease)
        self._reclaim = False

    def lost(self, lease: Lease, how: str) -> None:
        """A worker has died: its tasks are tried again, if they may be."""
        shape = self.shapes[lease.shape]
        shape.leases.remove(lease)
        self._dissolve([task for task in lease.inflight.values() if isinstance(task, Burst)])
        inflight, lease.inflight = lease.inflight, {}
        lease.peer.lease = None  # lease and peer hold each other, and would keep the tasks' arguments
        for task in inflight.values():
            assert isinstance(task, Task)
            task.lease, task.void = None, False
            left = lease.forced or self._attempts_left(task)
            task.attempts += not lease.forced  # we had it killed for one task: the others are not to blame
            if task.number not in self._tasks:  # an input has failed meanwhile
                continue
            if task.cancelled:
                self._finish_cancelled(task)
            elif left:
                if not task.missing:
                    shape.queue.append(task)
            else:
                error = WorkerCrashedError(task.name, task.attempts, how)
                self._finish(task, [Blob(ERROR, pack_error(error))] * len(task.refs))
        self._pump(shape)

    def _finish(self, task: Task, blobs: list[Blob]) -> None:
        pending = self._tasks.pop(task.number, None)  # not if it ran ahead of an input that failed
        if self.times is not None:
            self.note_end(task.name, task.number)
        if pending is not None and blobs and blobs[-1].kind == ERROR:
            blobs = unread(blobs, self._hub.loop)
        for ref, blob in zip(task.refs, blobs, strict=True):
            self._hub.settle(ref, blob)

    # ----------------------------------------------------------------------------------- cancelling

    def cancel(self, ref: Ref[Any], *, force: bool, recursive: bool) -> bool:
        """Ask the task of a reference of ours to end, if it has not; False if there is no such task."""
        self._dissolve([burst for burst in self._bursts if burst.holds(ref.number)])
        task = self._tasks.get(ref.number) or next((t for t in self._tasks.values() if t.gives(ref)), None)
        if task is not None:
            self._cancel(task, force=force, recursive=recursive)
        return task is not None

    def cancel_children(self, parent: object) -> None:
        """Ask all tasks to end that were submitted inside that work."""
        self._dissolve([burst for burst in self._bursts if burst.parent is parent])
        for task in [t for t in self._tasks.values() if t.parent is parent]:
            self._cancel(task, force=False, recursive=True)

    def _cancel(self, task: Task, *, force: bool, recursive: bool) -> None:
        if task.cancelled and not force:
            return
        task.cancelled = True
        lease = task.lease
        if lease is not None:
            lease.forced = lease.forced or force
            if force and next(iter(lease.inflight.values())) is task:
                self._hub.tell_node(("kill", lease.peer.id, None, True))
            else:  # behind another, so it has not started, or the worker will see to it
                self._hub.send(lease.peer, ("cancel", task.number, recursive, force))
            return
        shape = self.shapes[task.options.shape]
        if task in shape.queue:
            shape.queue.remove(task)
            self._pump(shape)  # another is the first now
        self._finish_cancelled(task)

    def _finish_cancelled(self, task: Task) -> None:
        blob = Blob(ERROR, pack_error(TaskCancelledError(task.name)))
        self._finish(task, [blob] * len(task.refs))

    def fail_all(self, error: BaseException) -> None:
        """The session is over: nothing that is pending will come."""
        blob = Blob(ERROR, pack_error(error))
        self._dissolve(list(self._bursts))
        for task in list(self._tasks.values()):
            self._finish(task, [blob] * len(task.refs))


def _task(plain: Plain) -> Task:
    function, options, parent, args, ref = plain
    return Task(function, args, options, [ref], (), parent)


def _several(queue: deque[Task | Burst], count: int) -> bool:
    """Whether so many tasks are queued."""
    for task in queue:
        count -= task.left
        if count <= 0:
            return True
    return False


def _unpacked(blob: Blob) -> BaseException | None:
    try:
        return unpack_error(blob.data)
    except Exception:  # a user's class that cannot be had here: whoever asks for the value will see
        return None


def _not_computed(blob: Blob, task: Task) -> Blob:
    error = _unpacked(blob)
    if error is None:
        return blob
    blob.seen()
    error.add_note(f"{task.name} was not run: this input of it could not be computed")
    return Blob(ERROR, pack_error(error))

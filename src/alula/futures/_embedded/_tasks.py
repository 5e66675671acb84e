"""The owner's side of tasks: what waits for inputs, what is queued, and which workers are lent to us.

Tasks that need the same resources share a queue and the workers lent for it. A worker is given as many
tasks as it will work through in about ten milliseconds, judged by how long the function took before, so
that neither side waits for the other. A worker that finds itself busy for longer, or waiting inside a
task, gives back what it has not started; so nothing is ever queued behind a long task.
"""

import warnings
from collections import deque
from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...errors import TaskCancelledError, WorkerCrashedError
from .._errors import pack_error, unpack_error
from .._options import TaskOptions
from .._remote import Function
from ._values import ERROR, Blob, Ref

if TYPE_CHECKING:
    from ._engine import Embedded
    from ._peers import Peer

__all__ = ["Lease", "Task", "Tasks"]

_AHEAD = 0.010  # s of work that a worker is given at once
_MOST = 1000  # tasks that a worker is given at once
_SLICE = 0.100  # s after which a lease is given back if others wait
_BATCH_FDS = 200

Shape = tuple[tuple[str, float], ...]


class Task:
    """One task that we own and that has no result yet."""

    __slots__ = ("args", "attempts", "cancelled", "function", "lease", "missing", "options", "refs", "shape")

    def __init__(self, function: Function, args: Blob, options: TaskOptions, refs: list[Ref[Any]]) -> None:
        self.function, self.args, self.options, self.refs = function, args, options, refs
        self.missing = 0
        self.attempts = 0
        self.cancelled = False
        self.lease: Lease | None = None
        self.shape: Shape = _shape(options)

    @property
    def name(self) -> str:
        """How people see it."""
        return self.options.name or self.function.name

    @property
    def number(self) -> int:
        """The number of its first reference, by which worker and owner speak of it."""
        return self.refs[0].number


def _shape(options: TaskOptions) -> Shape:
    if not options.resources:
        return (("CPU", options.num_cpus),) if options.num_cpus else ()
    amounts = {"CPU": options.num_cpus, **options.resources}
    return tuple(sorted((name, amount) for name, amount in amounts.items() if amount))


class Lease:
    """A worker that is lent to us for tasks of one shape."""

    __slots__ = ("busy", "granted", "inflight", "load", "peer", "retiring", "shape")

    def __init__(self, peer: "Peer", shape: Shape) -> None:
        self.peer, self.shape = peer, shape
        self.inflight: dict[int, Task] = {}
        self.load = 0.0  # s that the tasks in flight are expected to take
        self.busy = False  # it gave tasks back: it takes more after its next result
        self.retiring = False
        self.granted = monotonic()

    def takes(self, task: Task) -> bool:
        """Whether the task may be pushed now.

        One that must not run twice is pushed alone: had its worker died while others were in flight,
        nobody could tell whether it had started.
        """
        if not self.inflight:
            return not self.retiring
        if self.busy or self.retiring or not task.options.max_retries:
            return False
        return self.load < _AHEAD and len(self.inflight) < _MOST and not self._alone()

    def _alone(self) -> bool:
        return len(self.inflight) == 1 and not next(iter(self.inflight.values())).options.max_retries


class _Shape:
    """Queue and workers for tasks of one shape."""

    __slots__ = ("leases", "queue", "requested", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.queue: deque[Task] = deque()
        self.leases: list[Lease] = []
        self.requested = 0


class Tasks:
    """All tasks of this process. Every method is called with the engine's lock held."""

    def __init__(self, engine: "Embedded", total: Mapping[str, float]) -> None:
        self._engine = engine
        self._total = total
        self._shapes: dict[Shape, _Shape] = {}
        self._tasks: dict[int, Task] = {}  # by number, those without a result
        self._cost: dict[bytes, float] = {}  # s that a function took lately
        self._reclaim = False

    def add(self, task: Task, inputs: list[Ref[Any]]) -> None:
        """Take a new task; it is queued when its inputs have their values."""
        self._tasks[task.number] = task
        for ref in inputs:
            if ref.blob is None:
                task.missing += 1
                ref.on_settled(partial(self._input_settled, task, ref))
            elif ref.blob.kind == ERROR:
                self._finish(task, [_not_computed(ref.blob, task)] * len(task.refs))
                return
        if not task.missing:
            self._enqueue(task)

    def _input_settled(self, task: Task, ref: Ref[Any]) -> None:
        assert ref.blob is not None
        task.missing -= 1
        if task.number not in self._tasks:
            return
        if ref.blob.kind == ERROR:
            self._finish(task, [_not_computed(ref.blob, task)] * len(task.refs))
        elif not task.missing:
            self._enqueue(task)

    def _enqueue(self, task: Task) -> None:
        shape = self._shapes.get(task.shape)
        if shape is None:
            shape = self._shapes[task.shape] = _Shape(task.shape)
        shape.queue.append(task)
        self._pump(shape)

    # ----------------------------------------------------------------------------------- to workers

    def _pump(self, shape: _Shape) -> None:
        """Give queued tasks to workers with room, and ask for more workers if there is none left."""
        queue = shape.queue
        while queue:
            lease = min(shape.leases, key=_load, default=None)
            if lease is None or not lease.takes(queue[0]):
                break
            self._fill(lease, queue)
        if queue:
            self._request(shape)

    def _fill(self, lease: Lease, queue: deque[Task]) -> None:
        batch: list[Any] = []
        fds: list[int] = []
        while queue and lease.takes(queue[0]) and len(fds) < _BATCH_FDS:
            task = queue.popleft()
            key = task.function.definition.id
            task.lease = lease
            lease.inflight[task.number] = task
            lease.load += self._cost.get(key, _AHEAD)
            self._engine.ship(lease.peer, task.function)
            args = self._engine.encode(lease.peer, task.args, fds)
            batch.append((task.number, key, len(task.refs), args, task.options.name))
        self._engine.send(lease.peer, ("push", batch), fds)

    def _request(self, shape: _Shape) -> None:
        limit = self._limit(shape)
        wanted = min(len(shape.queue), limit - len(shape.leases)) - shape.requested
        for _ in range(wanted):
            shape.requested += 1
            self._engine.request(("lease",), dict(shape.shape), reply=lambda m: self._granted(shape, m))

    def _limit(self, shape: _Shape) -> int:
        """How many workers of this shape can be had at all."""
        if not shape.shape:
            return 16  # tasks that hold nothing: as many as a small machine bears
        fit = min(int(self._total.get(name, 0) / amount + 1e-9) for name, amount in shape.shape)
        if fit:
            return fit
        if not shape.requested:
            warnings.warn(
                f"no worker can ever have {dict(shape.shape)}: there are {dict(self._total)}. The tasks wait",
                RuntimeWarning,
                stacklevel=8,
            )
        return 1

    def _granted(self, shape: _Shape, message: tuple[Any, ...]) -> None:
        shape.requested -= 1
        peer = self._engine.peer(message[2])
        lease = peer.lease = Lease(peer, shape.shape)
        shape.leases.append(lease)
        self._pump(shape)
        if not lease.inflight and len(shape.leases) > 1:
            self._give_up(lease)

    def _give_up(self, lease: Lease) -> None:
        lease.peer.lease = None
        self._shapes[lease.shape].leases.remove(lease)
        self._engine.tell_node(("return", lease.peer.id))
        self._reclaim = False

    def reclaim(self) -> None:
        """Others wait for workers: give back those that are idle, and the busy ones in a while."""
        self._reclaim = True
        self.give_back_idle()

    def give_back_idle(self) -> None:
        """Give back every worker that has nothing to do."""
        for shape in self._shapes.values():
            for lease in list(shape.leases):
                if not lease.inflight:
                    self._give_up(lease)

    # --------------------------------------------------------------------------------- from workers

    def results(self, lease: Lease, results: list[Any], fds: list[int], seconds: float) -> None:
        """A worker has finished tasks; they took `seconds` together."""
        lease.busy = False
        each = seconds / len(results)
        for number, encoded in results:
            blobs = [self._engine.decode(lease.peer, item, fds) for item in encoded]
            task = lease.inflight.pop(number, None)
            if task is None:
                continue
            key = task.function.definition.id
            known = self._cost.get(key)
            lease.load -= _AHEAD if known is None else known
            self._cost[key] = each if known is None else known + 0.2 * (each - known)
            self._result(task, blobs)
        shape = self._shapes[lease.shape]
        if not lease.inflight:
            lease.load = 0.0
            if lease.retiring or self._reclaim:
                self._give_up(lease)
        elif self._reclaim and monotonic() - lease.granted > _SLICE:
            lease.retiring = True
        self._pump(shape)

    def _result(self, task: Task, blobs: list[Blob]) -> None:
        if blobs[0].kind == ERROR and self._retried(task, blobs[0]):
            return
        self._finish(task, blobs)

    def _retried(self, task: Task, blob: Blob) -> bool:
        wanted = task.options.retry_exceptions
        if not wanted or task.cancelled or not self._attempts_left(task):
            return False
        if isinstance(wanted, tuple) and not isinstance(unpack_error(blob.data), wanted):
            return False
        task.attempts += 1
        task.lease = None
        self._enqueue(task)
        return True

    def _attempts_left(self, task: Task) -> bool:
        return task.options.max_retries < 0 or task.attempts < task.options.max_retries

    def given_back(self, lease: Lease, numbers: list[int]) -> None:
        """A worker gives back tasks that it has not started, because it is busy for longer."""
        lease.busy = True
        shape = self._shapes[lease.shape]
        for number in reversed(numbers):
            task = lease.inflight.pop(number, None)
            if task is None:
                continue
            task.lease = None
            lease.load -= self._cost.get(task.function.definition.id, _AHEAD)
            if task.cancelled:
                self._finish_cancelled(task)
            else:
                shape.queue.appendleft(task)
        self._pump(shape)

    def lost(self, lease: Lease, how: str) -> None:
        """A worker has died: its tasks are tried again, if they may be."""
        shape = self._shapes[lease.shape]
        shape.leases.remove(lease)
        first = True
        for task in lease.inflight.values():
            task.lease = None
            # Only the first can have been the cause; the others were waiting behind it.
            may_run = self._attempts_left(task) if first else True
            task.attempts += first
            first = False
            if task.cancelled:
                self._finish_cancelled(task)
            elif may_run:
                shape.queue.append(task)
            else:
                error = WorkerCrashedError(task.name, task.attempts, how)
                self._finish(task, [Blob(ERROR, pack_error(error))] * len(task.refs))
        self._pump(shape)

    def _finish(self, task: Task, blobs: list[Blob]) -> None:
        self._tasks.pop(task.number, None)
        for ref, blob in zip(task.refs, blobs, strict=True):
            self._engine.settle(ref, blob)

    # ----------------------------------------------------------------------------------- cancelling

    def cancel(self, ref: Ref[Any], *, force: bool) -> None:
        """Ask the task of a reference to end, if it has not."""
        task = self._tasks.get(ref.number) or next((t for t in self._tasks.values() if ref in t.refs), None)
        if task is None or task.cancelled:
            return
        task.cancelled = True
        if task.lease is not None:
            if force:
                self._engine.tell_node(("kill", task.lease.peer.id, None))
            else:
                self._engine.send(task.lease.peer, ("cancel", task.number))
            return
        shape = self._shapes.get(task.shape)
        if shape is not None and task in shape.queue:
            shape.queue.remove(task)
        self._finish_cancelled(task)

    def _finish_cancelled(self, task: Task) -> None:
        blob = Blob(ERROR, pack_error(TaskCancelledError(task.name)))
        self._finish(task, [blob] * len(task.refs))

    def fail_all(self, error: BaseException) -> None:
        """The session is over: nothing that is pending will come."""
        blob = Blob(ERROR, pack_error(error))
        for task in list(self._tasks.values()):
            self._finish(task, [blob] * len(task.refs))


def _load(lease: Lease) -> float:
    return lease.load + lease.busy


def _not_computed(blob: Blob, task: Task) -> Blob:
    error = unpack_error(blob.data)
    error.add_note(f"{task.name} was not run: this input of it could not be computed")
    return Blob(ERROR, pack_error(error))

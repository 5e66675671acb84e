"""One command on its way through the devices: its operations, and where they wait, run and end.

All of it lives on the server's thread, but for what a backend does in a thread of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, Protocol, TypeAlias

from .._core._clock import Clock
from ..errors import TaskCancelledError
from ..graph import Call, Cancel, Done, Failed, Then
from ._models import Stop
from ._resident import Value
from ._work import Work

__all__ = ["Job", "Queue", "Round", "Seat", "Seen", "Skipped", "TimedOut", "Turn"]

Seen: TypeAlias = Literal["running", "ok", "error"]


class TimedOut(Exception):
    """A command waited in a queue for longer than it wanted to."""


class Skipped(Exception):
    """An operation did not begin, because another one of its command had failed."""


@dataclass(slots=True, eq=False)
class Job:
    """One operation: waiting until it has begun, then running, then over.

    Attributes
    ----------
    work, target, inputs
        What is to be run, and on what.
    then
        Who waits for the answer; None once there was one.
    seat
        Of its command, at its device.
    since
        When its inputs were there; once it has begun, when that was.
    queued
        Seconds from the one to the other.
    round
        The call of a backend that it has a part in, if it runs on another thread.
    group
        What it has in common with operations that it could run together with, while it waits; None if
        it runs alone.
    """

    work: Work
    target: Any
    inputs: tuple[Value, ...]
    then: Then | None
    seat: "Seat"
    since: float
    queued: float = 0.0
    round: "Round | None" = None
    group: tuple[Any, ...] | None = None

    def __lt__(self, other: "Job") -> bool:
        if self.seat is other.seat:
            return self.work.position < other.work.position
        return self.seat < other.seat

    @property
    def rows(self) -> int:
        """The first dimension of its inputs."""
        return self.inputs[0].shape[0]

    def begin(self, now: float) -> None:
        """Note that it begins."""
        self.queued, self.since = now - self.since, now
        self.target.counts.begin(now)
        self.seat.running += 1
        self.seat.turn.saw(self, "running")

    def cancel(self) -> None:
        """Answer at once. What runs is asked to end, and what it gives is thrown away."""
        if self.then is not None:
            if self.round is not None:
                self.round.leave()
            self.seat.turn.watch = None
            self.drop(TaskCancelledError("the model run"))

    def drop(self, error: BaseException) -> None:
        """Answer an operation that nobody waits for any more, or that will not begin."""
        if self.group is not None:
            self.seat.queue.forget(self)
        self.inputs = ()  # the job may lie in its queue for long, its tensors must not
        self.answer(Failed(error))

    def answer(self, outcome: Done[Any] | Failed) -> None:
        """Tell the drive how it ended, unless it was told already."""
        then, self.then = self.then, None
        if then is not None:
            then(outcome)


class Round:
    """One call of a backend on a thread of its own, for one operation or for a batch."""

    __slots__ = ("_wanted", "stop")

    def __init__(self, jobs: list[Job]) -> None:
        self.stop = Stop()
        self._wanted = len(jobs)
        for job in jobs:
            job.round = self

    def leave(self) -> None:
        """Note that one of the operations is not wanted any more; if none is, nor is the run."""
        self._wanted -= 1
        if not self._wanted:
            self.stop.ask()


@dataclass(slots=True, eq=False)
class Seat:
    """One command at one device.

    Attributes
    ----------
    turn, queue
        The command, and the device.
    waiting
        Operations whose inputs are there: a heap, by their place in the listing.
    running
        How many have begun and not ended.
    parked
        Operations whose inputs are there, and that wait for something else: for others to make a batch
        with, or for their place in an order.
    queued
        Whether it stands in the queue.
    filling
        Whether somebody further up is at work on `waiting`.
    """

    turn: "Turn"
    queue: "Queue"
    waiting: list[Job] = field(default_factory=list)
    running: int = 0
    parked: list[Job] = field(default_factory=list)
    queued: bool = False
    filling: bool = False

    def __lt__(self, other: "Seat") -> bool:
        return self.turn.number < other.turn.number


class Queue(Protocol):
    """A device, as a command sees it."""

    def enter(self, job: Job) -> None:
        """Take an operation whose inputs are there; it may run and end in this call."""
        ...

    def leave(self, seat: Seat) -> None:
        """Give the place of a command that wants nothing here for now to the next one."""
        ...

    def forget(self, job: Job) -> None:
        """Make no batch with an operation that will not run."""
        ...


class Turn:
    """The place where one command's graph runs: its seats at the devices.

    Everything happens inside `go`, which keeps the seats through all that starts as a consequence of
    one event; so the operations of one command follow each other directly.

    Parameters
    ----------
    number
        By which commands stand in their order.
    find
        Gives the device of a name.
    clock, timeout
        By what, and for how many seconds, it may wait in queues; None is for ever.

    Attributes
    ----------
    since
        When it came.
    until
        When its time is over; None is never.
    late
        Outputs of operations that have ended after another one had failed, by their positions; None as
        long as none has failed.
    watch
        Told of every operation that begins and ends, by its position, if somebody wants to know.
    """

    __slots__ = (
        *("_behind", "_clock", "_deep", "_find", "_lacks", "_ordered", "_seats"),
        *("_take", "late", "number", "since", "until", "watch"),
    )

    def __init__(
        self, number: int, find: Callable[[str], Queue], clock: Clock, timeout: float | None
    ) -> None:
        self.number = number
        self.since = clock.monotonic()
        self.until = None if timeout is None else self.since + timeout
        self.late: dict[int, tuple[Value, ...]] | None = None
        self.watch: Callable[[int, Seen], None] | None = None
        self._find, self._clock = find, clock
        self._seats: dict[str, Seat] = {}
        self._deep = 0
        self._take: Callable[[tuple[int | bytes, ...]], None] | None = None
        self._behind: Mapping[int, list[int]] | None = None  # of an operation: those that come after it
        self._lacks: dict[int, int] = {}  # of those: how many have to end before
        self._ordered: dict[int, Job] = {}  # whose inputs are there, while others have to end before

    def order(self, chains: list[list[int]]) -> None:
        """Let operations of each chain, by their positions, begin only when the one before has ended."""
        behind: dict[int, list[int]] = {}
        for chain in chains:
            for before, after in pairwise(chain):
                behind.setdefault(before, []).append(after)
                self._lacks[after] = self._lacks.get(after, 0) + 1
        self._behind = behind or None

    def tell(self, take: Callable[[tuple[int | bytes, ...]], None] | None) -> None:
        """Call `take` with what of the command's own an operation reads, when it has it."""
        self._take = take

    @property
    def expired(self) -> bool:
        """Whether the command has waited for longer than it wanted to."""
        return self.until is not None and self._clock.monotonic() > self.until

    def go(self, step: Callable[[], object]) -> None:
        """Take a step of the command, then leave every device where nothing of it runs or waits."""
        self._deep += 1
        try:
            step()
        finally:
            self._deep -= 1
        if not self._deep:
            idle = [name for name, s in self._seats.items() if not (s.running or s.waiting)]
            for name in idle:
                seat = self._seats[name]
                if not seat.parked:
                    del self._seats[name]
                seat.queue.leave(seat)

    def start(self, call: Call, then: Then) -> Cancel:
        """Begin a node: put an operation into its device's queue, or answer at once."""
        work = call.fn
        if not isinstance(work, Work):
            then(Done(call.fn(*call.args)))
            return _nothing
        target, *inputs = call.args
        name = target.queue
        seat = self._seats.get(name)
        if seat is None:
            seat = self._seats[name] = Seat(self, self._find(name))
        job = Job(work, target, tuple(inputs), then, seat, self._clock.monotonic())
        if work.reads and self._take is not None:
            self._take(work.reads)
        if self._lacks.get(work.position):
            self._ordered[work.position] = job
            seat.parked.append(job)
        else:
            seat.queue.enter(job)
        return job.cancel

    def saw(self, job: Job, what: Seen) -> None:
        """Tell who watches."""
        if self.watch is not None:
            self.watch(job.work.position, what)

    def ended(self, job: Job) -> None:
        """Let the operations begin that had to come after one; for every one that has run."""
        if self._behind is None:
            return
        for after in self._behind.get(job.work.position, ()):
            self._lacks[after] -= 1
            if not self._lacks[after] and after in self._ordered:
                ready = self._ordered.pop(after)
                ready.seat.parked.remove(ready)
                ready.seat.queue.enter(ready)

    def fail(self) -> None:
        """Skip all operations that have not begun: another one has failed."""
        self.late = self.late or {}
        self._ordered.clear()
        for seat in list(self._seats.values()):
            jobs = [*seat.waiting, *seat.parked]
            seat.waiting.clear()
            for job in jobs:
                job.drop(Skipped())
            seat.parked.clear()


def _nothing() -> None:
    pass

"""Where models run: a queue per device string, and threads beside the server's own.

Two numbers are kept apart. `slots` is how many *commands* a device works on at once; the others wait,
and start in the order of their arrival. `width` is how many operations of *one* command may run on a
device at once. Backends let go of the interpreter while they compute, so threads are enough.

All of this lives on the server's thread. Only a backend's `run` happens elsewhere; its end comes
back through the loop. A model that is known to be quicker than the way to another thread and back is
run right here.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Any, TypeAlias

from .._core._clock import Clock
from ..errors import CommandError, TaskCancelledError
from ..graph import Call, Cancel, Done, Failed, Then
from ._models import Model
from ._plan import RunModel
from ._tensors import Tensor

__all__ = ["Devices", "TimedOut", "Turn", "Workers"]


class TimedOut(Exception):
    """A command waited in a queue for longer than it wanted to."""


Ended: TypeAlias = Callable[[Done[Any] | Failed], None]


class Workers:
    """Threads for what takes long; they are made as they are needed, and stay.

    Parameters
    ----------
    loop
        Where the ends are told.
    limit
        The most threads; more work than that waits.
    name
        Of the threads, for people who look at the process.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, limit: int, name: str) -> None:
        self._loop, self._limit, self._name = loop, limit, name
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Ended] | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._busy = 0

    def submit(self, work: Callable[[], Any], ended: Ended) -> None:
        """Do the work in another thread; `ended` is called on the loop's thread, exactly once."""
        self._busy += 1
        if self._busy > len(self._threads) < self._limit:
            name = f"{self._name}-{len(self._threads)}"
            # A backend that never returns must not keep the process from ending.
            self._threads.append(Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()
        self._jobs.put((work, ended))

    def close(self, timeout: float) -> None:
        """End the threads, waiting for them until `timeout` s have passed."""
        for _ in self._threads:
            self._jobs.put(None)
        until = perf_counter() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - perf_counter()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, ended = job
            outcome = _outcome(work)
            with suppress(RuntimeError):  # the loop is closed: nobody is there to hear of it
                self._loop.call_soon_threadsafe(self._end, ended, outcome)
            del job, work, ended, outcome  # a waiting thread must not keep tensors alive

    def _end(self, ended: Ended, outcome: Done[Any] | Failed) -> None:
        self._busy -= 1
        ended(outcome)


def _outcome(work: Callable[[], Any]) -> Done[Any] | Failed:
    try:
        return Done(work())
    except Exception as error:  # a backend's code: what it raises is the answer
        return Failed(error)


@dataclass(slots=True, eq=False)
class _Job:
    """One model run on its way: waiting until it has begun, then running, then over."""

    run: RunModel
    model: Model
    inputs: tuple[Tensor, ...]
    then: Then | None
    begun: bool = False

    def __lt__(self, other: "_Job") -> bool:
        return self.run.position < other.run.position

    def compute(self, clock: Clock) -> tuple[Any, float]:
        """Run the model; give the value of the node, and how long it took."""
        start = clock.monotonic()
        outputs = self.model.session.run(self.inputs)
        if len(outputs) != self.run.outputs:
            raise CommandError("ERR Model did not generate the expected number of outputs")
        return (outputs if self.run.outputs != 1 else outputs[0]), clock.monotonic() - start

    def cancel(self) -> None:
        """Answer at once if it has not begun; what runs is not interrupted."""
        if not self.begun:
            self.inputs = ()  # the job may lie in its queue for long, its tensors must not
            self.answer(Failed(TaskCancelledError("the model run")))

    def answer(self, outcome: Done[Any] | Failed) -> None:
        """Tell the drive how it ended, unless it was told already."""
        then, self.then = self.then, None
        if then is not None:
            then(outcome)


@dataclass(slots=True, eq=False)
class _Seat:
    """One command at one device."""

    turn: "Turn"
    waiting: list[_Job] = field(default_factory=list)  # a heap
    running: int = 0

    def __lt__(self, other: "_Seat") -> bool:
        return self.turn.number < other.turn.number

    @property
    def idle(self) -> bool:
        return not self.running and not self.waiting


class _Device:
    """One queue."""

    def __init__(self, workers: Workers, slots: int, width: int, clock: Clock) -> None:
        self._workers, self._slots, self._width, self._clock = workers, slots, width, clock
        self._taken: set[_Seat] = set()
        self._queue: list[_Seat] = []  # a heap: by arrival
        self._admitting = False

    def enter(self, seat: _Seat, job: _Job) -> None:
        heappush(seat.waiting, job)
        if seat in self._taken:
            self._fill(seat)
        elif len(seat.waiting) == 1:
            heappush(self._queue, seat)
            self._admit()

    def leave(self, seat: _Seat) -> None:
        """Give the place of a command that wants nothing here any more to the next one."""
        self._taken.discard(seat)
        self._admit()

    def _admit(self) -> None:
        if self._admitting:  # somebody further up is in this loop; so no queue makes a deep recursion
            return
        self._admitting = True
        try:
            while self._queue and len(self._taken) < self._slots:
                seat = heappop(self._queue)
                self._taken.add(seat)
                seat.turn.go(partial(self._fill, seat))
        finally:
            self._admitting = False

    def _fill(self, seat: _Seat) -> None:
        while seat.waiting and seat.running < self._width:
            job = heappop(seat.waiting)
            if job.then is None:
                continue
            if seat.turn.expired:
                job.answer(Failed(TimedOut()))
                continue
            job.begun = True
            seat.running += 1
            work = partial(job.compute, self._clock)
            if job.model.pace.quick(job.inputs):
                self._end(seat, job, _outcome(work))
            else:
                self._workers.submit(work, partial(self._tell, seat, job))

    def _end(self, seat: _Seat, job: _Job, outcome: Done[Any] | Failed) -> None:
        seat.running -= 1
        if isinstance(outcome, Done):
            value, seconds = outcome.value
            job.model.pace.note(job.inputs, seconds)
            outcome = Done(value)
        job.answer(outcome)

    def _tell(self, seat: _Seat, job: _Job, outcome: Done[Any] | Failed) -> None:
        seat.turn.go(partial(self._ended, seat, job, outcome))

    def _ended(self, seat: _Seat, job: _Job, outcome: Done[Any] | Failed) -> None:
        self._end(seat, job, outcome)
        self._fill(seat)


class Turn:
    """The place where one command's graph runs: its seats at the devices.

    Everything happens inside `go`, which keeps the seats through all that starts as a consequence of
    one event; so the operations of one command follow each other directly.
    """

    __slots__ = ("_deep", "_devices", "_seats", "_until", "number")

    def __init__(self, devices: "Devices", number: int, until: float | None) -> None:
        self.number = number
        self._devices, self._until = devices, until
        self._seats: dict[str, _Seat] = {}
        self._deep = 0

    @property
    def expired(self) -> bool:
        """Whether the command has waited for longer than it wanted to."""
        return self._until is not None and self._devices.clock.monotonic() > self._until

    def go(self, step: Callable[[], object]) -> None:
        """Take a step of the command, then leave every device where nothing of it runs or waits."""
        self._deep += 1
        try:
            step()
        finally:
            self._deep -= 1
        if not self._deep:
            for name in [name for name, seat in self._seats.items() if seat.idle]:
                self._devices.device(name).leave(self._seats.pop(name))

    def start(self, call: Call, then: Then) -> Cancel:
        """Begin a node: put a model run into its device's queue, or answer at once."""
        if not isinstance(call.fn, RunModel):
            then(Done(call.fn(*call.args)))
            return _nothing
        model, *inputs = call.args
        job = _Job(call.fn, model, tuple(inputs), then)
        name = model.queue
        seat = self._seats.get(name)
        if seat is None:
            seat = self._seats[name] = _Seat(self)
        self._devices.device(name).enter(seat, job)
        return job.cancel


def _nothing() -> None:
    pass


class Devices:
    """All devices that have been asked for so far.

    Parameters
    ----------
    loop
        The server's; everything but `run` of a backend happens on its thread.
    slots
        Commands that one device works on at once.
    width
        Operations of one command that may run on one device at once.
    clock
        By which timeouts and runs are measured.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, slots: int, width: int, clock: Clock) -> None:
        self.clock = clock
        self._loop, self._slots, self._width = loop, slots, width
        self._devices: dict[str, _Device] = {}
        self._workers: list[Workers] = []
        self._turns = 0

    def turn(self, timeout: float | None) -> Turn:
        """Give the place for one command that may wait `timeout` s in queues; None is for ever."""
        self._turns += 1
        return Turn(self, self._turns, None if timeout is None else self.clock.monotonic() + timeout)

    def device(self, name: str) -> _Device:
        """Give the queue of a device, making it if need be."""
        found = self._devices.get(name)
        if found is None:
            workers = Workers(self._loop, limit=self._slots * self._width, name=f"alula-{name}")
            self._workers.append(workers)
            found = self._devices[name] = _Device(workers, self._slots, self._width, self.clock)
        return found

    def close(self, timeout: float) -> None:
        """End the threads, waiting for those that are at work until `timeout` s have passed."""
        for workers in self._workers:
            workers.close(timeout)

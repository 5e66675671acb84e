"""Where operations run: a queue per device string, and threads beside the server's own.

Two numbers are kept apart. `slots` is how many *commands* a device works on at once; the others wait,
and start in the order of their arrival. `width` is how many operations of *one* command may run on a
device at once. Backends let go of the interpreter while they compute, so threads are enough.

All of this lives on the server's thread. Only a backend's `run` happens elsewhere; its end comes
back through the loop. A model that is known to be quicker than the way to another thread and back is
run right here. Which requests run together says `_batches`.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from time import thread_time
from typing import Any, Final, TypeAlias

from .._core._clock import Clock
from ..graph import Done, Failed
from ._batches import Batches, cut, join
from ._config import Config
from ._models import Stop
from ._resident import Value
from ._stats import Stats
from ._turns import Job, Round, Seat, TimedOut, Turn
from ._work import Work
from ._workers import Workers, outcome_of

__all__ = ["Devices"]


_Outputs: TypeAlias = tuple[list[tuple[Value, ...]], float, float | None]
"""The outputs of every operation of a call, how many seconds it took, and, if that was on a thread beside
the server's, how many of the processor."""

_EARLIEST: Final = 0.001  # seconds between two looks at whether something is due
_LATEST: Final = 86400.0  # a loop's alarms need not be good for more


class _Device:
    """One queue."""

    def __init__(self, devices: "Devices", workers: Workers, slots: int, width: int) -> None:
        self._devices, self._workers, self._slots, self._width = devices, workers, slots, width
        self._taken: set[Seat] = set()
        self._queue: list[Seat] = []  # a heap: by arrival
        self._admitting = False
        self._holds = 0  # while there is one, nothing begins: more is to come that may run together
        self._batches = Batches()
        self.parked: dict[Job, asyncio.TimerHandle | None] = {}  # those that wait for a batch

    @property
    def threads(self) -> list[int]:
        return self._workers.threads

    # ---------------------------------------------------------------------------------- the queue

    @property
    def free(self) -> bool:
        return not (self._taken or self._queue or self._holds)

    def enter(self, job: Job) -> None:
        if not job.target.batchsize:
            self._wait(job)
            return
        self._holds += 1
        for other in self._batches.add(job):
            if other in self.parked:
                self._leave_park(other)
                self._wait(other)
        self._wait(job)
        self._release()

    def _release(self) -> None:
        self._holds -= 1
        if not self._holds:
            for seat in [seat for seat in self._taken if seat.waiting]:
                seat.turn.go(partial(self._fill, seat))
            self._admit()

    def _wait(self, job: Job) -> None:
        seat = job.seat
        heappush(seat.waiting, job)
        if seat in self._taken:
            if not self._holds:
                self._fill(seat)
        elif not seat.queued:
            seat.queued = True
            heappush(self._queue, seat)
            self._admit()

    def leave(self, seat: Seat) -> None:
        self._taken.discard(seat)
        self._admit()

    def _admit(self) -> None:
        # Somebody further up may be in this loop; so no queue makes a deep recursion.
        if self._admitting or self._holds:
            return
        self._admitting = True
        try:
            while self._queue and len(self._taken) < self._slots:
                seat = heappop(self._queue)
                seat.queued = False
                if seat.waiting:  # else a batch has run it
                    self._taken.add(seat)
                    seat.turn.go(partial(self._fill, seat))
        finally:
            self._admitting = False

    def _fill(self, seat: Seat) -> None:
        """Begin what a command that has its turn may begin."""
        if seat.filling:
            return
        seat.filling = True
        try:
            while seat.waiting and seat.running < self._width:
                self._reach(heappop(seat.waiting))
        finally:
            seat.filling = False

    def _reach(self, job: Job) -> None:
        if job.then is None:
            return
        if job.seat.turn.expired:
            self._fail(job, TimedOut())
        elif job.group is None:
            self._begin(job)
        elif not (jobs := self._batches.take(job, due=self._due(job))):
            self._park(job)
        elif len(jobs) == 1:
            self._begin(job)
        else:
            self._begin_batch(jobs)

    # ------------------------------------------------------------------------- alone and together

    def _begin(self, job: Job) -> None:
        clock = self._devices.clock
        job.begin(clock.monotonic())
        pace = job.work.pace(job.target)
        if pace is not None and pace.quick(job.inputs):
            self._ended([job], outcome_of(partial(_run, job.work, job.target, job.inputs, clock, None)))
        else:
            call = partial(_run, job.work, job.target, job.inputs, clock, Round([job]).stop)
            self._workers.submit(call, partial(self._tell, job))

    def _tell(self, job: Job, outcome: Done[Any] | Failed) -> None:
        job.seat.turn.go(partial(self._end_one, job, outcome))

    def _end_one(self, job: Job, outcome: Done[Any] | Failed) -> None:
        self._ended([job], outcome)
        self._fill(job.seat)

    def _begin_batch(self, jobs: list[Job]) -> None:
        clock = self._devices.clock
        now = clock.monotonic()
        for job in jobs:
            if job in self.parked:
                self._leave_park(job)
            elif job is not jobs[0]:
                job.seat.waiting.remove(job)
                heapify(job.seat.waiting)
            job.begin(now)
        first, inputs = jobs[0], [job.inputs for job in jobs]
        call = partial(_run_batch, first.work, first.target, inputs, clock, Round(jobs).stop)
        self._workers.submit(call, partial(self._tell_batch, jobs))

    def _tell_batch(self, jobs: list[Job], outcome: Done[Any] | Failed) -> None:
        """End all of a batch before anything else begins: so what comes next can be a batch again."""
        self._holds += 1
        try:
            for index, job in enumerate(jobs):
                job.seat.turn.go(partial(self._ended, jobs, outcome, index))
        finally:
            self._release()

    def _ended(self, jobs: list[Job], outcome: Done[Any] | Failed, index: int = 0) -> None:
        """Answer one operation of those that ran together, the first, say."""
        job = jobs[index]
        job.seat.running -= 1
        job.target.counts.end(job.since)
        wanted = job.then is not None
        if isinstance(outcome, Done):
            found, seconds, processor = outcome.value
            outputs = found[index]
            pace = job.work.pace(job.target) if wanted and len(jobs) == 1 else None
            if pace is not None and processor is None:
                pace.note(seconds)
            elif pace is not None and processor is not None:
                pace.note_elsewhere(job.inputs, processor)
            job.inputs = ()  # before anybody asks who still holds them
            self._note(job, len(jobs), seconds, outputs)
            job.seat.turn.saw(job, "ok")
            if job.seat.turn.late is not None:
                job.seat.turn.late[job.work.position] = outputs
            job.answer(Done(outputs if job.work.outputs != 1 else outputs[0]))
        elif wanted:
            self._note(job, len(jobs), self._devices.clock.monotonic() - job.since, None)
            job.seat.turn.saw(job, "error")
            self._fail(job, outcome.error)
        job.seat.turn.ended(job)

    def _fail(self, job: Job, error: BaseException) -> None:
        job.drop(error)
        job.seat.turn.fail()

    def _note(self, job: Job, batch: int, seconds: float, outputs: tuple[Value, ...] | None) -> None:
        samples = outputs[0].shape[0] if outputs and outputs[0].shape else 0
        work, failed = job.work, outputs is None
        job.target.counts.note(seconds, samples, failed=failed)
        self._devices.stats.note(work.key, work.kind, job.queued, seconds, samples, batch, failed)

    # ------------------------------------------------------------------------ waiting for a batch

    def _due(self, job: Job) -> bool:
        """Whether an operation has waited for others for as long as its model lets it."""
        wait = job.target.minbatchtimeout
        return bool(wait) and self._devices.clock.monotonic() - job.seat.turn.since > wait / 1000

    def _park(self, job: Job) -> None:
        """Let an operation wait, in nobody's way, until others come or its time is over."""
        job.seat.parked.append(job)
        turn, wait = job.seat.turn, job.target.minbatchtimeout
        moments = [turn.since + wait / 1000] if wait else []
        if turn.until is not None:
            moments.append(turn.until)
        alarm = None
        if moments:
            seconds = min(max(_EARLIEST, min(moments) - self._devices.clock.monotonic()), _LATEST)
            alarm = self._devices.loop.call_later(seconds, self._look, job)
        self.parked[job] = alarm

    def _look(self, job: Job) -> None:
        """See what has become of an operation whose time may be over."""
        turn = job.seat.turn
        self._leave_park(job)
        if turn.expired:
            turn.go(partial(self._fail, job, TimedOut()))
        elif self._due(job):
            turn.go(partial(self._wait, job))
        else:
            self._park(job)

    def _leave_park(self, job: Job) -> None:
        alarm = self.parked.pop(job)
        if alarm is not None:
            alarm.cancel()
        job.seat.parked.remove(job)

    def forget(self, job: Job) -> None:
        if job in self.parked:
            self._leave_park(job)
        self._batches.remove(job)


# ------------------------------------------------------------------------- in a thread of its own


def _run(work: Work, target: Any, inputs: Sequence[Value], clock: Clock, stop: Stop | None) -> _Outputs:
    start, spent = clock.monotonic(), None if stop is None else thread_time()
    outputs = work.run(target, inputs, stop)
    processor = None if spent is None else thread_time() - spent
    return [outputs], clock.monotonic() - start, processor


def _run_batch(
    work: Work, target: Any, requests: list[tuple[Value, ...]], clock: Clock, stop: Stop
) -> _Outputs:
    inputs = join(requests)
    start = clock.monotonic()
    outputs = work.run(target, inputs, stop)
    seconds = clock.monotonic() - start
    return cut(outputs, [values[0].shape[0] for values in requests]), seconds, None


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
    config
        Of the server; by default its defaults.
    stats
        Told of every operation that has run, also of those that nobody waited for any more if they were
        not cut short; by default nobody is.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        slots: int,
        width: int,
        clock: Clock,
        config: Config | None = None,
        stats: Stats | None = None,
    ) -> None:
        self.loop, self.clock, self.stats = loop, clock, stats or Stats()
        self._config = config or Config()
        self._slots, self._width = slots, width
        self._devices: dict[str, _Device] = {}
        self._workers: list[Workers] = []
        self._turns = 0

    def turn(self, timeout: float | None) -> Turn:
        """Give the place for one command that may wait `timeout` s in queues; None is for ever."""
        self._turns += 1
        return Turn(self._turns, self.device, self.clock, timeout)

    def device(self, name: str) -> _Device:
        """Give the queue of a device, making it if need be."""
        found = self._devices.get(name)
        if found is None:
            workers = Workers(self.loop, limit=self._slots * self._width, name=f"alula-{name}")
            self._workers.append(workers)
            found = self._devices[name] = _Device(self, workers, self._slots, self._width)
        return found

    def free(self, name: str) -> bool:
        """Tell whether no command runs or waits on a device."""
        return self.device(name).free

    @property
    def parallel(self) -> bool:
        """Whether operations of a command begin as soon as their inputs are there.

        If not, those of one device run one after the other, in listing order.
        """
        return self._config.dag_parallel

    @property
    def parked(self) -> int:
        """How many operations wait for others to make a batch with."""
        return sum(len(device.parked) for device in self._devices.values())

    def threads(self) -> dict[str, list[int]]:
        """Give the identities of every device's threads."""
        return {name: device.threads for name, device in self._devices.items()}

    @property
    def stuck(self) -> bool:
        """Whether something still runs that was asked to end."""
        return any(workers.stuck for workers in self._workers)

    def close(self, timeout: float) -> None:
        """End the threads, waiting for those that are at work until `timeout` s have passed."""
        for workers in self._workers:
            workers.close(timeout)

"""The runs of this process: what it owns, and how that begins and ends.

Whoever becomes or ceases to be the owner of a workflow does so in one transaction, made in the one
thread that makes all posted writes of this process. So what this process believes to run, and what
the records say it runs, agree.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Event, Lock, get_ident
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from .._core._gates import gate
from ..errors import (
    StoreUnavailableError,
    WorkflowError,
    WorkflowNotResumableError,
    WorkflowOutputNotReady,
)
from ..futures import Engine
from ..store import Executors, Lease, Store
from ._deadline import Deadline, expire
from ._followed import Followed
from ._here import Here
from ._journal import PYTHON, Journal, Submission
from ._line import UNLIMITED, Limits, Line
from ._owner import disown, keep_attempt, reserve, take
from ._place import TaskPlace
from ._queue import QUEUE
from ._queues import admit
from ._records import Records, WorkflowRow
from ._rows import TaskRow
from ._run import Run
from ._scheduler import Scheduler
from ._schedules import Schedules
from ._site import Aside, Factory, Site
from ._status import WorkflowStatus
from ._vault import Vault
from ._watch import TOPIC, Watch
from ._worker import RUNNER, perform

__all__ = ["Runs"]

R = TypeVar("R")


class Runs:
    """What one executor runs.

    Attributes
    ----------
    records
        What is recorded of all workflows; knows of those that run here.
    load
        Which tasks of all of them are on the engine now.
    timers
        By the store's clock.
    reserves
        Whether anything may wait in named queues for this executor alone.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        lease: Lease,
        executors: Executors,
        watch: Watch,
        kinds: Mapping[str, Factory],
        limits: Limits = UNLIMITED,
    ) -> None:
        self._aside, self._kinds = Aside(store, lease.name), kinds
        self.load, self.timers = self._aside.load, self._aside.timers
        self._followed = Followed(store, lease.name)
        self.records = Records(store, executors, vault, self._runs_here)
        self._store, self._vault, self._lease, self._watch = store, vault, lease, watch
        self._executors = executors
        self._lock = Lock()
        self._closed = self.reserves = False
        self._writer = 0  # the thread that makes the posted writes, as far as it is known
        self._line = Line(limits)
        self._active: dict[str, Run] = {}
        self._ending: dict[str, Run] = {}  # nobody waits for these any more, but some of it still runs

    def adopt(self, parent: Any) -> None:
        """Let the runs begin children by way of an executor."""
        self._aside.parent = parent

    def write(
        self, work: Callable[[Connection], R], then: Callable[[bool], None] = lambda durable: None
    ) -> R:
        """Do some work in the writer's thread, and give its result when it is durable.

        Parameters
        ----------
        work
            What to do, inside a transaction.
        then
            Called in that thread before this returns; told whether it is durable.

        Raises
        ------
        RuntimeError
            If this is called in that thread itself, from somebody's callback: it would wait for itself.
        """
        if get_ident() == self._writer:
            raise RuntimeError("this waits for the store, so no callback may call it: use another thread")
        done = Event()
        answer: list[tuple[R | None, BaseException | None]] = []

        def told(result: R | None, error: BaseException | None) -> None:
            self._writer = get_ident()
            try:
                then(error is None)
            finally:
                answer.append((result, error))
                done.set()

        self._store.post(work, told)
        done.wait()
        [(result, error)] = answer
        if error is not None:
            raise error
        return cast("R", result)

    def get(self, workflow_id: str) -> Run | None:
        """Give the run of a workflow, if it is active here."""
        return self._active.get(workflow_id)

    def check(self) -> None:
        """Drop what others have taken or cancelled, soon.

        Only those are looked at that the writer has made by now: until they are durable, they look lost.
        """
        with suppress(StoreUnavailableError):  # closed: nothing runs here any more
            self._store.post(_nothing, self._check, fence=_nothing)

    def close(self) -> list[Run]:
        """Begin nothing more, and let go of what is unfinished; give that."""
        with self._lock:
            self._closed = True
        runs = self._all()
        for run in runs:
            why = f"its executor was closed; resume({run.id!r}) goes on with it"
            run.abandon(WorkflowOutputNotReady(run.id, why))
        for run in runs:
            run.wait()
        self._aside.close()
        self._followed.close()
        return runs

    def enter(
        self, work: Callable[[Connection], list[Run | None]], passing: str = "executor.claimed"
    ) -> list[Run | None]:
        """Make runs inside a transaction, and start them when it is durable.

        They start in the writer's thread, so that whoever is interrupted while waiting for it leaves
        nothing behind that is owned and does not run.

        Parameters
        ----------
        work
            Makes them; None stands for a workflow that does not run here.
        passing
            Name of the gate between the two.
        """
        made: list[Run] = []

        def withdraw() -> None:
            for run in made:
                run.ended.set()  # before it began
                self._forget(run)
            made.clear()

        def noted(connection: Connection) -> list[Run | None]:
            withdraw()  # what an earlier call of this has made: that was undone
            self._executors.check(connection, self._lease)
            runs = work(connection)
            with self._lock:
                if self._closed:
                    raise WorkflowError(f"the executor {self._lease.name} is closed")
                made.extend([run for run in runs if run is not None])
                self._active.update({run.id: run for run in made})
                self._line.join(made)
            return runs

        def start(durable: bool) -> None:
            if durable:
                gate(passing)
            else:
                withdraw()
            for run in made:
                if run.waits:
                    run.stand()
                else:
                    run.start()
            self._admit()

        return self.write(noted, start)

    def begin(self, connection: Connection, given: Submission, engine: Engine | None) -> Run | None:
        """Record a new workflow; None if it is left to the queue, for which no engine is given.

        Raises
        ------
        queue.Full
            If as many run and wait here as may.
        """
        if engine is None or given.ticket is not None:
            self._enqueue(connection, given, here=engine is not None)
            return None
        waits = not given.requeue and self.must_wait()
        journal = Journal.create(connection, self._store, self._vault, given, self._lease, waits=waits)
        seconds = given.timeout
        deadline = None if seconds is None else Deadline(self._store.clock.time() + seconds, seconds)
        return self._run(journal, engine, requeue=given.requeue, deadline=deadline, waits=waits)

    def again(
        self, connection: Connection, row: WorkflowRow, engine: Engine | None, *, accepted: bool = False
    ) -> Run | None:
        """Go on with a known workflow; None if there is nothing to run here, or not yet.

        Parameters
        ----------
        accepted
            Whether it may wait however many do.

        Raises
        ------
        RuntimeError
            If it is active.
        WorkflowNotResumableError
            If its functions are of another Python.
        QueueNotFoundError, QueueDeduplicatedError
            If it cannot go back to its named queue.
        queue.Full
            If as many run and wait here as may.
        """
        if row.status == WorkflowStatus.SUCCESSFUL and self.records.value(row.id, None) is not None:
            return None
        self.refuse_active(row)
        if row.python != PYTHON:
            why = f"its functions were stored by Python {row.python}, and this is {PYTHON}"
            raise WorkflowNotResumableError(row.id, why)
        if engine is None or row.queue is not None:
            self._queue_again(connection, row, here=engine is not None)
            return None
        waits = not row.requeue and self.must_wait(accepted=accepted)
        return self.take(connection, row, engine, waits=waits, deaths=0)

    def _enqueue(self, connection: Connection, given: Submission, *, here: bool) -> None:
        Journal.enqueue(connection, self._store, given, self._lease if here else None)
        self.reserves = self.reserves or here

    def _queue_again(self, connection: Connection, row: WorkflowRow, *, here: bool) -> None:
        keep_attempt(connection, row)
        waits = {"status": WorkflowStatus.PENDING, "started": None, "ended": None, "due": None}
        disown(connection, row.number, **waits, deaths=0)
        if row.queue is not None:
            admit(connection, row.id, row.queue, row.queue_key, row.deduplication_id)
            if here:
                reserve(connection, row.number, self._lease)
                self.reserves = True

    def refuse_active(self, row: WorkflowRow) -> None:
        """Raise `RuntimeError` if somebody runs a workflow, or it waits."""
        if self.records.is_active(row):
            raise RuntimeError(
                f"workflow {row.id!r} is {self.records.status(row)}: wait for it, or cancel it"
            )

    def take(
        self,
        connection: Connection,
        row: WorkflowRow,
        engine: Engine,
        *,
        deaths: int,
        waits: bool = False,
        ahead: Sequence[TaskRow] = (),
    ) -> Run:
        """Become the owner of a workflow that has none.

        Parameters
        ----------
        deaths
            Of how many executors it may be the cause.
        waits
            Whether it is to wait until others have ended.
        ahead
            Its first graph, if that was read already.
        """
        owner = take(connection, row, self._lease, self._store.clock.time(), deaths=deaths, waits=waits)
        journal = Journal(self._store, self._vault, owner, row.entry)
        journal.past.read_ahead(ahead)
        mine = row.queue is not None and (row.executor, row.epoch) == (self._lease.name, self._lease.epoch)
        return self._run(
            journal,
            engine,
            requeue=row.requeue,
            deadline=Deadline.of(row),
            waits=waits,
            queue=row.queue,
            reserved=mine,
        )

    def scheduler(self, schedules: Schedules, door: Callable[[str], str]) -> Scheduler:
        """Give a scheduler by this executor's timers."""
        return Scheduler(self._store, schedules, self.timers, door)

    def expire(self, workflow_id: str, seconds: float) -> None:
        """Let a workflow fail after so many seconds, if it still waits in the queue then."""
        clock = self._store.clock

        def told(_: None, error: BaseException | None) -> None:
            self._store.ring(TOPIC)
            self._watch.poke()

        def late() -> None:
            with suppress(StoreUnavailableError):  # then whoever claims it sees that its time is over
                self._store.post(lambda c: expire(c, workflow_id, self._vault, clock.time()), told)

        self.timers.at(clock.time() + seconds, late)

    def must_wait(self, *, accepted: bool = False, ahead: int = 0) -> bool:
        """Tell whether a workflow would have to wait here; see `Line`."""
        with self._lock:
            return self._line.must_wait(accepted=accepted, ahead=ahead)

    def await_end(self, workflow_id: str) -> None:
        """Return when nothing runs here any more of a workflow that was cancelled."""
        run = self._ending.get(workflow_id)
        if run is not None:
            run.ended.wait()

    # ---------------------------------------------------------------------------------------- inside

    def _check(self, *_: object) -> None:
        with suppress(RuntimeError):  # closed, likewise
            self._aside.soon(partial(_look_at, self._all()))  # there may be very many

    def _run(
        self,
        journal: Journal,
        engine: Engine,
        *,
        requeue: bool,
        deadline: Deadline | None,
        waits: bool,
        queue: str | None = None,
        reserved: bool = False,
    ) -> Run:
        journal.news, journal.busy = self._news, self.load.is_high
        site = Site(self._store, self._vault, engine, journal, self._aside)
        journal.later = site.alarm
        place = TaskPlace(site, self._kinds, RUNNER, perform, Here(own_thread=True))
        return Run(
            journal,
            place,
            requeue=requeue,
            deadline=deadline,
            leave=self._left,
            waits=waits,
            queue=queue,
            reserved=reserved,
        )

    def _news(self) -> None:
        self._watch.poke()
        self._followed.news()

    def _all(self) -> list[Run]:
        with self._lock:
            return list(self._active.values())

    def _left(self, run: Run) -> None:
        self._forget(run)
        self._store.ring(TOPIC)
        if run.queue is not None or (run.abandoned and run.requeue):
            self._store.ring(QUEUE)
        self._watch.poke()
        self._admit()

    def _admit(self) -> None:
        """Let those begin that waited, as far as there is room."""
        with self._lock:
            next_ones = [] if self._closed else self._line.admitted()
        for run in next_ones:
            run.admit()

    def _forget(self, run: Run) -> None:
        with self._lock:
            self._line.leave(run)
            if self._active.get(run.id) is run:
                del self._active[run.id]
            self._ending = {i: r for i, r in self._ending.items() if not r.ended.is_set()}
            if not run.ended.is_set():
                self._ending[run.id] = run

    def _runs_here(self, row: WorkflowRow) -> bool | None:
        """Tell whether a workflow runs here; None if it is another's."""
        if (row.executor, row.epoch) != (self._lease.name, self._lease.epoch):
            return None
        if row.queue is not None and row.status == WorkflowStatus.PENDING:  # it waits for its turn
            return not self._closed
        return row.id in self._active


def _nothing(connection: Connection) -> None:
    """Write nothing, which nobody need refuse."""


def _look_at(runs: Sequence[Run]) -> None:
    for run in runs:
        with suppress(StoreUnavailableError):  # then the run's own next write will find out
            run.check()

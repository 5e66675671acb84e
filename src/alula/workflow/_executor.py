"""The executor: a labelled host of workflows.

It runs what its own process submits, takes from the queue what its labels fit, and goes on with what
others have left. What is asked of it about workflows that others run, it reads from the records.
"""

import logging
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any, Final, Literal, Self, TypeAlias, cast, get_args

from sqlalchemy import Connection, delete

from .._core._ids import Key, new_id
from .._core._settings import Settings, Where
from ..errors import (
    QueueDeduplicatedError,
    WorkflowError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowOutputNotReady,
)
from ..futures import Engine, current
from ..graph import Done, Failed, Graph, Node
from ..store import Executors, Lease, Store
from ._children import child_node
from ._claims import Claims
from ._code import Code, Renewal, check_code, code_of, renewal_of
from ._ending import Ending, door
from ._follow import follow
from ._fork import copy, plan
from ._handle import Handle
from ._journal import Submission
from ._kinds import KINDS
from ._leaving import say_what_is_left
from ._line import UNLIMITED, Limits
from ._messages import checked_key, keep, mail_topic
from ._options import check_metadata, check_timeout
from ._published import told
from ._queue import QUEUE, look, pick
from ._queues import Queues, Ticket
from ._reach import check_reach
from ._records import WorkflowRow
from ._recovery import Recovery
from ._refusals import checked_id, difference, exists, what_now
from ._rows import heads_of
from ._run import Run
from ._runs import Runs
from ._schedules import Schedules
from ._site import Factory
from ._status import ACTIVE, WorkflowStatus
from ._tables import WORKFLOWS, ensure_tables
from ._tasklist import TaskInfo
from ._tasks import tasks_of
from ._vault import Output, Packer, Vault
from ._watch import Watch

__all__ = ["Conflict", "Executor"]

Conflict: TypeAlias = Literal["resume", "fail", "restart"]
"""What becomes of a workflow whose id is given to another one."""

_ROOM: Final = 1000  # tasks of named queues on the engine of a client: it is the queues that limit

_log = logging.getLogger("alula.workflow")


class Executor(Ending):
    """Runs workflows in this process, under a lease that ends with it; safe to use from any thread.

    Attributes
    ----------
    lease
        Name, epoch and labels.
    records
        What is recorded of all workflows of its store.
    schedules
        All schedules of its store.
    queues
        All named queues of its store.
    vault
        What opens their values.
    engine
        Gives the engine on which tasks run.
    load
        Which of its tasks are on the engine now.
    listen
        Called with a function of no arguments, has it called whenever there may be something to claim; gives
        what ends that.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        lease: Lease,
        executors: Executors,
        *,
        where: Where = "auto",
        engine: Callable[[], Engine] = current,
        kinds: Mapping[str, Factory] = KINDS,
        limits: Limits = UNLIMITED,
        claims: bool = False,
    ) -> None:
        """Become an executor of a store that stays the caller's; `open` is the usual way.

        Parameters
        ----------
        lease, executors
            What `Executors.register` gave, and where it is released in the end.
        where
            Who runs what is submitted, unless a submission says otherwise.
        engine
            Asked at every submission.
        kinds
            Who settles the logical tasks of each kind.
        limits
            How many workflows may run here at once, and how many may wait for that.
        claims
            Whether somebody has it `claim`, so that it need not look of its own accord after what it has put
            into named queues itself.
        """
        ensure_tables(store)
        self.lease, self.vault, self.engine = lease, vault, engine
        self._store, self._executors = store, executors
        self._watch = Watch(store)
        self._runs = Runs(store, vault, lease, executors, self._watch, kinds, limits)
        self._runs.adopt(self)
        self.records, self.load = self._runs.records, self._runs.load
        self.listen: Callable[[Callable[[], None]], Callable[[], None]] = partial(store.listen, QUEUE)
        self.schedules = Schedules(store, vault, self._runs.write)
        self.queues = Queues(store, self._runs.write, partial(store.ring, QUEUE))
        self._stop_keeping: Callable[[], None] | None = None
        self._next_turn: float | None = None
        self._where = where
        self._stop_listening = store.listen(door(lease.name), self._runs.check)
        self._closing = Lock()
        self._claims = claims
        self._closed = self._owns_store = False
        self._recovery: Recovery | None = None
        self._own_claims: Claims | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        labels: Sequence[str] | None = None,
        name: str | None = None,
        claims: bool = False,
        recover: bool = False,
        engine: Callable[[], Engine] = current,
        kinds: Mapping[str, Factory] = KINDS,
        limits: Limits = UNLIMITED,
    ) -> Self:
        """Open the store that the settings name and become an executor of it.

        Parameters
        ----------
        settings
            Where records and values are.
        labels
            What this executor can do; those of the settings by default.
        name
            By default the first free one of ``alula@<host>``, ``alula-2@<host>``, ...
        claims
            Whether this executor will `claim`, so that others may leave work to it.
        recover
            Whether it goes on with workflows that are RESUMABLE and that its labels fit: with those that
            there are before this returns, then with what others leave when they die or are closed. One under
            which ten executors have died in a row, with nothing recorded, fails instead.
        engine
            Asked at every submission; the engine in use by default.
        kinds
            Who settles the logical tasks of each kind; by default all that there are.
        limits
            How many workflows may run here at once, and how many may wait for that; no limits by default.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be opened.
        ExecutorAliveError
            If a living executor has that name.
        """
        store = Store.open(settings.store, durability=settings.durability)
        try:
            executors = Executors(store)
            lease = executors.register(labels or settings.labels, name=name, claims=claims)
            vault, where = Vault.of(settings), settings.where
            given: dict[str, Any] = {"engine": engine, "kinds": kinds, "limits": limits, "claims": claims}
            made = cls(store, vault, lease, executors, where=where, **given)
        except BaseException:
            store.close()
            raise
        made._owns_store = True
        if claims:
            made.keep_schedules()
        if recover:
            made._begin_to_recover()
        return made

    @property
    def is_closed(self) -> bool:
        """Whether it begins nothing more."""
        return self._closed

    # ------------------------------------------------------------------------------------ beginning

    def submit(
        self,
        graph: Graph,
        *,
        id: str | None = None,  # noqa: A002  # the word for it everywhere else, too
        labels: Sequence[str] = ("default",),
        where: Where | None = None,
        metadata: Mapping[str, Any] | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        requeue: bool = False,
        prunable: bool = True,
        timeout: float | None = None,
        on_conflict: Conflict = "resume",
        ticket: Ticket | None = None,
        quiet: bool = False,
        guard: Callable[[Connection], None] | None = None,
    ) -> Handle[Any]:
        """Make a workflow durable and start it, here or by way of the queue.

        Parameters
        ----------
        graph
            With one output; `InputNode` in it stands for `args` and `kwargs`.
        id
            Its workflow id; made of a UUID and the time by default.
        labels
            What the executor that runs it must be able to do.
        where
            ``"here"``; ``"queue"``; or ``"auto"``: the queue if a living executor takes such work from
            there, else here if this executor can do it. That of the settings by default.
        metadata
            The user's; fit for JSON.
        requeue
            Whether it goes back to the queue when its executor is gone; else it waits to be resumed.
        prunable
            Whether `prune` may delete it when it has ended; else whoever keeps results in it does.
        timeout
            Seconds after which it fails with `WorkflowTimeoutError` if it has not ended; None for no limit.
        on_conflict
            What becomes of a workflow that has this id already, and is not active: ``"resume"`` goes on with
            that one, which gives its value if it has succeeded, and the new graph is not looked at;
            ``"fail"`` refuses; ``"restart"`` deletes it, and begins with the new one.
        ticket
            With which it is put into a named queue. Whoever begins it then, it goes back there when its
            executor is gone; and with ``"resume"``, an id that waits or runs in that queue is no error, but
            gives that workflow.
        quiet
            Whether to say nothing if it waits for labels that nobody has.
        guard
            Asked in the transaction that makes it durable; what it raises prevents that.

        Raises
        ------
        TypeError
            If the id is not text, a node is not of a remote function, or an argument does not pickle.
        ValueError
            If the metadata do not fit into JSON, or this executor lacks a label and is asked to run it.
        RuntimeError
            If the id is that of an active workflow.
        WorkflowNotResumableError
            If the id is that of one which cannot be resumed here.
        WorkflowError
            If the id is known, and that is a conflict.
        queue.Full
            If as many workflows run and wait here as may.
        QueueNotFoundError
            If nobody has declared the named queue.
        QueueDeduplicatedError
            If another one with that deduplication id waits or runs in it.
        StoreUnavailableError
            If it cannot be written.
        SettingError
            If the engine has several machines, and the store or the artifacts lie on one of them.

        Warns
        -----
        UserWarning
            If it waits for labels that no living executor has; or the id belongs to a workflow of another
            graph, or of other code.
        """
        workflow_id = _new_id(id)
        if metadata is not None:
            check_metadata("metadata", metadata)
        if timeout is not None:
            check_timeout("timeout", timeout)
        if on_conflict not in get_args(Conflict):
            raise ValueError(f"on_conflict is one of {get_args(Conflict)}, not {on_conflict!r}")
        queued = self._goes_to_queue(labels, where or self._where, quiet=quiet)
        tasks = tasks_of(graph, self.vault, args=args, kwargs=kwargs)
        given = Submission(
            id=workflow_id,
            tasks=tasks,
            heads=heads_of(self.vault, tasks),
            labels=tuple(sorted(set(labels))),
            metadata=dict(metadata or {}),
            requeue=requeue or ticket is not None,
            prunable=prunable,
            timeout=timeout,
            code=code_of(graph),
            ticket=ticket,
        )
        return self._submit(given, None if queued else self._reaching(), on_conflict, guard)

    def child(
        self,
        node: Node[Any],
        *,
        id: str,  # noqa: A002  # the word for it everywhere else, too
        labels: Sequence[str] = (),
        where: Where | None = None,
        metadata: Mapping[str, Any] | None = None,
        after: Sequence[Node[str]] = (),
        regardless: bool = False,
    ) -> Node[str]:
        """Make a node that is a workflow of its own: with an id, labels and an end of its own.

        Its value says how it has ended: ``"SUCCESSFUL"``, ``"FAILED"`` or ``"CANCELED"``. It is never tried
        again, and does not end with its parent.

        Parameters
        ----------
        node
            What the child computes.
        id, labels, where, metadata
            As for `submit`; no labels are those of whoever runs the parent.
        after
            Other children that have to end first.
        regardless
            Whether it begins however those have ended; else it is CANCELED unless they have succeeded, and
            leaves no record.

        Raises
        ------
        TypeError
            If something in it cannot be pickled.
        """
        if metadata is not None:
            check_metadata("metadata", metadata)
        return child_node(
            self.vault,
            node,
            id=checked_id(id),
            labels=labels,
            where=where or self._where,
            metadata=dict(metadata or {}),
            after=after,
            regardless=regardless,
        )

    def expect(self, workflow_id: str, given_up: Callable[[], BaseException | None]) -> Handle[Any]:
        """Give a handle to a workflow that may not have begun yet.

        Parameters
        ----------
        given_up
            Asked while there is no such workflow: why there will be none, or None.
        """
        workflow_id = checked_id(workflow_id)

        def look() -> Done[Output] | Failed | None:
            with suppress(WorkflowNotFoundError):
                return self._look(workflow_id, None)
            why = given_up()
            with suppress(WorkflowNotFoundError):  # what began in between is there by now
                return self._look(workflow_id, None)
            return None if why is None else Failed(why)

        run = self._runs.get(workflow_id)
        return Handle(workflow_id, run.future if run else self._watch.ask(look), self)

    def resume(self, workflow_id: str, *, code: Code = "stored", where: Where = "here") -> Handle[Any]:
        """Go on with a workflow from what is recorded; one that has succeeded gives its value.

        After a cancel, this waits for those of its tasks that still end here.

        Parameters
        ----------
        code
            See `alula.workflow.resume`.
        where
            ``"here"``; ``"queue"``; or ``"auto"``: the queue if a living executor takes such work from there,
            else here.

        Raises
        ------
        RuntimeError
            If it is active.
        WorkflowNotResumableError
            If it is not known, or cannot be resumed by this Python, or with this code.
        """
        workflow_id = checked_id(workflow_id)
        _check_code_choice(code)
        self._runs.await_end(workflow_id)
        with self._store.reading() as connection:
            known = self._resumable(connection, workflow_id)
        engine = self._again_on(known, where)
        ended = self.records.status(known) not in (*ACTIVE, WorkflowStatus.SUCCESSFUL)
        renew = self._prepare_code(known, code) if ended else _as_it_is

        def work(connection: Connection) -> list[Run | None]:
            row = self._resumable(connection, workflow_id)
            run = self._runs.again(connection, row, engine)
            if run is not None or engine is None or row.queue is not None:
                renew(connection, row.number)
            return [run]

        [run] = self._enter(work)
        if engine is None:
            self._store.ring(QUEUE)
        return self._handle(workflow_id, run)

    def resume_all(self, *, include_failed: bool = False) -> list[Handle[Any]]:
        """Go on with all workflows whose executors are gone; see `alula.workflow.resume_all`."""
        wanted = {WorkflowStatus.RESUMABLE} | ({WorkflowStatus.FAILED} if include_failed else set())
        if not (ids := self.records.resumable(wanted)):
            return []
        engine, taken = self._reaching(), []
        for workflow_id in ids:
            self._runs.await_end(workflow_id)
            if (handle := self._resume_if_left(workflow_id, wanted, engine)) is not None:
                taken.append(handle)
        return taken

    def fork(
        self,
        workflow_id: str,
        from_task: str,
        new_id: str | None = None,
        *,
        code: Code = "stored",
        where: Where = "here",
    ) -> Handle[Any]:
        """Begin a new workflow from what is recorded of another; see `alula.workflow.fork`, and `resume`."""
        workflow_id, forked = checked_id(workflow_id), _new_id(new_id)
        if not isinstance(from_task, str):
            raise TypeError(f"a task_id is text, not {type(from_task).__name__}")
        _check_code_choice(code)
        with self._store.reading() as connection:
            row = self.records.workflow(connection, workflow_id)
            again = plan(connection, row, from_task).again
        engine = self._again_on(row, where)
        renew = self._prepare_code(row, code, again)

        def work(connection: Connection) -> list[Run | None]:
            if (known := self.records.workflow_or_none(connection, forked)) is not None:
                raise exists(forked, self.records.status(known))
            row = self.records.workflow(connection, workflow_id)
            number = copy(connection, row, plan(connection, row, from_task), forked, self._store.clock.time())
            renew(connection, number)
            return [self._runs.again(connection, self.records.workflow(connection, forked), engine)]

        [run] = self._enter(work, "journal.created")
        if engine is None:
            self._store.ring(QUEUE)
        return self._handle(forked, run)

    def claim(self, most: int = 1, *, own: bool = False) -> list[Handle[Any]]:
        """Take workflows from the queue that this executor's labels fit, and start them.

        Those whose executor died, if they were submitted with `requeue`, return to the queue first.

        Parameters
        ----------
        most
            How many to take.
        own
            Whether only those are taken that wait in named queues for this executor alone.
        """
        lives, clock = self._executors.is_alive, self._store.clock
        with self._store.reading() as connection:
            found = look(connection, self.lease, lives, most, clock.time(), own=own)
        self._next_turn = found.next
        if not found.pressing:
            return []
        engine = self._reaching()

        def work(connection: Connection) -> list[Run | None]:
            now = clock.time()
            rows = pick(connection, self.lease, lives, self.vault, most, now, own=own)
            return [self._runs.take(connection, row, engine, deaths=row.deaths) for row in rows]

        runs = [run for run in self._runs.enter(work) if run is not None]
        return [self._handle(run.id, run) for run in runs]

    def when_more(self, then: Callable[[], None]) -> Callable[[], None]:
        """Call `then` when a delay or a period ends that the last `claim` has seen; give what ends this."""
        if self._next_turn is None:
            return lambda: None
        return self._runs.timers.at(self._next_turn, then)

    def keep_schedules(self) -> None:
        """Put into the queue what schedules begin, from now on; who opens one that claims has it so."""
        if self._stop_keeping is None:
            self._stop_keeping = self._runs.scheduler(self.schedules, door).close

    # ------------------------------------------------------------------------------------ following

    def find(self, workflow_id: str) -> Handle[Any]:
        """Give a handle to any workflow of the store, whoever runs it.

        Raises
        ------
        WorkflowNotFoundError
            If there is none of that id.
        """
        workflow_id = checked_id(workflow_id)
        self.status(workflow_id)
        return self._handle(workflow_id, self._runs.get(workflow_id))

    def output(self, workflow_id: str, *, task_id: str | None = None, waits: bool = True) -> Handle[Any]:
        """Give a handle to the output of a workflow or task that has one, or may still have.

        Parameters
        ----------
        waits
            Whether the handle may be to a task that runs in place.

        Raises
        ------
        WorkflowNotFoundError
            If there is no such workflow; or it has ended, and there is no such task.
        WorkflowOutputNotReady
            If there is no value and nobody is at work on it.
        """
        workflow_id = checked_id(workflow_id)
        answer = self._look(workflow_id, task_id)
        if isinstance(answer, Failed):
            if isinstance(answer.error, ValueError):
                raise answer.error
            why = what_now(workflow_id, self.status(workflow_id), answer.error)
            raise WorkflowOutputNotReady(workflow_id, why) from answer.error
        if (
            answer is None
            and task_id is not None
            and not waits
            and self.records.is_inplace(workflow_id, task_id)
        ):
            raise WorkflowOutputNotReady(
                workflow_id, f"its task {task_id!r} runs in place, and has not ended"
            )
        run = self._runs.get(workflow_id) if task_id is None else None
        return self._handle(workflow_id, run, task_id)

    def status(self, workflow_id: str) -> WorkflowStatus:
        """Give the status of a workflow; `WorkflowNotFoundError` if there is none."""
        return self.records.status_of(workflow_id)

    def follow(self, workflow_id: str) -> Iterator[TaskInfo]:
        """Give each change of a task; see `alula.workflow.follow`."""
        workflow_id = checked_id(workflow_id)
        self.status(workflow_id)
        return follow(self._store, self.records, self._watch, workflow_id)

    # ---------------------------------------------------------------------------------- from outside

    def signal(
        self, workflow_id: str, key: str, payload: Any = None, *, idempotency_key: str | None = None
    ) -> None:
        """Put a signal into the mailbox of a workflow; see `alula.workflow.signal`."""
        workflow_id, key = checked_id(workflow_id), checked_key(key)
        if idempotency_key is not None:
            checked_key(idempotency_key)
        stored = Packer(self.vault).pack(payload)

        def work(connection: Connection) -> str | None:
            row = self.records.workflow(connection, workflow_id)
            if row.status == WorkflowStatus.SUCCESSFUL:
                raise WorkflowError(f"workflow {workflow_id!r} has succeeded: it takes no signals any more")
            keep(connection, row.number, key, stored, idempotency_key, self._store.clock.time())
            return cast("str | None", row.executor)

        owner = self._runs.write(work)
        if owner is not None:
            self._store.ring(mail_topic(owner))

    def event(self, workflow_id: str, key: str) -> Handle[Any]:
        """Give a handle to what a workflow tells under a key; see `alula.workflow.get_event`."""
        workflow_id, key = checked_id(workflow_id), checked_key(key)

        def look() -> Done[Output] | Failed | None:
            # In this order: what was told before the end is there by now.
            end = self.records.end(workflow_id, None)
            with self._store.reading() as connection:
                row = self.records.workflow(connection, workflow_id)
                value = told(connection, row.number, key)
            if value is not None:
                return Done(value)
            over = end is not None or row.status == WorkflowStatus.SUCCESSFUL
            why = f"it has ended without an event {key!r}"
            return Failed(WorkflowOutputNotReady(workflow_id, why)) if over else None

        self.status(workflow_id)
        return Handle(workflow_id, self._watch.ask(look), self)

    # ---------------------------------------------------------------------------------------- ending

    def close(self) -> None:
        """Stop being an executor; what is unfinished becomes RESUMABLE, or goes back to the queue."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        if self._recovery is not None:
            self._recovery.close()
        if self._own_claims is not None:
            self._own_claims.close()
        self._stop_listening()
        if self._stop_keeping is not None:
            self._stop_keeping()
        say_what_is_left(self._store, self.lease, self._runs.close())
        self._watch.close()
        self._executors.release(self.lease)
        if self._owns_store:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---------------------------------------------------------------------------------------- inside

    def _reaching(self) -> Engine:
        """Give the engine, on all machines of which tasks can reach the store."""
        engine = self.engine()
        check_reach(engine, self._store, self.vault)
        return engine

    def _enter(
        self, work: Callable[[Connection], list[Run | None]], passing: str = "executor.claimed"
    ) -> list[Run | None]:
        """Make runs as `Runs.enter` does, and begin to take what waits in named queues for this executor."""
        runs = self._runs.enter(work, passing)
        with self._closing:
            if self._runs.reserves and self._own_claims is None and not (self._closed or self._claims):
                self._own_claims = Claims(self, room=_ROOM, own=True)
        return runs

    def _begin_to_recover(self) -> None:
        self._recovery = Recovery(
            self._store, self._executors, self.lease, self.vault, self._runs, self._reaching
        )
        try:
            self._recovery.start()
        except BaseException:
            self.close()
            raise

    def _resume_if_left(
        self, workflow_id: str, wanted: Collection[WorkflowStatus], engine: Engine
    ) -> Handle[Any] | None:
        """Go on with a workflow, unless another process has been faster, or this one cannot."""
        left = False

        def work(connection: Connection) -> list[Run | None]:
            nonlocal left
            row = self.records.workflow_or_none(connection, workflow_id)
            left = row is not None and self.records.status(row) in wanted
            if row is None or not left:
                return [None]
            return [self._runs.again(connection, row, engine, accepted=True)]

        try:
            with self._store.reading() as connection:
                self._prepare_code(self._resumable(connection, workflow_id), "stored")
            [run] = self._enter(work)
        except (WorkflowNotResumableError, QueueDeduplicatedError) as error:
            _log.warning("%s", error)
            return None
        return self._handle(workflow_id, run) if left else None

    def _goes_to_queue(self, labels: Sequence[str], where: Where, *, quiet: bool) -> bool:
        wanted = set(labels)
        fits = wanted <= set(self.lease.labels)
        if where == "here":
            if not fits:
                lacking = sorted(wanted - set(self.lease.labels))
                raise ValueError(f"this executor ({self.lease.name}) lacks the labels {lacking}")
            return False
        taken = self._executors.claims(wanted)
        if where == "auto" and fits and not taken:
            return False
        if not taken and not quiet:
            known = sorted({label for info in self._executors.alive() for label in info.labels})
            warnings.warn(
                f"no living executor takes work for the labels {sorted(wanted)} from the queue: "
                f"it waits there until one does; known labels are {known}",
                stacklevel=4,
            )
        return True

    def _again_on(self, row: WorkflowRow, where: Where) -> Engine | None:
        """Give the engine on which a workflow goes on; None if it is left to the queue."""
        if where == "here" or not self._goes_to_queue(row.labels.split(","), where, quiet=True):
            return self._reaching()
        return None

    def _submit(
        self,
        given: Submission,
        engine: Engine | None,
        on_conflict: Conflict,
        guard: Callable[[Connection], None] | None,
    ) -> Handle[Any]:
        other = ""

        def work(connection: Connection) -> list[Run | None]:
            nonlocal other
            if guard is not None:
                guard(connection)
            known = self.records.is_known(connection, given.id)
            row = self.records.workflow_or_none(connection, given.id) if known else None
            if row is not None and on_conflict != "resume":
                self._make_way(connection, row, on_conflict)
                row = None
            if row is None:
                return [self._runs.begin(connection, given, engine)]
            other = difference(row, given)
            if given.ticket and row.queue == given.ticket.queue and self.records.is_active(row):
                return [None]  # it waits or runs there already, and is the one that was meant
            return [self._runs.again(connection, row, engine)]

        self._runs.await_end(given.id)
        [run] = self._enter(work, "journal.created")
        if other:
            text = f"workflow {given.id!r} exists, {other}: what is recorded is used"
            warnings.warn(text, stacklevel=4)
        if engine is None or given.ticket is not None:
            self._store.ring(QUEUE)
            if given.timeout is not None:
                self._runs.expire(given.id, given.timeout)
        return self._handle(given.id, run)

    def _make_way(self, connection: Connection, row: WorkflowRow, on_conflict: Conflict) -> None:
        """Delete a workflow for another one of the same id, or refuse to."""
        self._runs.refuse_active(row)
        if on_conflict == "fail":
            raise exists(row.id, self.records.status(row))
        connection.execute(delete(WORKFLOWS).where(WORKFLOWS.c.number == row.number))

    def _resumable(self, connection: Connection, workflow_id: str) -> WorkflowRow:
        row = self.records.workflow_or_none(connection, workflow_id)
        if row is None:
            raise WorkflowNotResumableError(workflow_id, "there is none of that id")
        return row

    def _prepare_code(self, row: WorkflowRow, code: Code, again: Collection[Key] = ()) -> Renewal:
        """Look whether a workflow may go on with this code; give what is to be written then."""
        if code == "stored":
            check_code(row.id, row.code)
            return _as_it_is
        return renewal_of(self._store, self.vault, row.number, row.id, again)

    def _look(self, workflow_id: str, task_id: str | None) -> Done[Output] | Failed | None:
        """Look once whether a workflow or task has its value, or will have none."""
        # In this order: what ended in between has its value by now.
        error = self.records.end(workflow_id, task_id)
        value = self.records.value(workflow_id, task_id)
        if value is not None:
            return Done(value)
        return None if error is None else Failed(error)

    def _handle(self, workflow_id: str, run: Run | None, task_id: str | None = None) -> Handle[Any]:
        look = partial(self._look, workflow_id, task_id)
        return Handle(workflow_id, run.future if run else self._watch.ask(look), self)


def _as_it_is(connection: Connection, number: int) -> None:
    """Leave the code of a workflow as it is."""


def _check_code_choice(code: Code) -> None:
    if code not in get_args(Code):
        raise ValueError(f"code is one of {get_args(Code)}, not {code!r}")


def _new_id(given: object) -> str:
    return f"{new_id()}.{time.time():.9f}" if given is None else checked_id(given)

"""Schedules: workflows that begin at the times of a cron expression, each of these times once.

The transaction that makes the workflow of one time also moves its schedule on to the next, so any number
of executors may look after the same schedules. Of the times that were missed, because no executor lived,
the last one counts, or none does. Time that is set back fires nothing again.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

from sqlalchemy import Connection, delete, func, insert, select, update

from .._core._settings import Settings
from ..errors import AlulaError, NameNotFoundError
from ..graph import Graph
from ..store import Store
from ._cron import Cron
from ._journal import PYTHON, Journal, Submission
from ._options import check_metadata
from ._owner import disown
from ._queue import QUEUE
from ._queues import Ticket, admit
from ._rows import heads_of
from ._status import WorkflowStatus
from ._tables import SCHEDULES, WORKFLOWS, ensure_tables
from ._tasks import Task, tasks_of
from ._texts import checked_text, is_storable
from ._vault import Stored, Vault

__all__ = ["DUE", "Fired", "Overlap", "Schedule", "Schedules", "open_schedules"]

R = TypeVar("R")

Overlap: TypeAlias = Literal["skip", "queue", "allow", "cancel_other"]
"""What happens at a time at which the workflow of the one before still runs."""

Write: TypeAlias = Callable[[Callable[[Connection], R]], R]

DUE: Final = "workflow-schedules"
"""The topic of the store's doorbell that is rung when a schedule was changed."""

_LONGEST: Final = 200  # characters of a name, which is part of workflow ids
_LATE: Final = 60.0  # seconds after which a time was missed, for a schedule that does not catch up
_LOOK: Final = 1.0  # seconds after which to see whether one that was waited for has ended

_log = logging.getLogger("alula.workflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as it stands.

    Attributes
    ----------
    name
        Its own.
    cron, timezone, overlap
        As given to `alula.workflow.schedule`.
    paused
        Whether its times pass by.
    queue, key
        Where its workflows wait for their turn; None for no named queue.
    next_time
        UNIX time in seconds of the next one.
    last_workflow
        Id of the workflow that it began last; None if there was none.
    """

    name: str
    cron: str
    timezone: str
    overlap: Overlap
    paused: bool
    queue: str | None = None
    key: str | None = None
    next_time: float
    last_workflow: str | None

    def next_times(self, count: int) -> list[float]:
        """Give so many of the times that come next, in UNIX seconds, the one that is due among them."""
        times, cron = [self.next_time], Cron(self.cron, self.timezone)
        while len(times) < count:
            times.append(cron.after(times[-1]))
        return times[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What a schedule begins: the graph, and what is said of each of its workflows."""

    tasks: tuple[Task, ...]
    heads: Sequence[bytes]
    metadata: Mapping[str, Any]
    prunable: bool
    catchup: bool


@dataclass(frozen=True, slots=True)
class Fired:
    """What came of a look at all schedules.

    Attributes
    ----------
    workflows
        Ids of those that were made.
    robbed
        Executors of those that were cancelled.
    wake
        When to look again, in UNIX seconds; None if nothing will be due.
    """

    workflows: Sequence[str]
    robbed: Sequence[str]
    wake: float | None


class Schedules:
    """The schedules of one store.

    Parameters
    ----------
    store, vault
        Where they are recorded, and what seals their graphs.
    write
        Does work in a transaction of its own.
    """

    def __init__(self, store: Store, vault: Vault, write: Write[Any]) -> None:
        self._store, self._vault, self._write = store, vault, write

    def put(
        self,
        name: str,
        cron: str,
        graph: Graph,
        *,
        timezone: str = "UTC",
        overlap: Overlap = "skip",
        paused: bool = False,
        labels: Sequence[str] = ("default",),
        ticket: Ticket | None = None,
        catchup: bool = True,
        since: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        prunable: bool = True,
    ) -> Schedule:
        """Make a schedule or change it; see `alula.workflow.schedule`.

        Parameters
        ----------
        since
            UNIX time in seconds after which its first time comes, which may be long ago; now by default.
        metadata
            Further ones of each of its workflows.
        prunable
            Whether `prune` may delete these when they have ended.
        """
        _check(name, overlap)
        times, c = Cron(cron, timezone), SCHEDULES.c
        tasks = tasks_of(graph, self._vault)
        work_of_each = _Work(
            tasks=tasks,
            heads=heads_of(self._vault, tasks),
            metadata=dict(metadata or {}),
            prunable=prunable,
            catchup=catchup,
        )
        check_metadata("metadata", work_of_each.metadata)
        sealed = self._vault.seal(work_of_each)
        said = {
            "cron": cron,
            "timezone": timezone,
            "overlap": overlap,
            "paused": paused,
            "labels": ",".join(sorted(set(labels))),
            "queue": ticket and ticket.queue,
            "queue_key": ticket and ticket.key,
            "python": PYTHON,
            "digest": sealed.digest,
            "value": sealed.data,
        }

        def work(connection: Connection) -> None:
            if ticket is not None:
                admit(connection, "", ticket.queue, ticket.key, None)
            first = times.after(self._store.clock.time() if since is None else since)
            row = connection.execute(select(SCHEDULES).where(c.name == name)).one_or_none()
            if row is None:
                connection.execute(insert(SCHEDULES).values(name=name, next=first, **said))
                return
            # The same times go on as they were, so that whoever says it again loses none and repeats none.
            same = (row.cron, row.timezone, row.paused) == (cron, timezone, False) and since is None
            due = row.next if same else first
            connection.execute(update(SCHEDULES).where(c.name == name).values(next=due, **said))

        self._change(work)
        return self._get(name)

    def find(self, name: str) -> Schedule | None:
        """Give a schedule; None if there is none of that name."""
        return next((schedule for schedule in self.listed() if schedule.name == name), None)

    def listed(self) -> list[Schedule]:
        """Give all schedules, by name."""
        with self._store.reading() as connection:
            rows = connection.execute(select(SCHEDULES).order_by(SCHEDULES.c.name)).all()
        return [_schedule(row) for row in rows]

    def pause(self, name: str) -> None:
        """Let the times of a schedule pass by; see `alula.workflow.pause_schedule`."""
        self._change(lambda connection: self._set(connection, name, paused=True))

    def resume(self, name: str) -> None:
        """Go on with the first time from now on; see `alula.workflow.resume_schedule`."""

        def work(connection: Connection) -> None:
            row = _row(connection, name)
            if row.paused:
                due = Cron(row.cron, row.timezone).after(self._store.clock.time())
                self._set(connection, name, paused=False, next=due)

        self._change(work)

    def delete(self, name: str) -> None:
        """Forget a schedule; see `alula.workflow.delete_schedule`."""

        def work(connection: Connection) -> None:
            _row(connection, name)
            connection.execute(delete(SCHEDULES).where(SCHEDULES.c.name == name))

        self._change(work)

    def trigger(self, name: str) -> str:
        """Begin its workflow now, and give its id; see `alula.workflow.trigger_schedule`."""

        def work(connection: Connection) -> str:
            now = self._store.clock.time()
            return self._begin(connection, _row(connection, name), now, by_hand=True)

        workflow_id: str = self._write(work)
        self._store.ring(QUEUE)
        return workflow_id

    # -------------------------------------------------------------------------------------- firing

    def fire(self, connection: Connection) -> Fired:
        """Make the workflows that are due, each in its queue, and move their schedules on."""
        now, c = self._store.clock.time(), SCHEDULES.c
        live = ~c.paused & (c.python == PYTHON)
        made: list[str] = []
        robbed: list[str] = []
        for row in connection.execute(select(SCHEDULES).where(live, c.next <= now)).all():
            try:
                made += self._fire(connection, row, now, robbed)
            except AlulaError:  # its graph cannot be read: the others must not suffer from it
                _log.exception("the schedule %r is paused, for its workflow cannot be made", row.name)
                self._set(connection, row.name, paused=True)
        due = connection.scalar(select(func.min(c.next)).where(live))
        return Fired(made, robbed, due if due is None or due > now else now + _LOOK)

    def _fire(self, connection: Connection, row: Any, now: float, robbed: list[str]) -> list[str]:
        times = Cron(row.cron, row.timezone)
        nominal, work = times.latest(row.next, now), self._work(row)
        if not work.catchup and now - nominal > _LATE:
            self._set(connection, row.name, next=times.after(nominal))
            return []
        running = None if row.overlap == "allow" else _active(connection, row.last)
        if running is not None and row.overlap == "queue":
            return []  # it stays due
        made: list[str] = []
        if running is not None and row.overlap == "cancel_other":
            disown(connection, running.number, status=WorkflowStatus.CANCELED)
            robbed += [running.executor] if running.executor is not None else []
        if running is None or row.overlap == "cancel_other":
            made.append(self._begin(connection, row, nominal))
            self._set(connection, row.name, last=made[0])
        self._set(connection, row.name, next=times.after(nominal))
        return made

    def _begin(self, connection: Connection, row: Any, time: float, *, by_hand: bool = False) -> str:
        said = datetime.fromtimestamp(time, UTC)
        workflow_id = f"{row.name}@{said.isoformat()}{'~triggered' if by_hand else ''}"
        known = select(WORKFLOWS.c.number).where(WORKFLOWS.c.id == workflow_id)
        if connection.scalar(known) is not None:  # of an earlier schedule of that name
            return workflow_id
        work = self._work(row)
        given = Submission(
            id=workflow_id,
            tasks=work.tasks,
            heads=work.heads,
            labels=tuple(row.labels.split(",")),
            metadata={**work.metadata, "schedule": row.name, "scheduled_time": time},
            requeue=True,
            prunable=work.prunable,
            ticket=Ticket.of(row.queue, key=row.queue_key),
        )
        Journal.enqueue(connection, self._store, given)
        return workflow_id

    # -------------------------------------------------------------------------------------- inside

    def _work(self, row: Any) -> _Work:
        what = f"the graph of the schedule {row.name!r}"
        work: _Work = self._vault.unseal(Stored(row.digest, row.value), what)
        return work

    def _change(self, work: Callable[[Connection], None]) -> None:
        self._write(work)
        self._store.ring(DUE)

    def _get(self, name: str) -> Schedule:
        with self._store.reading() as connection:
            return _schedule(_row(connection, name))

    def _set(self, connection: Connection, name: str, **values: object) -> None:
        _row(connection, name)
        connection.execute(update(SCHEDULES).where(SCHEDULES.c.name == name).values(**values))


def open_schedules(store: Store, settings: Settings) -> Schedules:
    """Give the schedules of a store that is open, to a process that need not be an executor."""
    ensure_tables(store)

    def write(work: Callable[[Connection], Any]) -> Any:
        with store.transaction() as connection:
            return work(connection)

    return Schedules(store, Vault.of(settings), write)


def _row(connection: Connection, name: str) -> Any:
    known = select(SCHEDULES).where(SCHEDULES.c.name == name)
    row = connection.execute(known).one_or_none() if is_storable(name) else None
    if row is None:
        raise NameNotFoundError(name, connection.execute(select(SCHEDULES.c.name)).scalars())
    return row


def _schedule(row: Any) -> Schedule:
    return Schedule(
        name=row.name,
        cron=row.cron,
        timezone=row.timezone,
        overlap=row.overlap,
        paused=row.paused,
        queue=row.queue,
        key=row.queue_key,
        next_time=row.next,
        last_workflow=row.last,
    )


def _active(connection: Connection, workflow_id: str | None) -> Any:
    """Give the row of a workflow if it runs or waits; one whose executor died will be claimed again."""
    active = WORKFLOWS.c.status.in_([WorkflowStatus.RUNNING, WorkflowStatus.PENDING])
    return connection.execute(select(WORKFLOWS).where(WORKFLOWS.c.id == workflow_id, active)).one_or_none()


def _check(name: object, overlap: object) -> None:
    checked_text("the name of a schedule", name, _LONGEST)
    if overlap not in get_args(Overlap):
        raise ValueError(f"overlap is one of {', '.join(get_args(Overlap))}, not {overlap!r}")

"""What the records say of workflows: read only, by any process, whether or not their owners live."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import Connection, Row, bindparam, func, select

from .._core._ids import Key
from ..errors import (
    WorkflowCancellationError,
    WorkflowError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowOutputNotReady,
    WorkflowTimeoutError,
)
from ..futures import unpack_error
from ..store import Executors, Prepared, Store
from ._history import History, read_history
from ._logical import CALL
from ._rows import one_task, options_of
from ._search import EVERY, Search
from ._status import ACTIVE, WorkflowStatus
from ._tables import ATTEMPTS, TASKS, WORKFLOWS, ensure_tables
from ._tasklist import TaskInfo, tasks_of
from ._texts import is_storable
from ._vault import Stored, Vault

__all__ = ["Described", "Records", "WorkflowRow"]

WorkflowRow: TypeAlias = Row[tuple[Any, ...]]

_CHUNK: Final = 500  # ids in one query, well below what any database allows
_BY_ID: Final = select(WORKFLOWS).where(WORKFLOWS.c.id == bindparam("id"))
_KNOWN: Final = Prepared(select(WORKFLOWS.c.number).where(WORKFLOWS.c.id == bindparam("id")))
_BY_IDS: Final = select(WORKFLOWS).where(WORKFLOWS.c.id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What stands of a workflow in its own row.

    Attributes
    ----------
    id, status, metadata, labels
        As they were submitted, and where it stands now.
    created, started, ended
        UNIX times in seconds; the last two of its last run, None for what has not happened.
    executor
        The name of its owner, or of the last one; None if it never had one, or let go of it.
    """

    id: str
    status: WorkflowStatus
    metadata: dict[str, Any]
    labels: tuple[str, ...]
    created: float
    started: float | None
    ended: float | None
    executor: str | None


class Records:
    """Reads the workflows of one store.

    Parameters
    ----------
    store, executors, vault
        Where they are recorded, who may own them, and what opens their values.
    runs_here
        Tells whether this process runs a workflow that it owns.
    """

    def __init__(
        self,
        store: Store,
        executors: Executors,
        vault: Vault,
        runs_here: Callable[[WorkflowRow], bool | None],
    ) -> None:
        self._store, self._executors, self._vault = store, executors, vault
        self._runs_here = runs_here

    @classmethod
    def alone(cls, store: Store, vault: Vault) -> "Records":
        """Give what reads them in a process that runs none, making the tables where there are none."""
        ensure_tables(store)
        return cls(store, Executors(store), vault, lambda row: None)

    # -------------------------------------------------------------------------------------- status

    def status(self, row: WorkflowRow, lives: Callable[[str, int], bool] | None = None) -> WorkflowStatus:
        """Give the status of a workflow's row, looking whether its owner lives, or asking `lives`."""
        stored = WorkflowStatus(row.status)
        if stored not in ACTIVE or (stored is WorkflowStatus.PENDING and row.executor is None):
            return stored
        owned = self._owned(row, lives or self._executors.is_alive)
        return stored if owned else WorkflowStatus.RESUMABLE

    def is_active(self, row: WorkflowRow) -> bool:
        """Tell whether somebody runs the workflow, or it waits in the queue."""
        return self.status(row) in ACTIVE

    def status_of(self, workflow_id: str) -> WorkflowStatus:
        """Give the status of a workflow; `WorkflowNotFoundError` if there is none."""
        with self._store.reading() as connection:
            return self.status(self.workflow(connection, workflow_id))

    def list(self, search: Search = EVERY) -> list[tuple[str, WorkflowStatus]]:
        """Give ids and statuses of the workflows that a search finds, in its order."""
        with self._store.reading() as connection:
            # Whether an executor lives is asked once, however much it owns: that is a look somewhere else.
            return search.page(connection, partial(self.status, lives=cache(self._executors.is_alive)))

    def describe(self, workflow_id: str) -> Described:
        """Give what stands in the row of a workflow; `WorkflowNotFoundError` if there is none."""
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
        return self._described_row(row, self._executors.is_alive)

    def describe_all(self, search: Search = EVERY) -> Sequence[Described]:
        """Give what stands in the rows of the workflows that a search finds, in its order."""
        lives = cache(self._executors.is_alive)
        with self._store.reading() as connection:
            ids = [found for found, _ in search.page(connection, partial(self.status, lives=lives))]
            rows: list[WorkflowRow] = []
            for i in range(0, len(ids), _CHUNK):
                rows += self.workflows(connection, ids[i : i + _CHUNK])
        return [self._described_row(row, lives) for row in rows]

    def ran(self, workflow_id: str) -> tuple[float | None, int]:
        """Tell when the last attempt at a workflow's output began, and how many there were, as recorded."""
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
            c = TASKS.c
            asked = select(c.started, c.attempts).where(one_task(row.number, row.entry))
            task = connection.execute(asked).one()
        return task.started, task.attempts or 0

    def count_ended(self, workflow_id: str, prefix: str) -> tuple[int, int]:
        """Count the tasks of a workflow whose names begin so: those that have ended, and all."""
        c = TASKS.c
        with self._store.reading() as connection:
            number = self.workflow(connection, workflow_id).number
            mine = (c.workflow == number) & c.name.startswith(prefix, autoescape=True)
            asked = select(func.count(c.digest), func.count()).where(mine)
            ended, total = connection.execute(asked).one()
        return int(ended), int(total)

    def before(self, workflow_id: str) -> int | None:
        """Tell how many with its labels wait in the plain queue before a workflow; None if it does not."""
        with self._store.reading() as connection:
            row = self.workflow_or_none(connection, workflow_id)
            if row is None or self.status(row) is not WorkflowStatus.PENDING or row.queue is not None:
                return None
            c = WORKFLOWS.c
            waits = (c.status == WorkflowStatus.PENDING.value) & c.queue.is_(None) & (c.labels == row.labels)
            asked = select(func.count()).where(waits, c.executor.is_(None), c.number < row.number)
            return int(connection.scalar(asked) or 0)

    def waiting(self) -> dict[tuple[str, ...], tuple[int, float]]:
        """Count what waits in the plain queue, by labels, and tell when the oldest of each was submitted."""
        c = WORKFLOWS.c
        waits = (c.status == WorkflowStatus.PENDING.value) & c.queue.is_(None)
        asked = select(c.labels, func.count(), func.min(c.created)).where(waits, c.executor.is_(None))
        with self._store.reading() as connection:
            rows = connection.execute(asked.group_by(c.labels)).all()
        return {tuple(labels.split(",")): (count, oldest) for labels, count, oldest in rows}

    def count(self) -> dict[tuple[str | None, WorkflowStatus], int]:
        """Count the workflows that others keep results in, by executor and by stored status."""
        c = WORKFLOWS.c
        asked = select(c.executor, c.status, func.count()).where(c.prunable.is_(False))
        with self._store.reading() as connection:
            rows = connection.execute(asked.group_by(c.executor, c.status)).all()
        return {(executor, WorkflowStatus(status)): count for executor, status, count in rows}

    def _described_row(self, row: WorkflowRow, lives: Callable[[str, int], bool]) -> Described:
        return Described(
            id=row.id,
            status=self.status(row, lives),
            metadata=json.loads(row.metadata),
            labels=tuple(row.labels.split(",")),
            created=row.created,
            started=row.started,
            ended=row.ended,
            executor=row.executor,
        )

    def resumable(self, wanted: Collection[WorkflowStatus]) -> Sequence[str]:
        """Give the ids of workflows with one of these statuses, those that only waited behind the others."""
        c = WORKFLOWS.c
        goes_on = c.requeue.is_(False) | c.queue.is_not(None)
        asked = select(c.id, c.status, c.executor, c.epoch, c.queue).where(
            c.status.in_([*ACTIVE, *wanted]), goes_on
        )
        with self._store.reading() as connection:
            found = connection.execute(asked.order_by(c.started.is_(None), c.number)).all()
        rows, lives = cast("Sequence[WorkflowRow]", found), cache(self._executors.is_alive)
        return [str(row.id) for row in rows if self.status(row, lives) in wanted]

    def tasks(self, workflow_id: str) -> Sequence[TaskInfo]:
        """Give what is known of the tasks of a workflow; see `alula.workflow.list_tasks`."""
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
            return tasks_of(connection, self._vault, row, self.status(row))

    def _owned(self, row: WorkflowRow, lives: Callable[[str, int], bool]) -> bool:
        if row.executor is None:
            return False
        here = self._runs_here(row)
        return lives(row.executor, row.epoch) if here is None else here

    # ------------------------------------------------------------------------------------- outputs

    def value(self, workflow_id: str, task_id: str | None) -> Stored | None:
        """Give what is recorded of a workflow's output or a task's; None if there is nothing yet."""
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
            key = row.entry if task_id is None else self._key(connection, row.number, task_id)
            return None if key is None else self._follow(connection, row.number, key)

    def output(self, workflow_id: str) -> Stored | WorkflowError | None:
        """Give a workflow's output, or why there will be none, from one state of the store.

        None while it may still come.
        """
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
            value = self._follow(connection, row.number, row.entry)
            return self._end(connection, row) if value is None else value

    def is_inplace(self, workflow_id: str, task_id: str) -> bool:
        """Tell whether a task runs in the process of the one that made it."""
        with self._store.reading() as connection:
            number = self.workflow(connection, workflow_id).number
            asked = select(TASKS.c.inplace).where(TASKS.c.workflow == number, TASKS.c.task_id == task_id)
            return bool(connection.scalar(asked))

    def end(self, workflow_id: str, task_id: str | None) -> WorkflowError | None:
        """Say why there is no value and will be none; None while the workflow is active."""
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
            end = self._end(connection, row)
            if end and task_id is not None and self._key(connection, row.number, task_id) is None:
                return WorkflowNotFoundError(workflow_id, task_id)
            return end

    def ended_badly(self, workflow_id: str) -> WorkflowError | None:
        """Give the error of a workflow that has failed or was cancelled; None of any other."""
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
            failed = row.status in (WorkflowStatus.FAILED, WorkflowStatus.CANCELED)
            return self._end(connection, row) if failed else None

    def _end(self, connection: Connection, row: WorkflowRow) -> WorkflowError | None:
        match self.status(row):
            case WorkflowStatus.RUNNING | WorkflowStatus.PENDING:
                return None
            case WorkflowStatus.FAILED:
                return self._failure(connection, row)
            case WorkflowStatus.CANCELED:
                return WorkflowCancellationError(row.id)
            case WorkflowStatus.SUCCESSFUL:
                return WorkflowOutputNotReady(row.id, "the value was not recorded (checkpoint=False)")
            case _ if row.requeue and not self._is_left(row):  # whoever claims next returns it to the queue
                return None
            case _:
                return WorkflowOutputNotReady(
                    row.id, f"whoever ran it is gone; resume({row.id!r}) goes on with it"
                )

    def _is_left(self, row: WorkflowRow) -> bool:
        """Tell whether a workflow waited in a named queue for a client that is gone, and for nobody else."""
        if row.queue is None:
            return False
        wanted, claiming = (
            set(row.labels.split(",")),
            [info for info in self._executors.list() if info.claims],
        )
        takes = any(info.alive and wanted <= set(info.labels) for info in claiming)
        return not takes and row.executor not in [info.name for info in claiming]

    def _failure(self, connection: Connection, row: WorkflowRow) -> WorkflowError:
        task = row.failed and connection.scalar(
            select(TASKS.c.task_id).where(one_task(row.number, row.failed))
        )
        cause = unpack_error(self._vault.unseal(Stored("", row.error), "a stored error"))
        if row.failed is None and isinstance(cause, WorkflowTimeoutError):  # of the whole
            return cause
        error = WorkflowExecutionError(row.id, task)
        error.__cause__ = cause
        return error

    def _follow(self, connection: Connection, number: int, key: Key) -> Stored | None:
        """Give the value at the end of a chain of continuations, in two steps however long it is."""
        c = TASKS.c
        asked = select(c.pointer, c.root, c.digest, c.value)
        row = connection.execute(asked.where(one_task(number, key))).one()
        if row.pointer is not None:
            first = row.root or key
            newest = select(c.pointer).where(one_task(number, first)).scalar_subquery()
            row = connection.execute(asked.where(c.workflow == number, c.key == newest)).one()
        return None if row.digest is None else Stored(row.digest, row.value)

    # ------------------------------------------------------------------------------------ metadata

    def workflow_metadata(self, workflow_id: str) -> dict[str, Any]:
        """Describe a workflow; see `alula.workflow.get_metadata`."""
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
            mine = ATTEMPTS.c.workflow == row.number
            earlier = connection.execute(select(ATTEMPTS).where(mine).order_by(ATTEMPTS.c.attempt)).all()
        status, origin = self.status(row), {"forked_from": row.forked_from} if row.forked_from else {}
        if row.queue is not None:
            origin["queue"] = _queued(row)
        attempts = [_attempt(before, _ended_as(before.status)) for before in earlier]
        if row.started is not None:
            attempts.append(_attempt(row, status))
        return {
            "status": status,
            "user_metadata": json.loads(row.metadata),
            "stats": _stats(row),
            "attempts": attempts,
            **origin,
        }

    def task_metadata(self, workflow_id: str, task_id: str) -> dict[str, Any]:
        """Describe a task; see `alula.workflow.get_metadata`."""
        c = TASKS.c
        with self._store.reading() as connection:
            number = self.workflow(connection, workflow_id).number
            key = self._key(connection, number, task_id)
            if key is None:
                raise WorkflowNotFoundError(workflow_id, task_id)
            row = connection.execute(select(TASKS).where(one_task(number, key))).one()
            keys = row.inputs.split(",")
            found = connection.execute(
                select(c.task_id).where(c.workflow == number, c.key.in_(keys)).order_by(c.position)
            )
            inputs = list(found.scalars())
        known = {"task_id": task_id, "workflow_refs": inputs, "stats": _stats(row)}
        return {**known, "attempts": row.attempts or 0, **self._described(row)}

    def _described(self, row: Any) -> dict[str, Any]:
        engine, retry, metadata, facts = options_of(self._vault, row)
        options = {
            "task_type": "FUNCTION" if row.kind == CALL else row.kind.upper(),
            "max_retries": retry.most,
            "retry_exceptions": retry.errors,
            "catch_exceptions": bool(facts.get("catch")),
            "checkpoint": row.checkpoint,
            "ray_options": {"num_cpus": engine.num_cpus, "resources": dict(engine.resources)},
        }
        return {"task_options": options, "user_metadata": metadata}

    def history(self, workflow_id: str) -> History:
        """Give all tasks of a workflow and what joins them; `WorkflowNotFoundError` if there is none."""
        with self._store.reading() as connection:
            row = self.workflow(connection, workflow_id)
            now = self._store.clock.time()
            return read_history(connection, self._vault, row, self.status(row), now)

    # --------------------------------------------------------------------------------------- rows

    def workflow(self, connection: Connection, workflow_id: str) -> WorkflowRow:
        """Give the row of a workflow; `WorkflowNotFoundError` if there is none."""
        row = self.workflow_or_none(connection, workflow_id)
        if row is None:
            raise WorkflowNotFoundError(workflow_id)
        return row

    def is_known(self, connection: Connection, workflow_id: str) -> bool:
        """Tell whether there is a workflow of that id: at a tenth of what its row costs."""
        return _KNOWN(connection, {"id": workflow_id}).fetchone() is not None

    def workflow_or_none(self, connection: Connection, workflow_id: str) -> WorkflowRow | None:
        """Give the row of a workflow, if there is one; `TypeError` if the id is not text."""
        if not isinstance(workflow_id, str):
            raise TypeError(f"a workflow_id is text, not {type(workflow_id).__name__}")
        if not is_storable(workflow_id):
            return None
        return connection.execute(_BY_ID, {"id": workflow_id}).one_or_none()

    def workflows(self, connection: Connection, ids: Sequence[str]) -> Sequence[WorkflowRow]:
        """Give the rows of those of some workflows that there are, in the order of their ids here."""
        found = {row.id: row for row in connection.execute(_BY_IDS, {"ids": ids})}
        return [found[workflow_id] for workflow_id in ids if workflow_id in found]

    def _key(self, connection: Connection, number: int, task_id: str) -> Key | None:
        if not isinstance(task_id, str):
            raise TypeError(f"a task_id is text, not {type(task_id).__name__}")
        if not is_storable(task_id):
            return None
        c = TASKS.c
        return connection.scalar(select(c.key).where(c.workflow == number, c.task_id == task_id))


def _queued(row: WorkflowRow) -> dict[str, Any]:
    facts = {
        "key": row.queue_key,
        "deduplication_id": row.deduplication_id,
        "priority": row.priority,
        "delayed_until": row.due if row.status == WorkflowStatus.PENDING else None,
    }
    return {"name": row.queue, **{name: fact for name, fact in facts.items() if fact is not None}}


def _stats(row: Any) -> dict[str, float]:
    times: Sequence[tuple[str, float | None]] = (("start_time", row.started), ("end_time", row.ended))
    return {name: time for name, time in times if time is not None}


def _attempt(row: Any, status: WorkflowStatus) -> dict[str, Any]:
    return {"status": status, "executor": row.executor, **_stats(row)}


def _ended_as(stored: str) -> WorkflowStatus:
    """Give the status of a run when another one took its place: it had ended, or it was nobody's."""
    status = WorkflowStatus(stored)
    return WorkflowStatus.RESUMABLE if status in ACTIVE else status

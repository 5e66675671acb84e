"""The tasks of a workflow, as its records tell of them.

That a task has begun is not recorded, for that would cost a write. So it counts as running if it may: the
workflow runs, and all that it reads is there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from .._core._ids import Key
from ._failures import error_of, failed_in
from ._status import WorkflowStatus
from ._tables import TASKS
from ._vault import Vault

__all__ = ["TaskInfo", "tasks_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """What is known of one task of a workflow.

    Attributes
    ----------
    task_id
        Its id.
    status
        SUCCESSFUL: its function has ended well. FAILED: it has not, however often it was tried. RUNNING: its
        workflow runs, and what the task reads is there. PENDING: it has not begun; when the workflow goes
        on, it will. CANCELED: the workflow was cancelled, or has its output without this task.
    kind
        ``"call"`` for a function; else what it waits for: ``"sleep"``, ``"event"``, ``"signal"``, ...
    upstream
        Ids of the tasks that it reads, in the order in which they were made.
    creator
        Id of the task that returned it; None if it was submitted.
    continuation
        Id of the task whose value is this one's, too, because this one has returned it. Of the first in a
        chain that is the newest.
    attempts
        How often it was tried in the run in which it ended; 0 before.
    started, ended
        UNIX seconds, of the last attempt; None if unknown.
    error
        Why it failed, when it was last tried; None if it did not, or has succeeded since.
    contained
        Of one that has succeeded: an error that could not keep it from that. It ended an attempt before, or
        is a part of its value, as `catch_exceptions` asks.
    checkpoint
        Whether its value is to be recorded.
    recorded
        Whether its value is on record, or which other task has it: it will not run again.
    """

    task_id: str
    status: WorkflowStatus
    kind: str
    upstream: tuple[str, ...]
    creator: str | None
    continuation: str | None
    attempts: int
    started: float | None
    ended: float | None
    error: BaseException | None
    contained: BaseException | None
    checkpoint: bool
    recorded: bool


_COLUMNS = [c for c in TASKS.c if c.name not in ("call", "value")]


def tasks_of(
    connection: Connection, vault: Vault, workflow: Row[Any], status: WorkflowStatus
) -> list[TaskInfo]:
    """List the recorded tasks of a workflow that has this status: each followed by what it returned."""
    number = workflow.number
    found = connection.execute(
        select(*_COLUMNS).where(TASKS.c.workflow == number).order_by(TASKS.c.creator, TASKS.c.position)
    )
    rows = {row.key: row for row in found}
    order = list(_in_order(rows))
    ended = _ended(order)
    infos = []
    for row in order:
        failed = status is WorkflowStatus.RUNNING and failed_in(vault, row, workflow.started)
        infos.append(
            _info(vault, row, rows, WorkflowStatus.FAILED if failed else _status(row, status, ended))
        )
    return infos


def _in_order(rows: Mapping[Key, Any]) -> Iterator[Any]:
    made: dict[str, list[Any]] = {}
    for row in rows.values():
        made.setdefault(row.creator, []).append(row)
    waiting = made.get("", [])[::-1]
    while waiting:  # a loop, for a chain may be of any length
        row = waiting.pop()
        yield row
        waiting += made.get(row.key, [])[::-1]


def _ended(rows: Sequence[Any]) -> set[str]:
    """Give the keys of tasks that have ended well.

    One whose value is not to be recorded has, if somebody who reads it has.
    """
    ended = {row.key for row in rows if _recorded(row)}
    unrecorded = {row.key for row in rows if not row.checkpoint}
    # Readers stand behind what they read.
    for row in reversed(rows):
        if row.key in ended:
            ended.update(unrecorded.intersection(row.inputs.split(",")))
    return ended


def _status(row: Any, workflow: WorkflowStatus, ended: set[str]) -> WorkflowStatus:
    if row.key in ended:
        return WorkflowStatus.SUCCESSFUL
    match workflow:
        case WorkflowStatus.RUNNING:
            ready = all(key in ended for key in row.inputs.split(",") if key)
            return WorkflowStatus.RUNNING if ready else WorkflowStatus.PENDING
        case WorkflowStatus.PENDING | WorkflowStatus.RESUMABLE:
            return WorkflowStatus.PENDING
        case WorkflowStatus.SUCCESSFUL if not row.checkpoint:
            return WorkflowStatus.SUCCESSFUL
        case _ if row.error is not None:
            return WorkflowStatus.FAILED
        case WorkflowStatus.SUCCESSFUL | WorkflowStatus.CANCELED:
            return WorkflowStatus.CANCELED
        case _:
            return WorkflowStatus.PENDING


def _recorded(row: Any) -> bool:
    return row.digest is not None or row.pointer is not None


def _info(vault: Vault, row: Any, rows: Mapping[str, Any], status: WorkflowStatus) -> TaskInfo:
    error = error_of(vault, row)
    succeeded = status is WorkflowStatus.SUCCESSFUL
    return TaskInfo(
        task_id=row.task_id,
        status=status,
        kind=row.kind,
        upstream=tuple([rows[key].task_id for key in row.inputs.split(",") if key in rows]),
        creator=rows[row.creator].task_id if row.creator in rows else None,
        continuation=rows[row.pointer].task_id if row.pointer in rows else None,
        attempts=row.attempts or 0,
        started=row.started,
        ended=row.ended,
        error=None if succeeded else error,
        contained=error if succeeded else None,
        checkpoint=row.checkpoint,
        recorded=_recorded(row),
    )

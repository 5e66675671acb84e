"""The history of tasks: what was submitted to a store, newest first, a page at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, get_args

from .._core._html import Listing, grid, seconds, short
from .._core._html import status as shown
from ..errors import suggest
from ..workflow import Described, Search, WorkflowStatus
from ._records import MARK, Records
from ._results import Status

__all__ = ["TaskInfo", "history"]

_SHOWN: Final = 20  # tasks in the table of a notebook
_AT_ONCE: Final = 200  # rows that are read at a time while it is not known how many are wanted
_ACTIVE: Final = frozenset((WorkflowStatus.PENDING, WorkflowStatus.RUNNING, WorkflowStatus.RESUMABLE))
_ANY: Final = Search().statuses
_STORED: Final[dict[str, frozenset[WorkflowStatus]]] = {
    "PENDING": _ACTIVE,
    "STARTED": _ACTIVE,
    "RETRY": _ACTIVE,
    "SUCCESS": frozenset((WorkflowStatus.SUCCESSFUL,)),
    "FAILURE": frozenset((WorkflowStatus.FAILED,)),
    "REVOKED": frozenset((WorkflowStatus.CANCELED,)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """What a list tells of a task.

    Attributes
    ----------
    id
        `alula.runtime.result` gives its result.
    action, kind, name
        What is done to which object: ``"fit"``, ``"model"``, ``"iris"``. The parent of several tasks has how
        they are combined as its action, and no kind.
    bucket
        The name space of that object.
    status
        As of `AsyncResult`.
    labels
        What its executor must be able to do.
    submitted, started, ended
        UNIX times in seconds; None for what has not happened. It started when an executor took it.
    executor
        The name of the one that has it, or had it last.
    retry_of
        The id of the task that this one did again, if it did.
    """

    id: str
    action: str
    kind: str
    name: str
    bucket: str
    status: Status
    labels: tuple[str, ...]
    submitted: float
    started: float | None
    ended: float | None
    executor: str | None
    retry_of: str | None = None


def history(
    records: Records,
    *,
    bucket: str,
    status: str | None = None,
    kind: str | None = None,
    name: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> list[TaskInfo]:
    """Give the tasks of a bucket, newest first; see `Runtime.tasks`."""
    if status is not None and status not in get_args(Status):
        raise ValueError(f"there is no status {status!r}; {suggest(str(status), get_args(Status))}")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise ValueError(f"limit is a whole number from 0, not {limit!r}")
    wanted = {"kind": kind, "name": name, "bucket": bucket}
    exact = {word: value for word, value in wanted.items() if value is not None}

    def fits(found: Described) -> bool:
        facts = found.metadata
        return MARK in facts and all(facts.get(word) == value for word, value in exact.items())

    rows = (row for row in _rows(records, status, limit, after) if fits(row))
    told = (_told(records, row) for row in rows)
    return Listing(islice((task for task in told if status in (None, task.status)), limit), _table)


def _rows(records: Records, status: str | None, limit: int, after: str | None) -> Iterator[Described]:
    """Give rows of workflows, no more of them than are taken, but for what is read at a time."""
    size = min(limit, _AT_ONCE)
    statuses = _ANY if status is None else _STORED[status]
    while size:
        search = Search(newest_first=True, limit=size, after=after, statuses=statuses)
        page = records.describe_all(search)
        yield from page
        if len(page) < size:
            return
        after = page[-1].id


def _table(tasks: Sequence[TaskInfo]) -> str:
    """Show tasks as a notebook does."""
    rows = [
        (short(each.id), f"{each.action} {each.name}", shown(each.status), _took(each))
        for each in tasks[:_SHOWN]
    ]
    return grid(
        f"{len(tasks):,} task{'s' * (len(tasks) != 1)}",
        ("task", "does", "status", "took"),
        rows,
        total=len(tasks),
    )


def _took(task: TaskInfo) -> str:
    return "" if task.started is None or task.ended is None else seconds(task.ended - task.started)


def _told(records: Records, row: Described) -> TaskInfo:
    facts: dict[str, Any] = row.metadata
    return TaskInfo(
        id=row.id,
        action=facts[MARK],
        kind=facts.get("kind", ""),
        name=facts.get("name", ""),
        bucket=facts.get("bucket", ""),
        status=records.status_of(row),
        labels=row.labels,
        submitted=row.created,
        started=row.started,
        ended=row.ended,
        executor=row.executor,
        retry_of=facts.get("retry_of"),
    )

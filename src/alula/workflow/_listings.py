"""Lists of workflows and tasks that notebooks show as tables."""

from collections.abc import Sequence

from .._core._html import Listing, grid, seconds
from .._core._html import status as shown
from ._status import WorkflowStatus
from ._tasklist import TaskInfo

__all__ = ["tasks_listing", "workflows_listing"]


def workflows_listing(found: Sequence[tuple[str, WorkflowStatus]]) -> Listing[tuple[str, WorkflowStatus]]:
    """Give a list of ids and statuses."""
    return Listing(found, _workflows)


def tasks_listing(found: Sequence[TaskInfo]) -> Listing[TaskInfo]:
    """Give a list of tasks."""
    return Listing(found, _tasks)


def _workflows(found: Sequence[tuple[str, WorkflowStatus]]) -> str:
    rows = [(workflow_id, shown(status)) for workflow_id, status in found]
    return grid(f"{len(found):,} workflow{'s' * (len(found) != 1)}", ("workflow", "status"), rows)


def _tasks(found: Sequence[TaskInfo]) -> str:
    rows = [(task.task_id, shown(task.status), _took(task), _error(task)) for task in found]
    columns = ("task", "status", "took", "error")
    return grid(f"{len(found):,} task{'s' * (len(found) != 1)}", columns, rows)


def _took(task: TaskInfo) -> str:
    return "" if task.started is None or task.ended is None else seconds(task.ended - task.started)


def _error(task: TaskInfo) -> str:
    return "" if task.error is None else f"{type(task.error).__name__}: {task.error}"

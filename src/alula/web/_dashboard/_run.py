"""One workflow: its graph as it grows, when its tasks ran, what they took and gave, and what can be done."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fastapi import APIRouter, Response

from ..._core._settings import Settings
from ...errors import WorkflowNotFoundError
from ...workflow import (
    Described,
    Hidden,
    TaskInfo,
    WorkflowStatus,
    cancel,
    default_executor,
    draw,
    get_metadata,
    glance,
    list_tasks,
    signal,
    timeline,
)
from .._problems import Refused
from ._failures import failure_of, told
from ._now import MARK
from ._pictures import inline
from ._previews import Preview, preview_of, unavailable
from ._render import address
from ._view import Poster, View, Viewer
from ._workflows import TAB

__all__ = ["router"]

router = APIRouter()

_ROWS: Final = 200  # of the table of tasks
_LINES: Final = 500  # of the log
_GOES_ON: Final = (WorkflowStatus.FAILED, WorkflowStatus.CANCELED, WorkflowStatus.RESUMABLE)
_ACTIVE: Final = (WorkflowStatus.RUNNING, WorkflowStatus.PENDING)


@router.get("/workflow/{workflow_id:path}")
def show_workflow(view: Viewer, workflow_id: str) -> Response:
    """Show one workflow, or one of its tasks."""
    row = _row(view, workflow_id, "get")
    part = view.query.get("part", "graph")
    if part not in _PARTS:
        raise Refused(404, f"a workflow has no {part}; it has {', '.join(_PARTS)}")
    task = view.query.get("task")
    facts = _task(view, row, task) if task else _PARTS[part](view, row)
    return view.page(
        "task.html" if task else "run.html",
        tab=TAB.key,
        row=row,
        known=get_metadata(workflow_id),
        part=part,
        parts_of_run=[(key, key.capitalize(), address("workflow", workflow_id, part=key)) for key in _PARTS],
        failure=failure_of(workflow_id) if row.status is WorkflowStatus.FAILED else None,
        goes_on=row.status in _GOES_ON,
        is_active=row.status in _ACTIVE,
        is_task=MARK in row.metadata,
        **facts,
    )


@router.post("/workflow/{workflow_id:path}/resume")
def resume_workflow(view: Poster, workflow_id: str) -> Response:
    """Go on with a workflow, on an executor that takes work from the queue if there is one."""
    _row(view, workflow_id, "resume")
    with view.doing():
        default_executor().resume(workflow_id, where="auto")
    return view.back(address("workflow", workflow_id), "it goes on from what is recorded")


@router.post("/workflow/{workflow_id:path}/cancel")
def cancel_workflow(view: Poster, workflow_id: str) -> Response:
    """Cancel a workflow."""
    _row(view, workflow_id, "cancel")
    with view.doing():
        cancel(workflow_id)
    return view.back(address("workflow", workflow_id), "it was cancelled; what is recorded stays")


@router.post("/workflow/{workflow_id:path}/fork")
def fork_workflow(view: Poster, workflow_id: str) -> Response:
    """Begin a new workflow that runs again from one task."""
    _row(view, workflow_id, "fork")
    task = view.form.get("task", "")
    with view.doing():
        made = default_executor().fork(workflow_id, task, view.form.get("new_id") or None, where="auto")
    return view.back(address("workflow", made.id), f"this runs {workflow_id} again from {task}")


@router.post("/workflow/{workflow_id:path}/signal")
def signal_workflow(view: Poster, workflow_id: str) -> Response:
    """Send a signal, with JSON as its payload."""
    _row(view, workflow_id, "signal")
    key, text = view.form.get("key", "").strip(), view.form.get("payload", "").strip()
    try:
        payload = json.loads(text) if text else None
    except ValueError as error:
        raise Refused(422, f"the payload is no JSON: {error}") from error
    with view.doing():
        signal(workflow_id, key, payload)
    return view.back(address("workflow", workflow_id), f"the signal {key} is in its mailbox")


def _row(view: View, workflow_id: str, action: str) -> Described:
    """Give what stands in the record of a workflow that somebody may do this with."""
    view.permit("workflow", workflow_id, action)
    row = default_executor().records.describe(workflow_id)
    if not view.may_see(row.metadata):
        raise WorkflowNotFoundError(workflow_id)  # as if it were not there
    return row


# ------------------------------------------------------------------------------------------- what is shown


def _graph(_view: View, row: Described) -> dict[str, Any]:
    def link(task_id: str) -> str:
        return address("workflow", row.id, task=task_id)

    return {"picture": inline(draw(row.id, link=link))}


def _timeline(_view: View, row: Described) -> dict[str, Any]:
    return {"picture": inline(timeline(row.id))}


def _tasks(view: View, row: Described) -> dict[str, Any]:
    tasks, asked = list_tasks(row.id), view.query.get("first", "0")
    first = int(asked) if asked.isdecimal() else 0
    after = first + _ROWS
    return {
        "tasks": tasks[first:after],
        "count": len(tasks),
        "first": first,
        "newer": address("workflow", row.id, part="tasks") if first else "",
        "older": address("workflow", row.id, part="tasks", first=after) if after < len(tasks) else "",
    }


def _values(view: View, row: Described) -> dict[str, Any]:
    return _shown(view, row.id, None)


def _log(view: View, row: Described) -> dict[str, Any]:
    if MARK not in row.metadata:
        return {"records": None}
    instance = view.om()[str(row.metadata.get("bucket") or view.bucket)]
    return {"records": instance.runtime.result(row.id, wait=False).logs(tail=_LINES)}


_PARTS: Final[Mapping[str, Callable[[View, Described], dict[str, Any]]]] = {
    "graph": _graph,
    "timeline": _timeline,
    "tasks": _tasks,
    "values": _values,
    "log": _log,
}


def _task(view: View, row: Described, task_id: str) -> dict[str, Any]:
    found = next((task for task in list_tasks(row.id) if task.task_id == task_id), None)
    if found is None:
        raise WorkflowNotFoundError(row.id, task_id)
    error = found.error or found.contained
    return {
        "task": found,
        "raised": None if error is None else told(error, task_id),
        "options": get_metadata(row.id, task_id)["task_options"],
        "reads": _names(row, found),
        **_shown(view, row.id, task_id),
    }


def _names(row: Described, task: TaskInfo) -> list[tuple[str, str]]:
    return [(each, address("workflow", row.id, task=each)) for each in task.upstream]


def _shown(view: View, workflow_id: str, task_id: str | None) -> dict[str, Any]:
    seen = glance(view.om().store, Settings.load(), workflow_id, task_id)
    inputs = [(name, _preview(value)) for name, value in _inputs(seen.inputs)]
    return {"inputs": inputs, "output": _preview(seen.output), "shown_task": seen.task_id}


def _inputs(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the arguments of a task; of one of the runtime those that people gave, out of its order."""
    for name, value in given.items():
        if type(value).__module__.startswith("alula.runtime") and hasattr(value, "kwargs"):
            yield from ((f"{i}", each) for i, each in enumerate(value.args))
            yield from value.kwargs.items()
        else:
            yield name, value


def _preview(value: Any) -> Preview:
    return unavailable(value.why) if isinstance(value, Hidden) else preview_of(value)

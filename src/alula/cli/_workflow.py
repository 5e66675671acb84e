"""``alula workflow``: each command calls one function of `alula.workflow` and shows what it gives."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from threading import Thread
from typing import Any, Final, Literal

import typer
from rich.console import Console
from rich.pretty import Pretty

from .. import workflow
from ..errors import AlulaError, WorkflowError, WorkflowExecutionError
from ..workflow import SUCCESSFUL, TaskInfo
from ._folder import import_from_here
from ._terminal import err, out, working
from ._workflow_views import (
    change,
    described,
    ended,
    list_view,
    queues_view,
    show_view,
    tasks_view,
    timeline_view,
)

__all__ = [
    "cancel",
    "delete",
    "fork",
    "list_all",
    "output",
    "queues",
    "resume",
    "show",
    "signal",
    "tail",
    "tasks",
]

_FAILED: Final = 1


def list_all(*, statuses: Sequence[str], prefix: str, queue: str | None, limit: int, as_json: bool) -> int:
    """Show workflows, the newest first."""
    wanted: Any = {status.upper() for status in statuses} or None
    try:
        found = workflow.list_all(wanted, id_prefix=prefix, queue=queue, newest_first=True, limit=limit + 1)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    facts = [(id_, workflow.get_metadata(id_)) for id_, _ in found[:limit]]
    if as_json:
        _json([{"workflow_id": id_, **described(each)} for id_, each in facts])
    else:
        out().print(list_view(facts, more=len(found) > limit))
    return 0


def queues(*, as_json: bool) -> int:
    """Show the named queues, and what there is in each."""
    loads = workflow.queue_loads()
    if as_json:
        _json([{**asdict(load.queue), **asdict(load), "queue": load.queue.name} for load in loads])
    else:
        out().print(queues_view(loads))
    return 0


def show(workflow_id: str, *, timeline: bool, as_json: bool) -> int:
    """Show one workflow: where it stands, its runs, its tasks by status, why it failed; when they ran."""
    facts, tasks = workflow.get_metadata(workflow_id), workflow.list_tasks(workflow_id)
    if as_json:
        _json({"workflow_id": workflow_id, **described(facts), "tasks": [_task(task) for task in tasks]})
        return 0
    console = out()
    console.print(show_view(workflow_id, facts, tasks))
    if timeline:
        console.print()
        console.print(timeline_view(tasks, console.width, time.time()))
    return 0


def tasks(workflow_id: str, *, every: bool, as_json: bool) -> int:
    """Show the tasks of a workflow."""
    found = workflow.list_tasks(workflow_id)
    if as_json:
        _json([_task(task) for task in found])
    else:
        out().print(tasks_view(found, every=every))
    return 0


def output(workflow_id: str, *, task: str | None, as_json: bool) -> int:
    """Show the output of a workflow or a task, waiting for it."""
    import_from_here()
    return _valued(workflow_id, lambda: workflow.get_output(workflow_id, task_id=task), as_json)


def resume(workflow_id: str, *, current_code: bool, as_json: bool) -> int:
    """Go on with a workflow in this process, and show its output."""
    import_from_here()

    def work() -> object:
        try:
            return workflow.resume(workflow_id, code=_code(current_code))
        except RuntimeError as error:
            if isinstance(error, AlulaError):
                raise
            raise WorkflowError(str(error)) from error

    return _valued(workflow_id, work, as_json)


def fork(workflow_id: str, from_task: str, *, new_id: str | None, current_code: bool, as_json: bool) -> int:
    """Run a workflow again from one of its tasks, in this process, and show the output."""
    import_from_here()
    made = workflow.fork(workflow_id, from_task, new_id, code=_code(current_code))
    err().print(f"runs as {made}", style="dim", highlight=False, markup=False)
    return _valued(made, lambda: workflow.get_output(made), as_json)


def cancel(workflow_id: str, *, as_json: bool) -> int:
    """Cancel a workflow, and say what became of it."""
    workflow.cancel(workflow_id)
    status = workflow.get_status(workflow_id)
    if as_json:
        _json({"workflow_id": workflow_id, "status": status})
    else:
        out().print(ended(workflow_id, status))
    return 0


def delete(workflow_id: str, *, as_json: bool) -> int:
    """Remove what is recorded of a workflow."""
    workflow.delete(workflow_id)
    if as_json:
        _json({"deleted": workflow_id})
    else:
        out().print(f"deleted {workflow_id}", highlight=False, markup=False)
    return 0


def signal(workflow_id: str, key: str, payload: str, *, idempotency_key: str | None, as_json: bool) -> int:
    """Put a signal into the mailbox of a workflow."""
    try:
        value = json.loads(payload)
    except ValueError as error:
        raise typer.BadParameter(f"{payload!r} is no JSON: {error}; a text stands in quotes") from error
    workflow.signal(workflow_id, key, value, idempotency_key=idempotency_key)
    if as_json:
        _json({"workflow_id": workflow_id, "key": key})
    return 0


def tail(workflow_id: str, *, as_json: bool) -> int:
    """Show each change of a task until the workflow has ended; status 0 if it has succeeded."""
    console = out()
    for task in workflow.follow(workflow_id):
        if as_json:
            print(json.dumps(_task(task)), flush=True)
        else:
            console.print(change(task))
    status = workflow.get_status(workflow_id)
    if not as_json:
        console.print(ended(workflow_id, status))
    return 0 if status is SUCCESSFUL else _FAILED


def _code(current: bool) -> Literal["stored", "current"]:
    return "current" if current else "stored"


def _task(task: TaskInfo) -> dict[str, object]:
    facts = {name: getattr(task, name) for name in TaskInfo.__slots__}
    errors = {"error": task.error, "contained": task.contained}
    return {**facts, **{name: None if error is None else str(error) for name, error in errors.items()}}


def _json(facts: object) -> None:
    print(json.dumps(facts, indent=2))


def _counted(workflow_id: str, say: Callable[[str], None]) -> None:
    """Say how many tasks have ended, each time that one changes."""
    known: dict[str, bool] = {}
    with suppress(AlulaError):  # whoever waits for the value is told
        for task in workflow.follow(workflow_id):
            known[task.task_id] = task.ended is not None
            say(f"{sum(known.values()):,} of {len(known):,} tasks")


def _valued(workflow_id: str, work: Callable[[], object], as_json: bool) -> int:
    """Show a value; a failed workflow is shown with the error of its task."""
    try:
        with working(workflow_id) as say:
            if err().is_terminal:
                Thread(target=_counted, args=(workflow_id, say), daemon=True).start()
            value = work()
    except WorkflowExecutionError as error:
        cause = error.__cause__
        if cause is not None:
            err().print(str(cause).rstrip(), style="red", highlight=False, markup=False)
        raise
    if as_json:
        return _value_as_json(value)
    _print(out(), value)
    return 0


def _value_as_json(value: object) -> int:
    try:
        _json(value)
    except (TypeError, ValueError) as error:
        err().print(f"the value is no JSON ({error}): leave --json away", highlight=False, markup=False)
        return _FAILED
    return 0


def _print(console: Console, value: object) -> None:
    if isinstance(value, str):
        console.out(value, highlight=False)
    else:
        console.print(Pretty(value))

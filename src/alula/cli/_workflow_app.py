"""The commands of ``alula workflow``, as declared to people and shells."""

from importlib import import_module
from typing import Annotated, Any

import typer

__all__ = ["workflow"]

workflow = typer.Typer(help="Look at durable workflows, and act on them.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(metavar="ID", help="Of the workflow.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

_Current = Annotated[
    bool, typer.Option("--current-code", help="Run functions as they stand now, and not as they were stored.")
]


def _run(command: str, *args: Any, **options: Any) -> None:
    """Import what the commands need when one is called, so that others are quick."""
    raise typer.Exit(getattr(import_module("._workflow", __package__), command)(*args, **options))


@workflow.command("list")
def list_all(
    status: Annotated[
        list[str] | None, typer.Option(help="Only those with this status; may be given several times.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Only those whose ids begin so.")] = "",
    queue: Annotated[str | None, typer.Option(help="Only those that were submitted to this queue.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    json: _Json = False,
) -> None:
    """Show workflows, the newest first."""
    _run("list_all", statuses=status or [], prefix=prefix, queue=queue, limit=limit, as_json=json)


@workflow.command()
def queues(json: _Json = False) -> None:
    """Show the named queues: their limits, and how many workflows wait and run in each."""
    _run("queues", as_json=json)


@workflow.command()
def show(
    workflow_id: _Id,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also show when its tasks ran.")] = False,
    json: _Json = False,
) -> None:
    """Show one workflow: where it stands, and why it failed."""
    _run("show", workflow_id, timeline=timeline, as_json=json)


@workflow.command()
def tasks(
    workflow_id: _Id,
    every: Annotated[bool, typer.Option("--all", help="Show each of many alike tasks.")] = False,
    json: _Json = False,
) -> None:
    """Show the tasks of a workflow."""
    _run("tasks", workflow_id, every=every, as_json=json)


@workflow.command()
def output(
    workflow_id: _Id,
    task: Annotated[str | None, typer.Option(help="Id of a task, whose value is wanted.")] = None,
    json: _Json = False,
) -> None:
    """Show the output of a workflow, waiting for it while somebody is at work on it."""
    _run("output", workflow_id, task=task, as_json=json)


@workflow.command()
def resume(workflow_id: _Id, current_code: _Current = False, json: _Json = False) -> None:
    """Go on with a workflow here, from what is recorded, and show its output."""
    _run("resume", workflow_id, current_code=current_code, as_json=json)


@workflow.command()
def fork(
    workflow_id: _Id,
    task: Annotated[str, typer.Argument(help="Id of the first task to run again.", show_default=False)],
    new_id: Annotated[
        str | None, typer.Option("--id", help="Of the new workflow; made up by default.")
    ] = None,
    current_code: _Current = False,
    json: _Json = False,
) -> None:
    """Run a workflow again from one of its tasks, here, as a new one, and show its output."""
    _run("fork", workflow_id, task, new_id=new_id, current_code=current_code, as_json=json)


@workflow.command()
def cancel(workflow_id: _Id, json: _Json = False) -> None:
    """Cancel a workflow, whoever runs it."""
    _run("cancel", workflow_id, as_json=json)


@workflow.command()
def delete(workflow_id: _Id, json: _Json = False) -> None:
    """Remove what is recorded of a workflow that has ended."""
    _run("delete", workflow_id, as_json=json)


@workflow.command()
def signal(
    workflow_id: _Id,
    key: Annotated[str, typer.Argument(help="What kind of signal it is.", show_default=False)],
    payload: Annotated[str, typer.Argument(metavar="JSON", help="What it carries.")] = "null",
    idempotency_key: Annotated[
        str | None, typer.Option(help="A second signal with the same one is not delivered.")
    ] = None,
    json: _Json = False,
) -> None:
    """Send a workflow a signal, for `wait_for_signal` to take."""
    _run("signal", workflow_id, key, payload, idempotency_key=idempotency_key, as_json=json)


@workflow.command()
def tail(workflow_id: _Id, json: _Json = False) -> None:
    """Show each change of a task as it happens, until the workflow has ended."""
    _run("tail", workflow_id, as_json=json)

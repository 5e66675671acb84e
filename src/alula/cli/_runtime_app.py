"""``alula runtime``: tasks on stored objects, as declared to people and shells."""

from importlib import import_module
from typing import Annotated, Any

import typer

from ._completion import labels as complete_labels
from ._completion import names
from ._completion import tasks as complete_tasks

__all__ = ["runtime"]

runtime = typer.Typer(help="Run tasks on stored objects, and look at them.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_Bucket = Annotated[str | None, typer.Option(help="The name space; that of the settings by default.")]
_Async = Annotated[
    bool, typer.Option("--async", help="Print the id of the task and end; whoever takes work runs it.")
]
_Require = Annotated[
    str | None,
    typer.Option(help="A label: run where there is one; 'local' is here.", autocompletion=complete_labels),
]
_Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A keyword; JSON, or else text. May be repeated."),
]
_Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
_Task = Annotated[
    str, typer.Argument(metavar="ID", help="Of the task.", show_default=False, autocompletion=complete_tasks)
]
_ACTIONS = (
    "fit, partial_fit, predict, predict_proba, decision_function, transform, fit_transform, score, gridsearch"
)


def _name(kind: str) -> Any:
    return typer.Argument(metavar="NAME", help="As stored.", show_default=False, autocompletion=names(kind))


def _run(command: str, *args: Any, **options: Any) -> None:
    """Import what the commands need when one is called, so that others are quick."""
    raise typer.Exit(getattr(import_module("._runtime", __package__), command)(*args, **options))


@runtime.command()
def model(
    name: Annotated[str, _name("models")],
    action: Annotated[str, typer.Argument(help=f"One of {_ACTIONS}.", show_default=False)],
    x: Annotated[
        str | None,
        typer.Argument(metavar="X", help="A dataset, or JSON.", autocompletion=names("datasets")),
    ] = None,
    y: Annotated[
        str | None,
        typer.Argument(metavar="Y", help="A dataset, or JSON.", autocompletion=names("datasets")),
    ] = None,
    result: Annotated[str | None, typer.Option(help="Name of a dataset to make of the result.")] = None,
    param: _Params = None,
    require: _Require = None,
    asynchronous: _Async = False,
    bucket: _Bucket = None,
    json: _Json = False,
) -> None:
    """Let a model fit, predict, score or transform, and show what that gives."""
    wanted = {"params": param or [], "require": require, "wait": not asynchronous, "bucket": bucket}
    _run("model", name, action, x, y, result=result, as_json=json, **wanted)


@runtime.command()
def script(
    name: Annotated[str, _name("scripts")],
    args: Annotated[
        list[str] | None,
        typer.Argument(metavar="[run] [VALUE|NAME=VALUE]...", help="For the script.", show_default=False),
    ] = None,
    param: _Params = None,
    require: _Require = None,
    asynchronous: _Async = False,
    bucket: _Bucket = None,
    json: _Json = False,
) -> None:
    """Run a script, and show what it returns."""
    wanted = {"params": param or [], "require": require, "wait": not asynchronous, "bucket": bucket}
    _run("started", "script", name, args or [], as_json=json, **wanted)


@runtime.command()
def job(
    name: Annotated[str, _name("jobs")],
    args: Annotated[
        list[str] | None,
        typer.Argument(metavar="[run] [VALUE|NAME=VALUE]...", help="For the notebook.", show_default=False),
    ] = None,
    param: _Params = None,
    require: _Require = None,
    asynchronous: _Async = False,
    bucket: _Bucket = None,
    json: _Json = False,
) -> None:
    """Run a notebook, and show where its outputs are."""
    wanted = {"params": param or [], "require": require, "wait": not asynchronous, "bucket": bucket}
    _run("started", "job", name, args or [], as_json=json, **wanted)


@runtime.command()
def result(
    task: _Task,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to wait for its end.")] = True,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where it has failed.")] = False,
    json: _Json = False,
) -> None:
    """Show what a task gave that anybody has submitted."""
    _run("result", task, wait=wait, traceback=traceback, as_json=json)


@runtime.command()
def tasks(
    status: Annotated[str | None, typer.Option(help="Only those with this status.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only those on a model, script or job.")] = None,
    name: Annotated[str | None, typer.Option(help="Only those on the object of this name.")] = None,
    limit: _Limit = 20,
    bucket: _Bucket = None,
    json: _Json = False,
) -> None:
    """Show the tasks that were submitted, the newest first."""
    _run("tasks", status=status, kind=kind, name=name, limit=limit, bucket=bucket, as_json=json)


@runtime.command()
def failed(limit: _Limit = 20, bucket: _Bucket = None, json: _Json = False) -> None:
    """Show the tasks that have failed after their last attempt."""
    _run("tasks", status="FAILURE", kind=None, name=None, limit=limit, bucket=bucket, as_json=json)


@runtime.command()
def resubmit(task: _Task, asynchronous: _Async = False, json: _Json = False) -> None:
    """Do a task again that has ended, and show what that gives."""
    _run("resubmit", task, wait=not asynchronous, as_json=json)


@runtime.command()
def revoke(task: _Task, json: _Json = False) -> None:
    """Cancel a task, unless it has ended."""
    _run("revoke", task, as_json=json)


@runtime.command()
def ping(
    require: _Require = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 10.0,
    json: _Json = False,
) -> None:
    """Let a worker answer."""
    _run("ping", require=require, timeout=timeout, as_json=json)


@runtime.command()
def status(json: _Json = False) -> None:
    """Show the executors that live: labels, load, what they run."""
    _run("status", as_json=json)


@runtime.command()
def stats(json: _Json = False) -> None:
    """Show where the executors run, since when, and how many tasks have ended there how."""
    _run("stats", as_json=json)


@runtime.command()
def queues(json: _Json = False) -> None:
    """Show what waits in the queue, by label, for how long, and who takes it."""
    _run("queues", as_json=json)


@runtime.command()
def forget(
    older_than: Annotated[
        str, typer.Option(help="How long ago they have ended: 30d, 12h, 90m.", show_default=False)
    ],
    whole: Annotated[
        bool, typer.Option("--whole", help="Remove all that is known of them, and not their values alone.")
    ] = False,
    bucket: _Bucket = None,
    json: _Json = False,
) -> None:
    """Remove what tasks gave that ended long ago; what they have stored stays."""
    _run("forget", older_than, whole=whole, bucket=bucket, as_json=json)


@runtime.command()
def workers(json: _Json = False) -> None:
    """Show the tasks that run now, by executor."""
    _run("workers", as_json=json)


@runtime.command()
def labels(json: _Json = False) -> None:
    """Show the labels of the executors that live."""
    _run("labels", as_json=json)

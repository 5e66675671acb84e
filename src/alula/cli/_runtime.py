"""What the commands about tasks do: each calls one method of the runtime and shows what it gives."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import typer
from rich.text import Text

from .. import runtime as om
from ..errors import GetTimeoutError, TaskError, suggest
from ..objects import Metadata
from ..runtime import AsyncResult, GroupResult, Runtime
from ._arguments import data, pairs, value
from ._folder import import_from_here
from ._object_views import metadata_view
from ._runtime_views import labels_view, queues_view, stats_view, status_view, tasks_view, workers_view
from ._showing import print_json, refusing, show
from ._terminal import err, out, working

__all__ = [
    "forget",
    "labels",
    "model",
    "ping",
    "queues",
    "resubmit",
    "result",
    "revoke",
    "started",
    "stats",
    "status",
    "tasks",
    "workers",
]

Submitted: TypeAlias = AsyncResult[Any] | GroupResult

ACTIONS: Final = (
    "decision_function",
    "fit",
    "fit_transform",
    "gridsearch",
    "partial_fit",
    "predict",
    "predict_proba",
    "score",
    "transform",
)
_GLANCE: Final = 0.2  # seconds after which the line about a task that runs is drawn anew
_FAILED: Final = 1


def model(
    name: str,
    action: str,
    x: str | None,
    y: str | None,
    *,
    result: str | None,
    params: Sequence[str],
    require: str | None,
    wait: bool,
    bucket: str | None,
    as_json: bool,
) -> int:
    """Submit an action of a model."""
    if action not in ACTIONS:
        raise typer.BadParameter(f"a model has no action {action!r}; {suggest(action, ACTIONS)}")
    options = pairs(params, "--param")
    if result is not None:
        options["rName"] = result
    given = [data(each) for each in (x, y) if each is not None]

    def submit(runtime: Runtime) -> AsyncResult[Any]:
        submitted: AsyncResult[Any] = getattr(runtime.model(name), action)(*given, **options)
        return submitted

    return _submitted(submit, require=require, wait=wait, bucket=bucket, as_json=as_json)


def started(
    kind: str,
    name: str,
    words: Sequence[str],
    *,
    params: Sequence[str],
    require: str | None,
    wait: bool,
    bucket: str | None,
    as_json: bool,
) -> int:
    """Submit the run of a script or notebook."""
    words = words[1:] if words[:1] == ["run"] else words
    args = [value(word) for word in words if not _is_pair(word)]
    options = pairs([*filter(_is_pair, words), *params], "--param")

    def submit(runtime: Runtime) -> AsyncResult[Any]:
        proxy: Any = getattr(runtime, kind)(name)
        submitted: AsyncResult[Any] = proxy.run(*args, **options)
        return submitted

    return _submitted(submit, require=require, wait=wait, bucket=bucket, as_json=as_json)


def result(task: str, *, wait: bool, traceback: bool, as_json: bool) -> int:
    """Show what became of a task."""
    import_from_here()
    with refusing():
        found = om.result(task, wait=False)
    if not wait and not found.ready():
        return _told(found, as_json)
    if traceback:
        _waited(found)
        out().out((found.traceback or "it did not fail").rstrip(), highlight=False)
        return int(found.failed())
    return _shown(found, as_json)


def tasks(
    *, status: str | None, kind: str | None, name: str | None, limit: int, bucket: str | None, as_json: bool
) -> int:
    """Show what was submitted."""
    wanted: Any = status.upper() if status else None
    with refusing():
        found = om.bucket(bucket).runtime.tasks(wanted, kind, name, limit=limit)
    return _listed(found, tasks_view, as_json)


def resubmit(task: str, *, wait: bool, as_json: bool) -> int:
    """Do a task again."""
    import_from_here()
    return _submitted(lambda runtime: runtime.resubmit(task), wait=wait, as_json=as_json)


def revoke(task: str, *, as_json: bool) -> int:
    """Cancel a task, and say what became of it."""
    with refusing():
        found = om.result(task, wait=False)
    found.revoke()
    return _told(found, as_json)


def ping(*, require: str | None, timeout: float, as_json: bool) -> int:
    """Let a worker answer."""
    with refusing():
        answer = _required(om.default().runtime, require).ping(timeout=timeout)
    if as_json:
        print_json(answer)
    else:
        out().print(Text.assemble((answer["message"], "bold green"), f" from {answer['worker']}"))
    return 0


def status(*, as_json: bool) -> int:
    """Show the executors."""
    return _listed(om.status(), status_view, as_json)


def stats(*, as_json: bool) -> int:
    """Show what the executors have done."""
    return _listed(om.stats(), stats_view, as_json)


def queues(*, as_json: bool) -> int:
    """Show what waits."""
    return _listed(om.queues(), queues_view, as_json)


def forget(older_than: str, *, whole: bool, bucket: str | None, as_json: bool) -> int:
    """Remove what tasks gave long ago."""
    with refusing(), working("forgetting"):
        count = om.bucket(bucket).runtime.forget(older_than, whole=whole)
    if as_json:
        print_json({"tasks": count})
    else:
        what = "all of" if whole else "the values of"
        out().print(f"removed {what} {count:,} task{'s' * (count != 1)}", highlight=False)
    return 0


def workers(*, as_json: bool) -> int:
    """Show what runs."""
    return _listed(om.workers(), workers_view, as_json)


def labels(*, as_json: bool) -> int:
    """Show who can do what."""
    return _listed(om.labels(), labels_view, as_json)


# ------------------------------------------------------------------------------------------- inside


def _listed(found: Any, view: Callable[[Any], Any], as_json: bool) -> int:
    if as_json:
        print_json(found)
    else:
        out().print(view(found))
    return 0


def _is_pair(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()


def _required(runtime: Runtime, label: str | None) -> Runtime:
    return runtime if label is None else runtime.require(label)


def _submitted(
    submit: Callable[[Runtime], Submitted],
    *,
    wait: bool,
    as_json: bool,
    require: str | None = None,
    bucket: str | None = None,
) -> int:
    import_from_here()
    if not wait:
        os.environ["ALULA_WHERE"] = (
            "queue"  # this process ends at once, and must not begin what it cannot end
        )
    instance = om.bucket(bucket)
    with refusing():
        made = submit(_required(instance.runtime, require))
    if wait:
        return _shown(made, as_json)
    if as_json:
        print_json({"task_id": made.id})
    else:
        print(made.id)
    return 0


def _shown(made: Submitted, as_json: bool) -> int:
    """Wait for a task, and show its value or its error."""
    _waited(made)
    try:
        given = made.get()
    except TaskError as error:
        cause = error.cause
        said = cause.args[0] if isinstance(cause, KeyError) and cause.args else cause
        told = f"{type(cause).__name__}: {said}"
        where = f"\nalula runtime result {made.id} --traceback shows where"
        err().print(Text.assemble(("alula: ", "bold red"), told, (where, "dim")))
        return _FAILED
    if isinstance(given, Metadata) and not as_json:
        out().print(metadata_view(given))
        return 0
    return show(given, as_json=as_json)


def _told(found: AsyncResult[Any], as_json: bool) -> int:
    if as_json:
        print_json({"task_id": found.id, "status": found.status})
    else:
        out().print(Text.assemble((found.id, "bold"), f"  {found.status}"))
    return 0


def _waited(made: Submitted) -> None:
    """Wait for a task; where people look, with a line that says how far it is."""
    console = err()
    if not console.is_terminal:
        _ended(made, None)
        return
    with console.status("") as line:
        while not _ended(made, _GLANCE):
            line.update(_progress(made))


def _ended(made: Submitted, timeout: float | None) -> bool:
    try:
        made.get(timeout, propagate=False)
    except GetTimeoutError:
        return False
    return True


def _progress(made: Submitted) -> Text:
    if isinstance(made, GroupResult):
        return Text(f"{made.completed_count()} of {len(made.results)} tasks  {made.id}")
    told = made.progress
    line = Text.assemble((made.status, "bold"), f"  {made.id}")
    if told is not None:
        of = "" if told.total is None else f" of {told.total:g}"
        line.append(f"  {told.done:g}{of}  {told.text or ''}")
    return line

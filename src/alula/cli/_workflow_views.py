"""What ``alula workflow`` shows: workflows and tasks as tables and lines of the terminal.

Nothing here asks the store: facts come in, something to print goes out.
"""

import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..errors import TaskError
from ..workflow import CANCELED, FAILED, PENDING, RESUMABLE, RUNNING, SUCCESSFUL, TaskInfo, WorkflowStatus

__all__ = ["change", "described", "ended", "list_view", "show_view", "tasks_view"]

_LOOKS: Final = {
    SUCCESSFUL: ("✓", "green"),
    FAILED: ("✗", "bold red"),
    RUNNING: ("●", "cyan"),
    PENDING: ("○", "yellow"),
    RESUMABLE: ("◌", "magenta"),
    CANCELED: ("⊘", "dim"),
}
_DEEPEST: Final = 8  # steps to the right, or there is no room for names
_DAY: Final = 86_400


def described(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Give what `get_metadata` tells of a workflow as JSON can hold it."""
    rest = {name: facts[name] for name in ("attempts", "queue") if name in facts}
    return {"status": facts["status"], **facts["stats"], "user_metadata": facts["user_metadata"], **rest}


def list_view(found: Sequence[tuple[str, Mapping[str, Any]]], *, more: bool) -> RenderableType:
    """Draw workflows, each with what `get_metadata` tells of it; say if there are more."""
    if not found:
        return Text("no workflows", style="dim")
    queues = any("queue" in facts for _, facts in found)
    table = _table("workflow", "status", *["queue"] * queues, "started", "took")
    for id_, facts in found:
        queue = [_queue(facts)] * queues
        table.add_row(Text(id_), _status(facts["status"]), *queue, _started(facts), _took(facts))
    rest = Text(f"the {len(found)} newest; there are more: --limit", style="dim")
    return Group(table, rest) if more else table


def show_view(id_: str, facts: Mapping[str, Any], tasks: Sequence[TaskInfo]) -> RenderableType:
    """Draw one workflow, with the counts of its tasks and the errors of those that failed."""
    runs = facts["attempts"]
    executor = next((run["executor"] for run in reversed(runs) if run["executor"]), None)
    lines = {
        "status": Text.assemble(_status(facts["status"]), *_advice(id_, facts["status"])),
        "queue": _queue(facts, whole=True),
        "started": _started(facts),
        "took": _took(facts),
        "executor": Text(executor or ""),
        "runs": Text(str(len(runs)) if len(runs) > 1 else ""),
        "metadata": Text(", ".join(f"{key}={value}" for key, value in facts["user_metadata"].items())),
        "tasks": _counts(tasks),
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, text in lines.items():
        if text.plain:
            grid.add_row(name, text)
    errors = [_error(task) for task in tasks if task.error or task.contained]
    return Group(Text(id_, style="bold"), Padding(grid, (0, 0, 0, 2), expand=False), *errors)


def tasks_view(tasks: Sequence[TaskInfo]) -> RenderableType:
    """Draw tasks, each to the right of the one that returned it."""
    kinds, tries = any(task.kind != "call" for task in tasks), any(task.attempts > 1 for task in tasks)
    table = _table("task", "status", *["kind"] * kinds, "reads", *["tries"] * tries, "took")
    table.columns[0].no_wrap = True
    depths = _depths(tasks)
    for task in tasks:
        table.add_row(
            _name(task, depths[task.task_id]),
            _status(task.status),
            *[Text("" if task.kind == "call" else task.kind, style="dim")] * kinds,
            Text(", ".join(task.upstream), style="dim"),
            *[str(task.attempts or "")] * tries,
            _span(task.started, task.ended),
        )
    errors = [_error(task) for task in tasks if task.error or task.contained]
    return Group(table, *errors)


def _depths(tasks: Sequence[TaskInfo]) -> dict[str, int]:
    """Say how far to the right each task stands; the links of a chain stand below each other."""
    made = Counter(task.creator for task in tasks)
    creators = {task.task_id: task.creator for task in tasks}
    depths: dict[str | None, int] = {None: -1}
    for task in tasks:
        creator = task.creator
        is_link = creator is not None and made[creator] == 1 == made[creators[creator] or ""]
        depths[task.task_id] = depths[creator] + (0 if is_link else 1)
    return {task.task_id: depths[task.task_id] for task in tasks}


def _name(task: TaskInfo, depth: int) -> Text:
    steps = "  " * (min(depth, _DEEPEST) - 1) + "╰ " if depth else ""
    name = Text.assemble((steps, "dim"), task.task_id)
    return name if task.checkpoint else name.append("  volatile", "dim italic")


def change(task: TaskInfo) -> Text:
    """Draw one line: that a task has come to have a status, and when."""
    when = (task.ended if task.status in (SUCCESSFUL, FAILED) else None) or time.time()
    line = Text.assemble((f"{datetime.fromtimestamp(when):%H:%M:%S}  ", "dim"), _status(task.status, 12))
    line.append(task.task_id)
    if took := _span(task.started, task.ended).plain:
        line.append(f"  {took}", "dim")
    if task.error is not None:
        line.append(f"  {_brief(task.error)}", "red")
    if task.contained is not None:
        line.append(f"  after {_brief(task.contained)}", "yellow")
    return line


def ended(id_: str, status: WorkflowStatus) -> Text:
    """Draw the last line about a workflow, and what can be done now."""
    return Text.assemble(_status(status), "  ", (id_, "bold"), *_advice(id_, status))


def _advice(id_: str, status: WorkflowStatus) -> list[tuple[str, str]]:
    goes_on = status in (FAILED, CANCELED, RESUMABLE)
    return [(f"   alula workflow resume {shlex.quote(id_)}", "dim")] if goes_on else []


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column == "took" else "left", overflow="fold")
    return table


def _status(status: WorkflowStatus, width: int = 0) -> Text:
    mark, style = _LOOKS[status]
    return Text(f"{mark} {status:<{width}}", style=style)


def _counts(tasks: Sequence[TaskInfo]) -> Text:
    counts = Counter(task.status for task in tasks)
    parts = [Text(f"{_LOOKS[s][0]} {counts[s]} {s.lower()}", style=_LOOKS[s][1]) for s in _LOOKS if counts[s]]
    return Text("  ").join(parts)


def _error(task: TaskInfo) -> Text:
    mark, error = (("✗ ", "bold red"), task.error) if task.error else (("✓ ", "yellow"), task.contained)
    assert error is not None
    after = "" if task.error else "after "
    return Text.assemble("\n", mark, (task.task_id, "bold"), f"  {after}{_brief(error)}")


def _brief(error: BaseException) -> str:
    """Give in one line what a task raised; ``--json`` tells it with its traceback."""
    raised = error.cause if isinstance(error, TaskError) else error
    lines = str(raised).strip().splitlines()
    return f"{type(raised).__name__}: {lines[0]}" if lines else type(raised).__name__


def _queue(facts: Mapping[str, Any], *, whole: bool = False) -> Text:
    """Draw in which queue a workflow waits, or waited; and when it may run, if that is kept back."""
    queue = facts.get("queue", {})
    text = Text(queue.get("name", ""))
    named = {name: queue[name] for name in ("key", "deduplication_id", "priority") if queue.get(name)}
    for name, value in named.items() if whole else ():
        text.append(f"  {name.replace('_', ' ')} {value}", "dim")
    if "delayed_until" in queue and facts["status"] is PENDING:
        text.append(f"  not before {_moment(queue['delayed_until'])}", "dim")
    return text


def _moment(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds)
    return f"{moment:%H:%M:%S}" if abs(time.time() - seconds) < _DAY else f"{moment:%Y-%m-%d %H:%M}"


def _started(facts: Mapping[str, Any]) -> Text:
    started = facts["stats"].get("start_time")
    if started is None:
        return Text()
    return Text(_moment(started), style="dim")


def _took(facts: Mapping[str, Any]) -> Text:
    stats = facts["stats"]
    now = time.time() if facts["status"] is RUNNING else None
    return _span(stats.get("start_time"), stats.get("end_time", now))


def _span(started: float | None, ended: float | None) -> Text:
    if started is None or ended is None:
        return Text()
    return Text(_seconds(max(0.0, ended - started)))


def _seconds(seconds: float) -> str:
    if seconds < 0.0005:
        return "< 1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"

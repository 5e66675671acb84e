"""What ``alula workflow`` shows: workflows and tasks as tables and lines of the terminal.

Nothing here asks the store: facts come in, something to print goes out.
"""

import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .._core._durations import duration
from ..errors import TaskError
from ..workflow import (
    CANCELED,
    FAILED,
    PENDING,
    RESUMABLE,
    RUNNING,
    SUCCESSFUL,
    QueueLoad,
    TaskInfo,
    WorkflowStatus,
)
from ._workflow_rows import MANY, Row, rows_of

__all__ = [
    "change",
    "described",
    "ended",
    "list_view",
    "queues_view",
    "show_view",
    "tasks_view",
    "timeline_view",
]

_LOOKS: Final = {
    SUCCESSFUL: ("✓", "green"),
    FAILED: ("✗", "bold red"),
    RUNNING: ("●", "cyan"),
    PENDING: ("○", "yellow"),
    RESUMABLE: ("◌", "magenta"),
    CANCELED: ("⊘", "dim"),
}
_BARS: Final = {"bold red": "red", "dim": "bright_black"}  # where a bar has another colour than its sign
_DEEPEST: Final = 8  # steps to the right, or there is no room for names
_WIDEST: Final = 120  # characters of a timeline
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
    newest = f"the {len(found)} newest" if len(found) > 1 else "the newest"
    rest = Text(f"{newest}; there are more: --limit", style="dim")
    return Group(table, rest) if more else table


def queues_view(loads: Sequence[QueueLoad]) -> RenderableType:
    """Draw queues, each with its limits and what there is in it."""
    if not loads:
        return Text("no queues", style="dim")
    table = _table("queue", "limits", "waiting", "oldest", "running")
    for load in loads:
        oldest = "" if load.oldest is None else duration(load.oldest)
        limits = Text(str(load.queue), style="dim")
        table.add_row(Text(load.queue.name), limits, f"{load.waiting:,}", oldest, f"{load.running:,}")
    return table


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
    return Group(Text(id_, style="bold"), Padding(grid, (0, 0, 0, 2), expand=False), *_errors(tasks))


def tasks_view(tasks: Sequence[TaskInfo], *, every: bool) -> RenderableType:
    """Draw tasks, each to the right of the one that returned it; many alike ones as one, unless `every`."""
    kinds, tries = any(task.kind != "call" for task in tasks), any(task.attempts > 1 for task in tasks)
    table = _table("task", "status", *["kind"] * kinds, "reads", *["tries"] * tries, "took")
    table.columns[0].no_wrap = True
    rows = rows_of(tasks, every=every)
    for row in rows:
        first, alone = row.first, len(row.tasks) == 1
        table.add_row(
            _name(row),
            _status(row.status),
            *[Text(row.kind, style="dim")] * kinds,
            Text(_reads(first, every=every) if alone else "", style="dim"),
            *[str(first.attempts or "") if alone else ""] * tries,
            _between(row.started, row.ended),
        )
    folded = Text("\n--all shows each of those that stand together", style="dim")
    return Group(table, *_errors(tasks), *[folded] * (len(rows) < len(tasks)))


def _reads(task: TaskInfo, *, every: bool) -> str:
    read = task.upstream
    if every or len(read) <= MANY:
        return ", ".join(read)
    return f"{', '.join(read[:2])}, and {len(read) - 2:,} more"


def timeline_view(tasks: Sequence[TaskInfo], width: int, now: float) -> RenderableType:
    """Draw when tasks ran: for each, or for many alike ones, a bar for the last attempt.

    Parameters
    ----------
    width
        Characters from side to side.
    now
        UNIX seconds, where the bar of what runs ends.
    """
    rows = rows_of(tasks)
    began = min([row.started for row in rows if row.started is not None], default=now)
    until = max([_until(row, now) or began for row in rows], default=now)
    span = max(until - began, 1e-6)
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", width=min(width, _WIDEST)
    )
    table.add_column("task", no_wrap=True, max_width=width // 2)
    table.add_column(f"over {duration(span)}", ratio=1, no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    for row in rows:
        mark, style = _LOOKS[row.status]
        end = _until(row, now)
        bar: RenderableType = ""
        if row.started is not None and end is not None:
            least = span / 200  # or nothing would be seen of what is quick
            left = min(row.started - began, span - least)
            bar = Bar(span, left, max(end - began, left + least), color=_BARS.get(style, style))
        table.add_row(Text.assemble((f"{mark} ", style), _name(row)), bar, _between(row.started, end))
    return table


def _until(row: Row, now: float) -> float | None:
    """Say where the bar of a row ends; None if it has none."""
    return now if row.status is RUNNING and row.started is not None else row.ended


def _name(row: Row) -> Text:
    steps = "  " * (min(row.depth, _DEEPEST) - 1) + "╰ " if row.depth else ""
    name = Text.assemble((steps, "dim"), row.name)
    return name if row.first.checkpoint else name.append("  volatile", "dim italic")


def change(task: TaskInfo) -> Text:
    """Draw one line: that a task has come to have a status, and when."""
    over = task.status in (SUCCESSFUL, FAILED, CANCELED)
    when = task.ended if over else time.time()
    told = " " * 8 if when is None else f"{datetime.fromtimestamp(when):%H:%M:%S}"
    line = Text.assemble((f"{told}  ", "dim"), _status(task.status, 12))
    line.append(task.task_id)
    if took := _between(task.started, task.ended).plain:
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
    parts = [
        Text(f"{_LOOKS[s][0]} {counts[s]:,} {s.lower()}", style=_LOOKS[s][1]) for s in _LOOKS if counts[s]
    ]
    return Text("  ").join(parts)


def _errors(tasks: Sequence[TaskInfo]) -> list[Text]:
    """Give a line for each task that has failed, or could have; and an empty one before them."""
    lines = []
    for task in tasks:
        mark, style = _LOOKS[task.status]
        if task.error is not None:
            lines.append(
                Text.assemble((f"{mark} ", style), (task.task_id, "bold"), f"  {_brief(task.error)}")
            )
        elif task.contained is not None:
            told = f"  after {_brief(task.contained)}"
            lines.append(Text.assemble((f"{mark} ", style), (task.task_id, "bold"), (told, "yellow")))
    return [Text(), *lines] if lines else []


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
    return _between(stats.get("start_time"), stats.get("end_time", now))


def _between(started: float | None, ended: float | None) -> Text:
    if started is None or ended is None:
        return Text()
    return Text(duration(max(0.0, ended - started)))

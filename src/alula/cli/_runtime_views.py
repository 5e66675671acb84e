"""Executors and tasks as tables for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from .._core._durations import duration
from ..runtime import TaskInfo
from ._object_views import moment, plain_table

__all__ = ["labels_view", "queues_view", "stats_view", "status_view", "tasks_view", "workers_view"]


_ID: Final = 36  # characters
_LOOKS: Final = {
    "PENDING": ("○", "dim"),
    "STARTED": ("●", "blue"),
    "RETRY": ("↻", "yellow"),
    "SUCCESS": ("✓", "green"),
    "FAILURE": ("✗", "red"),
    "REVOKED": ("⊘", "dim"),
}


def tasks_view(found: Sequence[TaskInfo]) -> RenderableType:
    """Draw tasks."""
    if not found:
        return Text("no tasks", style="dim")
    table = plain_table("task", "status", "does", "submitted", "took", right=("took",))
    table.columns[0].min_width = _ID // 2  # where there is little room an id takes two lines, and words none
    for column in (1, 3, 4):
        table.columns[column].no_wrap = True
    for each in found:
        mark, style = _LOOKS[each.status]
        took = "" if each.started is None or each.ended is None else duration(each.ended - each.started)
        does = Text.assemble(each.action, (f" {each.kind} " if each.kind else " ", "dim"), each.name)
        submitted = moment(datetime.fromtimestamp(each.submitted, UTC))
        table.add_row(Text(each.id), Text(f"{mark} {each.status}", style), does, submitted, took)
    return table


def labels_view(found: Mapping[str, Sequence[str]]) -> RenderableType:
    """Draw the labels of each executor."""
    table = plain_table("executor", "labels")
    for name, labels in found.items():
        table.add_row(Text(name), Text(", ".join(labels)))
    return table


def workers_view(found: Mapping[str, Sequence[str]]) -> RenderableType:
    """Draw the tasks that each executor runs."""
    table = plain_table("executor", "runs")
    for name, tasks in found.items():
        table.add_row(Text(name), Text("\n".join(tasks)) if tasks else Text("nothing", style="dim"))
    return table


def status_view(found: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Draw the executors."""
    table = plain_table("executor", "labels", "runs", "load", "up since", right=("runs", "load", "up since"))
    for name, facts in found.items():
        load = f"{facts['loadavg'][0]:.1f}"
        running = str(len(facts["processes"]))
        table.add_row(Text(name), Text(", ".join(facts["queues"])), running, load, duration(facts["uptime"]))
    return table


def stats_view(found: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Draw what the executors have done."""
    table = plain_table("executor", "host", "process", "since", "takes work", "ended", right=("process",))
    for name, facts in found.items():
        ended = [
            Text(f"{_LOOKS[status][0]} {count:,}", _LOOKS[status][1])
            for status, count in facts["processed"].items()
        ]
        since = moment(datetime.fromtimestamp(facts["started"], UTC))
        takes = "from the queue" if facts["claims"] else "its own"
        told = Text("  ").join(ended) if ended else Text("nothing", style="dim")
        table.add_row(Text(name), Text(facts["host"]), str(facts["pid"]), since, takes, told)
    return table


def queues_view(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> RenderableType:
    """Draw what waits."""
    if not found:
        return Text("nothing waits", style="dim")
    table = plain_table("label", "waiting", "oldest", "taken by", right=("waiting", "oldest"))
    for label, waits in found.items():
        for each in waits:
            takers = Text(", ".join(each["workers"])) if each["workers"] else Text("nobody", style="yellow")
            needs = label if len(each["labels"]) == 1 else " + ".join(each["labels"])
            table.add_row(Text(needs), f"{each['waiting']:,}", duration(each["oldest"]), takers)
    return table

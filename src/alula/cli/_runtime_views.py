"""Executors and tasks as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from ._object_views import plain_table

__all__ = ["labels_view", "status_view", "workers_view"]


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
        table.add_row(Text(name), Text(", ".join(facts["queues"])), running, load, _span(facts["uptime"]))
    return table


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

"""What the commands about the runs of notebooks do: their schedules, and what became of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from .. import runtime
from ..runtime import Schedule
from ._object_views import moment, plain_table
from ._showing import print_json, refusing
from ._terminal import out

__all__ = ["schedule", "status"]


def schedule(
    name: str,
    when: str | None,
    *,
    cron: str | None,
    parts: Mapping[str, str],
    following: int,
    bucket: str | None,
    as_json: bool,
) -> int:
    """Show, set or remove the schedule of a notebook."""
    job = runtime.bucket(bucket).runtime.job(name)
    wanted = [each for each in (None if when in ("show", "delete") else when, cron, parts or None) if each]
    if len(wanted) > 1 or (wanted and when in ("show", "delete")):
        raise typer.BadParameter("say once when it is to run: as text, with --cron, or in parts")
    with refusing():
        if wanted:
            job.schedule(Schedule.from_cron(cron) if cron else wanted[0])
        elif when == "delete":
            job.drop_schedule()
    found, triggers = job.get_schedule()
    plan = None if found is None else Schedule.from_cron(found)
    times = [] if plan is None else plan.next_times(following)
    if as_json:
        next_times = [each.isoformat() for each in times]
        text = None if plan is None else plan.text
        print_json({"cron": found, "text": text, "next": next_times, "triggers": triggers})
    else:
        out().print(_schedule_view(plan, times, triggers))
    return 0


def status(name: str, *, limit: int, bucket: str | None, as_json: bool) -> int:
    """Show the last runs of a notebook."""
    attributes = runtime.bucket(bucket).jobs.resolve(name).attributes
    runs = [*reversed(attributes.get("job_runs", []))][:limit]
    if as_json:
        print_json(runs)
    else:
        out().print(_runs_view(runs))
    return 0


def _schedule_view(
    plan: Schedule | None, times: Sequence[datetime], triggers: Sequence[Mapping[str, Any]]
) -> RenderableType:
    if plan is None:
        return Text("no schedule", style="dim")
    shown: list[RenderableType] = [Text.assemble((plan.text, "bold"), (f"  {plan.cron}", "dim"))]
    shown += [Text(f"next  {each:%a %Y-%m-%d %H:%M %Z}") for each in times]
    over = [each for each in triggers if each.get("status") != "PENDING"]
    if over:
        shown.append(Text(f"last  {over[-1]['event']}  {over[-1]['status']}"))
    return Group(*shown)


def _runs_view(runs: Sequence[Mapping[str, Any]]) -> RenderableType:
    if not runs:
        return Text("no runs", style="dim")
    table = plain_table("when", "status", "outputs", "message")
    for each in runs:
        ok = each["status"] == "OK"
        mark = Text("✓ OK" if ok else f"✗ {each['status']}", "green" if ok else "red")
        table.add_row(
            _when(each["ts"]), mark, Text(str(each.get("results") or "")), Text(each.get("message") or "")
        )
    return table


def _when(text: str) -> Text:
    try:
        return moment(datetime.fromisoformat(text))
    except ValueError:
        return Text(text)

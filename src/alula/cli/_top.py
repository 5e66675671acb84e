"""``alula top``: what the sessions of this user do now."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..futures import SessionFacts, sessions
from ._terminal import err, out

__all__ = ["frame", "run"]

_EACH: Final = 1.0  # s between looks
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_OBJECTS: Final = "object_store_memory"
_COLUMNS: Final = {  # those of numbers are as wide as they need, and the others share what is left
    "pid": True,
    "what": False,
    "cpu": True,
    "memory": True,
    "values": True,
    "on disk": True,
    "runs": False,
    "for": True,
    "awaits": True,
    "holds": False,
}
_NOTHING: Final = "no session of yours runs on this machine; a program starts one with alula.init()"

_Usage = dict[int, tuple[float, float]]
"""By pid: processor time used and the moment of the look, in s."""


def run(*, session: int | None, once: bool, as_json: bool) -> int:
    """Show sessions until they end or Ctrl-C; give the status for the shell: 1 if there is none."""
    found = _chosen(session)
    if as_json:
        print(json.dumps([{"session": s.pid, "program": s.program, **s.facts} for s in found], indent=2))
    elif not found:
        err().print(_NOTHING if session is None else _unknown(session))
    elif once:
        out().print(frame(found, {}))
    else:
        _watch(found, session)
    return 0 if found else 1


def _chosen(session: int | None) -> list[SessionFacts]:
    return [each for each in sessions() if session in (None, each.pid)]


def _unknown(session: int) -> str:
    known = ", ".join(str(each.pid) for each in sessions())
    return f"no session has the driver {session}; " + (f"there are: {known}" if known else "there is none")


def _watch(found: list[SessionFacts], session: int | None) -> None:
    with Live(console=out(), screen=True, auto_refresh=False) as live:
        before: _Usage = {}
        while found:
            live.update(frame(found, before), refresh=True)
            before = {pid: usage for each in found for pid, usage in _usages(each)}
            time.sleep(_EACH)
            found = _chosen(session)
    typer.echo("the session has ended")


def _usages(session: SessionFacts) -> Iterator[tuple[int, tuple[float, float]]]:
    for process in session.facts["processes"]:
        if "cpu_time" in process:
            yield process["pid"], (process["cpu_time"], session.facts["now"])


def frame(found: list[SessionFacts], before: Mapping[int, tuple[float, float]]) -> RenderableType:
    """Draw sessions.

    Parameters
    ----------
    found
        What was seen.
    before
        By pid, the processor time at an earlier look and when that was; without it the use of the processor
        is that since the process began.
    """
    parts: list[RenderableType] = []
    for session in found:
        parts += [_head(session), _table(session, before), ""]
    return Group(*parts[:-1])


def _head(session: SessionFacts) -> Text:
    facts = session.facts
    total, free, processes = facts["total"], facts["free"], facts["processes"]
    workers = [p for p in processes if p["kind"] == "worker"]
    actors = [p for p in processes if p["kind"] == "actor"]
    running, calls = _sum(workers, "at_once"), _sum(actors, "at_once")
    queued = _sum(processes, "queued") + max(0, _sum(processes, "sent") - running)
    held = [
        f"{name} {_amount(name, total[name] - free[name])}/{_amount(name, total[name])}"
        for name in total
        if total[name] and not _is_plain(name)
    ]
    budget, on_disk = _bytes(total.get(_OBJECTS, 0)), _bytes(_sum(processes, "on_disk"))
    return Text.assemble(
        (f"session {session.pid}", "bold"),
        (f"  {session.program}\n", "dim"),
        f"tasks: {running} running, {queued} queued, {_sum(processes, 'waiting')} waiting for inputs, ",
        f"{_sum(processes, 'finished')} finished\n",
        f"calls: {calls} running, {max(0, _sum(processes, 'calls') - calls)} waiting\n",
        f"in use: {', '.join(held)}\n",
        f"values: {_bytes(facts['objects'])} of {budget} in memory, {on_disk} on disk",
        overflow="ellipsis",
        no_wrap=True,
    )


def _sum(processes: Iterable[Mapping[str, Any]], fact: str) -> int:
    return sum(process.get(fact, 0) for process in processes)


def _is_plain(resource: str) -> bool:
    """Tell whether there is nothing to see: nobody holds it, or it has a line of its own."""
    return resource.startswith(("node:", "accelerator_type:")) or resource == _OBJECTS


def _table(session: SessionFacts, before: Mapping[int, tuple[float, float]]) -> Table:
    rows = [_row(process, before, session.facts["now"]) for process in session.facts["processes"]]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for (column, number), cells in zip(_COLUMNS.items(), zip(*rows, strict=True), strict=True):
        justify: Literal["left", "right"] = "right" if number else "left"
        width = max(map(len, (column, *cells))) if number else None
        table.add_column(column, justify=justify, min_width=width, overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _row(
    process: Mapping[str, Any], before: Mapping[int, tuple[float, float]], now: float
) -> tuple[str, ...]:
    held = ", ".join(f"{name} {_amount(name, amount)}" for name, amount in process["held"].items())
    return (
        str(process["pid"]),
        escape(f"actor {process['actor']}" if "actor" in process else process["kind"]),
        _share(process, before, now),
        _bytes(process["memory"]) if "memory" in process else "?",
        _bytes(process["objects"]) if process.get("objects") else "",
        _bytes(process["on_disk"]) if process.get("on_disk") else "",
        _doing(process),
        _seconds(now - process["since"]) if "since" in process else "",
        str(sum(process.get(fact, 0) for fact in ("waiting", "queued", "sent", "calls")) or ""),
        escape(held),
    )


def _share(process: Mapping[str, Any], before: Mapping[int, tuple[float, float]], now: float) -> str:
    if "cpu_time" not in process:
        return "?"
    used, since = before.get(process["pid"], (0.0, now - process["age"]))
    return f"{100 * (process['cpu_time'] - used) / max(now - since, 0.01):.0f} %"


def _doing(process: Mapping[str, Any]) -> str:
    if not process["answers"]:
        return "[yellow]busy: does not answer[/]"
    if "running" not in process:
        return "" if process["kind"] == "driver" else "[dim]idle[/]"
    notes = [f"{process['at_once']} at once"] if process.get("at_once", 1) > 1 else []
    notes += [f"{process['behind']} behind"] if process.get("behind") else []
    notes += ["waits for others"] if process["waits"] else []
    shown = escape(f" ({', '.join(notes)})") if notes else ""
    return f"[green]{escape(process['running'].removeprefix('__main__.'))}[/][dim]{shown}[/]"


def _amount(resource: str, amount: float) -> str:
    return _bytes(amount) if resource.endswith("memory") else f"{amount:g}"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _bytes(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}"

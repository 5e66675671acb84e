"""What ran where and when, as events of Chrome's trace format.

Each process keeps what it ran lately, if it took a millisecond: to keep every small task would cost some
per cent of their rate. If that was asked for, everything is kept, and owners keep what they know of a
task: when it was submitted, had its inputs, was sent, was answered. The two are joined here by the
owner's number in the session and the task's in the owner. Calls of actors are tasks here: what is being
sent may also wait for its turn where it runs.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

__all__ = ["LEAST", "RECORDED", "Span", "Trace", "Way", "events"]

RECORDED: Final = 10_000
"""How much each process keeps."""

LEAST: Final = 0.001
"""Seconds from which a body is kept in any case."""

Span: TypeAlias = tuple[str, int, int, float, float, int]
"""What ran: name, owner, number, start and end in s on the monotonic clock, thread or 0."""

Way: TypeAlias = tuple[str, int, list[float], float]
"""The way of a task of ours: name, number, when it was submitted, ready and sent, when it had ended."""

Trace: TypeAlias = tuple[int, int, tuple[list[Span], list[Way]]]
"""Of one process: its pid, its number in the session (0 the driver, -1 one that has ended), what it knows."""

_Event: TypeAlias = dict[str, Any]

_PHASES: Final = ("waiting for inputs", "queued", "being sent")


def events(traces: Iterable[Trace]) -> list[_Event]:
    """Give the events of all processes: rows, bodies, ways, and arrows from submission to body."""
    known = list(traces)
    bodies = {(s[1], s[2]): (pid, s) for pid, _, (spans, _) in known for s in spans}
    found: list[_Event] = []
    for pid, process, (spans, ways) in known:
        title = "driver" if process == 0 else "worker"
        found.append({"name": "process_name", "ph": "M", "pid": pid, "tid": 0, "args": {"name": title}})
        found.append(
            {"name": "process_sort_index", "ph": "M", "pid": pid, "tid": 0, "args": {"sort_index": process}}
        )
        found += [_body(pid, span) for span in spans]
        for way in ways:
            found += _way(pid, process, way, bodies.get((process, way[1])))
    return found


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 1)


def _body(pid: int, span: Span) -> _Event:
    name, owner, number, start, end, thread = span
    return {
        "name": name,
        "cat": "task",
        "ph": "X",
        "ts": _us(start),
        "dur": _us(end - start),
        "pid": pid,
        "tid": thread,
        "args": {"owner": owner, "number": number},
    }


def _way(pid: int, process: int, way: Way, ran: tuple[int, Span] | None) -> Iterator[_Event]:
    """Give the way of one task in a row of its owner, and the arrow to where it ran."""
    name, number, times, end = way
    key = f"{process}.{number}"
    common = {"cat": "way", "id": key, "pid": pid, "tid": 0}
    yield {**common, "name": name, "ph": "b", "ts": _us(times[0])}
    until = [*times[1:], *([ran[1][3]] if ran else []), end]
    for phase, start, stop in zip(_PHASES, times, until, strict=False):
        yield {**common, "name": phase, "ph": "b", "ts": _us(start)}
        yield {**common, "name": phase, "ph": "e", "ts": _us(stop)}
    yield {**common, "name": name, "ph": "e", "ts": _us(end)}
    if ran is not None:
        arrow = {"cat": "submit", "name": name, "id": key}
        submitted = {"name": "submit", "ph": "X", "ts": _us(times[0]), "dur": 1.0, "pid": pid, "tid": 1}
        yield {**submitted, "cat": "submit", "args": {"task": name}}
        yield {**arrow, "ph": "s", "ts": _us(times[0]), "pid": pid, "tid": 1}
        there, span = ran
        yield {**arrow, "ph": "f", "bp": "e", "ts": _us(span[3]), "pid": there, "tid": span[5]}

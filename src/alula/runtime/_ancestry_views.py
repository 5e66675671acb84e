"""Lineage for people: a tree of text, and a picture. Nothing here asks the store."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ..graph import Edge, Look, svg
from ..workflow import Picture

if TYPE_CHECKING:
    from ._ancestry import Lineage, Step, Version

__all__ = ["drawn", "told"]

_SHORT: Final = 8  # characters of a task's id


def told(lineage: "Lineage") -> str:
    """Give a tree: above what a version was made of, below what was made of it."""
    lines = [str(lineage.version)]
    branches = [
        *_origins(lineage.version, lineage.before, frozenset()),
        *_results(lineage.version, lineage.after, lineage.uses, frozenset()),
    ]
    lines += _branched(branches)
    if not lineage.complete:
        lines.append("there is more than is shown: name a version farther on")
    return "\n".join(lines)


def drawn(lineage: "Lineage") -> Picture:
    """Draw versions and tasks, from what was first to what came of it."""
    looks: dict[str, Look] = {}
    edges: list[Edge] = []
    steps = sorted({s.task: s for s in (*lineage.before, *lineage.after)}.values(), key=lambda s: s.ended)

    def box(version: "Version") -> str:
        key = f"{version.bucket}/{version}"
        middle = version == lineage.version
        looks.setdefault(key, _look(version, lineage, middle))
        return key

    for step in steps:
        sources = [box(version) for version in step.reads]
        looks[step.task] = Look(_action(step), durable=False, note=_run(step), tip=_tip(step))
        edges += [(source, step.task) for source in sources]
        edges += [(step.task, box(version)) for version in step.writes if box(version) not in sources]
    box(lineage.version)
    return Picture(svg(looks, list(dict.fromkeys(edges)), caption=f"lineage of {lineage.version}"))


def _look(version: "Version", lineage: "Lineage", middle: bool) -> Look:
    uses = ", ".join(_counted(*use) for use in lineage.uses.get(version, {}).items())
    label = f"{version.prefix}{version.name}"
    note = f"v{version.version}" + (f" · {uses}" if uses else "")
    return Look(label, durable=True, state="done" if middle else "", note=note)


_Branch = tuple[str, list["_Branch"]]


def _origins(version: "Version", steps: Sequence["Step"], above: frozenset["Version"]) -> Iterator[_Branch]:
    if version in above:
        return
    for step in steps:
        if version in step.writes:
            parts = [each for each in step.reads if each != version]
            inner = above | {version}
            yield f"made by {_title(step)}", [(str(p), [*_origins(p, steps, inner)]) for p in parts]


def _results(
    version: "Version",
    steps: Sequence["Step"],
    uses: dict["Version", dict[str, int]],
    above: frozenset["Version"],
) -> Iterator[_Branch]:
    if version in above:
        return
    for step in steps:
        if version in step.reads:
            inner = above | {version}
            made = [each for each in step.writes if each != version]
            yield f"read by {_title(step)}", [(str(m), [*_results(m, steps, uses, inner)]) for m in made]
    for use in uses.get(version, {}).items():
        yield f"read by {_counted(*use)}", []


def _branched(branches: Sequence[_Branch], indent: str = "") -> Iterator[str]:
    for i, (text, below) in enumerate(branches):
        last = i == len(branches) - 1
        yield f"{indent}{'└─ ' if last else '├─ '}{text}"
        yield from _branched(below, indent + ("   " if last else "│  "))


def _title(step: "Step") -> str:
    at = f"{datetime.fromtimestamp(step.ended, UTC):%Y-%m-%d %H:%M} UTC"
    return ", ".join(filter(None, [_action(step), _run(step), f"task {step.task[:_SHORT]}", at]))


def _action(step: "Step") -> str:
    return step.action if step.kind in ("", "model") else f"{step.action} {step.name}"


def _run(step: "Step") -> str:
    return "" if step.experiment is None else f"run {step.run} of {step.experiment}"


def _tip(step: "Step") -> str:
    return f"task {step.task}, ended {datetime.fromtimestamp(step.ended, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _counted(action: str, times: int) -> str:
    return action if times == 1 else f"{action}, {times:,} times"

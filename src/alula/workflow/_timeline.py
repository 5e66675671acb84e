"""Timelines: when each task of a workflow could run, and when it did.

The records know the last attempt of a task, and how many there were. The time before it is drawn as a
thin line, whatever it was spent on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

from ._folds import Fold, fold
from ._history import Event, History
from ._pictures import Picture, caption, counted, duration, label, note

__all__ = ["timeline_of"]

_ROW, _BAR, _PLOT, _CHARACTER, _MARGIN, _TOP, _GAP = 24, 14, 720.0, 7.0, 16, 64, 10.0
_NOTES: Final = 170  # the room for what is written behind the bars
_CHAIN: Final = 8  # links; a longer chain is one row
_STEPS: Final = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 43200.0, 86400.0)
_STYLE: Final = (
    ".alula-time text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1b2733}"
    ".alula-time .note{font-size:11px;fill:#5b6b7a}.alula-time .caption{font-weight:600;fill:#51657a}"
    ".alula-time line{stroke:#dde4eb}.alula-time .wait{stroke:#9aa9b8;stroke-width:2}"
    ".alula-time rect{fill:#8fa1b3}.alula-time .done{fill:#4d9e6f}.alula-time .failed{fill:#cf5148}"
    ".alula-time .running{fill:#dd9f2b}.alula-time .cancelled{fill:#9a77ab}"
    ".alula-time .logical{fill-opacity:.45}.alula-time .volatile{stroke:#1b2733;stroke-dasharray:4 2}"
    "@media(prefers-color-scheme:dark){.alula-time text{fill:#e8eef4}.alula-time .note{fill:#a7b5c3}"
    ".alula-time .caption{fill:#a7b5c3}.alula-time line{stroke:#323e4a}"
    ".alula-time .wait{stroke:#5f7183}.alula-time .volatile{stroke:#e8eef4}}"
)


def timeline_of(history: History, most: int) -> Picture:
    """Draw the timeline of a history: a row for each task or long chain, the first `most` to begin."""
    parts = fold(history, _CHAIN, fans=False).folds.values()
    rows = sorted([_Row.of(part) for part in parts], key=lambda row: (row.start, row.ready))
    return Picture(_Chart(history, rows[:most], len(rows) - most).draw())


@dataclass(frozen=True, slots=True)
class _Row:
    """A task or a chain, and its bar from `start` to `end`; None for a bar that still grows."""

    title: str
    facts: str
    tip: str
    kind: str
    has_bar: bool
    ready: float
    start: float
    end: float | None

    @classmethod
    def of(cls, part: Fold) -> "_Row":
        first, state = part.events[0], part.state
        count = f" \N{MULTIPLICATION SIGN} {len(part.events):,}" if len(part.events) > 1 else ""
        name = label(part)
        start = first.ready if part.started is None else part.started
        settled = state in ("done", "waiting", "skipped") or (state == "failed" and part.ended is not None)
        return cls(
            title=(name if first.durable else f"~{name}~") + count,
            facts=note(part),
            tip=f"{first.task_id}: {note(part) or state}",
            kind=" ".join([state, *_classes(first)]),
            has_bar=part.started is not None or state not in ("waiting", "skipped"),
            ready=min(first.ready, start),
            start=start,
            end=(part.ended or start) if settled else None,
        )


class _Chart:
    """The rows of one timeline, and its scale."""

    def __init__(self, history: History, rows: list[_Row], left_out: int) -> None:
        self._history, self._rows, self._left_out = history, rows, max(0, left_out)
        longest = max([len(row.title) for row in rows], default=0)
        self._x0 = _MARGIN + _CHARACTER * longest + _GAP
        # An owner's clock may run behind that of its workers: the axis holds them all.
        self._until = max([history.until, *(row.end for row in rows if row.end)])
        self._span = max(self._until - history.began, 1e-3)

    def draw(self) -> str:
        width = self._x0 + _PLOT + _NOTES
        height = _TOP + len(self._rows) * _ROW + (_ROW if self._left_out else 0) + _MARGIN
        head = (
            f'<svg class="alula-time" xmlns="http://www.w3.org/2000/svg" role="img" '
            f'aria-label="timeline of {counted(len(self._rows), "task")}" viewBox="0 0 {width:.0f} {height}" '
            f'width="{width:.0f}" height="{height}"><style>{_STYLE}</style>'
        )
        rows = [part for i, row in enumerate(self._rows) for part in self._row(row, _TOP + i * _ROW)]
        return "".join([head, *self._axis(height), *rows, *self._rest(height), "</svg>"])

    def _x(self, time: float) -> float:
        inside = min(max(time - self._history.began, 0.0), self._span)
        return self._x0 + inside / self._span * _PLOT

    def _axis(self, height: int) -> Iterator[str]:
        yield _text(_MARGIN, _MARGIN + 8, caption(self._history), "caption")
        step = _step(self._span)
        for i in range(floor(self._span / step * 1.000001) + 1):
            x = self._x(self._history.began + i * step)
            yield f'<line x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{height - _MARGIN}"/>'
            yield _text(x, _TOP - 14, duration(i * step) if i else "0", "note", "middle")

    def _row(self, row: _Row, y: float) -> Iterator[str]:
        middle = y + _ROW / 2
        ready, start = self._x(row.ready), self._x(row.start)
        end = self._x(self._until if row.end is None else row.end)
        yield f"<g><title>{escape(row.tip)}</title>"
        yield _text(self._x0 - _GAP, middle + 4, row.title, "", "end")
        if start - ready >= 1:
            yield f'<line class="wait" x1="{ready:.1f}" y1="{middle}" x2="{start:.1f}" y2="{middle}"/>'
        if row.has_bar:
            yield (
                f'<rect class="{row.kind}" x="{start:.1f}" y="{middle - _BAR / 2}" '
                f'width="{max(2.0, end - start):.1f}" height="{_BAR}" rx="3"/>'
            )
        yield _text(max(end, start + 2) + 8, middle + 4, row.facts, "note") + "</g>"

    def _rest(self, height: int) -> Iterator[str]:
        if self._left_out:
            yield _text(self._x0, height - _MARGIN - 6, f"and {self._left_out:,} more", "note")


def _classes(event: Event) -> Iterator[str]:
    if event.is_logical:
        yield "logical"
    if not event.durable:
        yield "volatile"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _step(span: float) -> float:
    """Give a round time of which at most ten fit into the span."""
    if span > 60:
        return next((step for step in _STEPS if span / step <= 10), 86400.0 * ceil(span / 864000))
    unit: float = 10.0 ** floor(log10(span))
    return next(unit * part for part in (0.1, 0.2, 0.5, 1.0) if span / (unit * part) <= 10)

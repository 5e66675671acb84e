"""Pictures of graphs: SVG that needs nothing else, and Mermaid for Markdown.

A volatile value has the project's small wings around its name and a dashed outline; a durable one has
a solid outline. The layout is by layers: a node stands one row below the lowest of its inputs, and
within a row near the middle of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Look", "State", "mermaid", "svg"]

State = Literal["", "waiting", "running", "done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Look:
    """How one node is drawn.

    Attributes
    ----------
    label
        The name in the box.
    durable
        Whether its value is recorded under a name; a volatile one is drawn with wings.
    state
        Colours the box; empty for a graph that is not running.
    note
        A second, smaller line: a duration, a device.
    """

    label: str
    durable: bool = False
    state: State = ""
    note: str = ""

    @property
    def title(self) -> str:
        """The label as it is drawn, with wings if the value is volatile."""
        return self.label if self.durable else f"~{self.label}~"


_BOX_HEIGHT, _ROW, _GAP, _CHARACTER, _MARGIN = 40, 84, 24, 7.4, 16
_STYLE = (
    ".alula text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1b2733}"
    ".alula .note{font-size:11px;fill:#5b6b7a}"
    ".alula rect{fill:#fff;stroke:#51657a;stroke-width:1.4}"
    ".alula .volatile{stroke-dasharray:5 3}"
    ".alula path{fill:none;stroke:#8fa1b3;stroke-width:1.4}"
    ".alula .running{fill:#fff3d6;stroke:#b87a00}.alula .done{fill:#e2f4e8;stroke:#2d7d4f}"
    ".alula .failed{fill:#fde3e1;stroke:#b3312a}.alula .skipped{fill:#eef1f4;stroke:#9aa7b4}"
    "@media(prefers-color-scheme:dark){.alula text{fill:#e8eef4}.alula .note{fill:#a7b5c3}"
    ".alula rect{fill:#1f2a35;stroke:#8fa3b8}.alula path{stroke:#5f7183}"
    ".alula .running{fill:#4a3a12;stroke:#e3b04b}.alula .done{fill:#17402a;stroke:#64c08c}"
    ".alula .failed{fill:#55211e;stroke:#ef8a83}.alula .skipped{fill:#262f38;stroke:#67747f}}"
)


def svg(looks: Mapping[str, Look], edges: Sequence[tuple[str, str]]) -> str:
    """Draw nodes and edges (source, reader); `looks` must list sources before readers.

    Returns
    -------
    str
        One ``<svg>`` element with its style inside.
    """
    rows = _rows(looks, edges)
    width = {k: max(64.0, _CHARACTER * max(len(v.title), len(v.note)) + 24) for k, v in looks.items()}
    total = [sum(width[k] for k in row) + _GAP * (len(row) - 1) for row in rows]
    full = max(total, default=0.0) + 2 * _MARGIN
    left: dict[str, float] = {}
    top: dict[str, float] = {}
    for i, row in enumerate(rows):
        x = (full - total[i]) / 2
        for key in row:
            left[key], top[key] = x, _MARGIN + i * _ROW
            x += width[key] + _GAP
    height = 2 * _MARGIN + max(0, len(rows) - 1) * _ROW + _BOX_HEIGHT
    parts = [
        f'<svg class="alula" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-label="graph of {len(looks)} tasks" viewBox="0 0 {full:.0f} {height}" '
        f'width="{full:.0f}" height="{height}"><style>{_STYLE}</style>'
    ]
    for source, reader in edges:
        x0, y0 = left[source] + width[source] / 2, top[source] + _BOX_HEIGHT
        x1, y1 = left[reader] + width[reader] / 2, top[reader]
        bend = (y1 - y0) / 2
        parts.append(
            f'<path d="M{x0:.1f} {y0:.1f}C{x0:.1f} {y0 + bend:.1f} '
            f'{x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"/>'
        )
    for key, look in looks.items():
        parts.append(_box(look, left[key], top[key], width[key]))
    return "".join(parts) + "</svg>"


def _box(look: Look, x: float, y: float, width: float) -> str:
    kind = ("" if look.durable else "volatile ") + look.state
    middle = x + width / 2
    baseline = y + (18 if look.note else 24.5)
    note = (
        f'<text class="note" x="{middle:.1f}" y="{y + 33:.1f}" text-anchor="middle">'
        f"{_escaped(look.note)}</text>"
        if look.note
        else ""
    )
    return (
        f'<g><rect class="{kind.strip()}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{_BOX_HEIGHT}" rx="8"/><text x="{middle:.1f}" y="{baseline:.1f}" '
        f'text-anchor="middle">{_escaped(look.title)}</text>{note}</g>'
    )


def _escaped(text: str) -> str:
    from html import escape  # here, for it brings a large table, which nobody needs who draws nothing

    return escape(text, quote=True)


def _rows(looks: Mapping[str, Look], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    inputs: dict[str, list[str]] = {key: [] for key in looks}
    for source, reader in edges:
        inputs[reader].append(source)
    depth: dict[str, int] = {}
    for key in looks:
        depth[key] = max((depth[source] + 1 for source in inputs[key]), default=0)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key in looks:
        rows[depth[key]].append(key)
    place: dict[str, float] = {}
    for row in rows:
        # Near the middle of its inputs, so that few edges cross; ties keep the graph's order.
        row.sort(key=lambda k: sum(place[s] for s in inputs[k]) / len(inputs[k]) if inputs[k] else 0.5)
        place.update({key: (i + 0.5) / len(row) for i, key in enumerate(row)})
    return rows


def mermaid(looks: Mapping[str, Look], edges: Sequence[tuple[str, str]]) -> str:
    """Write nodes and edges as a Mermaid flowchart, top down; volatile values are rounded."""
    number = {key: f"n{i}" for i, key in enumerate(looks)}
    lines = ["flowchart TD"]
    for key, look in looks.items():
        text = _escaped(look.title + (f"<br>{look.note}" if look.note else ""))
        text = text.replace("&lt;br&gt;", "<br>")
        lines.append(f'    {number[key]}["{text}"]' if look.durable else f'    {number[key]}("{text}")')
    lines += [f"    {number[a]} --> {number[b]}" for a, b in edges]
    return "\n".join(lines) + "\n"

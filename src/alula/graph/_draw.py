"""Pictures of graphs: SVG that needs nothing else, and Mermaid for Markdown.

A volatile value has the project's small wings around its name and a dashed outline; a durable one has
a solid outline. Where the boxes stand is told by the layout.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from ._layout import Edge, Layout, arrange

__all__ = ["Look", "Shape", "State", "mermaid", "svg"]

State = Literal["", "waiting", "running", "done", "failed", "cancelled", "skipped"]
"""Where a node that is drawn stands; empty if that is not to be told."""

Shape = Literal["box", "clock", "event", "signal", "wait"]
"""What a node that is drawn looks like: all but a box are pills with a sign."""


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
    shape
        A box for what computes; a pill with a sign for what waits: for a time, an event, a signal, or
        for some of its inputs.
    count
        How many nodes this one stands for; more than one are drawn as a pile.
    inplace
        Whether it runs in the process of what made it: drawn with a bar at its left side.
    tip
        Shown when the pointer rests on it.
    link
        Where it leads; empty if it leads nowhere.
    """

    label: str
    durable: bool = False
    state: State = ""
    note: str = ""
    shape: Shape = "box"
    count: int = 1
    inplace: bool = False
    tip: str = ""
    link: str = ""

    @property
    def title(self) -> str:
        """The label as it is drawn, with wings if the value is volatile, and the count of a pile."""
        label = self.label if self.durable else f"~{self.label}~"
        return label if self.count == 1 else f"{label} \N{MULTIPLICATION SIGN} {self.count:,}"


_BOX_HEIGHT, _ROW, _GAP, _CHARACTER, _MARGIN = 40, 84, 24, 7.4, 16
_CAPTION: Final = 26
_CAPTION_CHARACTER: Final = 8.4
_NOTE_CHARACTER: Final = 6.2
_SIGN: Final = 26  # the room for a sign at the left of a pill
_STYLE = (
    ".alula text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1b2733}"
    ".alula .note{font-size:11px;fill:#5b6b7a}"
    ".alula .caption{font-weight:600;fill:#51657a}"
    ".alula rect{fill:#fff;stroke:#51657a;stroke-width:1.4}"
    ".alula .volatile{stroke-dasharray:5 3}"
    ".alula path{fill:none;stroke:#8fa1b3;stroke-width:1.4}"
    ".alula .grown{stroke:#6f5bd0;stroke-width:1.8;stroke-dasharray:1 4;stroke-linecap:round}"
    ".alula .grown.inplace{stroke-dasharray:none}"
    ".alula .arrow,.alula .grown.inplace{stroke:#6f5bd0;stroke-width:1.8}"
    ".alula .bar{stroke:#6f5bd0;stroke-width:3;stroke-linecap:round}"
    ".alula .sign{stroke:#51657a;stroke-linecap:round;stroke-linejoin:round}"
    ".alula .waiting{fill:#f4f7fb;stroke:#7d93ab}"
    ".alula .running{fill:#fff3d6;stroke:#b87a00}.alula .done{fill:#e2f4e8;stroke:#2d7d4f}"
    ".alula .failed{fill:#fde3e1;stroke:#b3312a}.alula .skipped{fill:#eef1f4;stroke:#9aa7b4}"
    ".alula .cancelled{fill:#f1e9f4;stroke:#7c5a8c}"
    "@media(prefers-color-scheme:dark){.alula text{fill:#e8eef4}.alula .note{fill:#a7b5c3}"
    ".alula .caption{fill:#a7b5c3}"
    ".alula rect{fill:#1f2a35;stroke:#8fa3b8}.alula path{stroke:#5f7183}"
    ".alula .grown,.alula .arrow,.alula .bar{stroke:#a797f2}.alula .sign{stroke:#a7b5c3}"
    ".alula .waiting{fill:#1d2937;stroke:#6d84a0}"
    ".alula .running{fill:#4a3a12;stroke:#e3b04b}.alula .done{fill:#17402a;stroke:#64c08c}"
    ".alula .failed{fill:#55211e;stroke:#ef8a83}.alula .skipped{fill:#262f38;stroke:#67747f}"
    ".alula .cancelled{fill:#3a2a42;stroke:#b894c8}}"
)
# Signs are 14 wide and high, around their middle.
_SIGNS: Final[Mapping[Shape, str]] = {
    "clock": "m0 -7a7 7 0 1 0 .01 0m0 3v4l3 2",
    "event": "m2 -7l-6 8h4l-2 6l6 -8h-4z",
    "signal": "m-7 -5h14v10h-14zl7 6l7 -6",
    "wait": "m-6 -6v4l6 4l6 -4v-4m-6 8v5",
}


def svg(
    looks: Mapping[str, Look],
    edges: Sequence[Edge],
    grown: Collection[Edge] = frozenset(),
    caption: str = "",
) -> str:
    """Draw nodes and edges (source, reader); `looks` must list sources before readers.

    Parameters
    ----------
    grown
        Those edges whose source has made the reader, and does not hand it a value.
    caption
        A line above the picture.

    Returns
    -------
    str
        One ``<svg>`` element with its style inside.
    """
    widths = {key: _width(look) for key, look in looks.items()}
    layout = arrange(widths, edges, _GAP)
    top = _MARGIN + (_CAPTION if caption else 0)
    full = max(layout.width, _CAPTION_CHARACTER * len(caption)) + 2 * _MARGIN
    left = (full - layout.width) / 2
    rows = max(layout.row.values(), default=0)
    height = top + _MARGIN + rows * _ROW + _BOX_HEIGHT
    nodes = sum(look.count for look in looks.values())
    role = "group" if any(look.link for look in looks.values()) else "img"  # what is in an image is not read
    parts = [
        f'<svg class="alula" xmlns="http://www.w3.org/2000/svg" role="{role}" '
        f'aria-label="graph of {nodes} task{"s" * (nodes != 1)}" viewBox="0 0 {full:.0f} {height}" '
        f'width="{full:.0f}" height="{height}"><style>{_STYLE}</style>'
    ]
    if caption:
        parts.append(f'<text class="caption" x="{_MARGIN}" y="{_MARGIN + 8}">{_escaped(caption)}</text>')
    parts += [_line(edge, layout, left, top, _kind_of(edge, looks, grown)) for edge in edges]
    for key, look in looks.items():
        x = left + layout.middle[key] - widths[key] / 2
        parts.append(_box(look, x, top + layout.row[key] * _ROW, widths[key]))
    return "".join(parts) + "</svg>"


def _width(look: Look) -> float:
    text = max(_CHARACTER * len(look.title), _NOTE_CHARACTER * len(look.note))
    return max(64.0, text + 24 + (0 if look.shape == "box" else _SIGN))


def _kind_of(edge: Edge, looks: Mapping[str, Look], grown: Collection[Edge]) -> str:
    if edge not in grown:
        return ""
    return "grown inplace" if looks[edge[1]].inplace else "grown"


def _line(edge: Edge, layout: Layout, left: float, top: float, kind: str) -> str:
    source, reader = edge
    y, end = top + layout.row[source] * _ROW, top + layout.row[reader] * _ROW
    middles = [layout.middle[source], *layout.lanes[edge], layout.middle[reader]]
    lanes = len(layout.lanes[edge])
    path = [f"M{left + middles[0]:.1f} {y + _BOX_HEIGHT:.1f}"]
    for i, (x0, x1) in enumerate(pairwise([left + x for x in middles])):
        y0, y1 = y + _BOX_HEIGHT, (y + _ROW if lanes else end)
        bend = (y1 - y0) / 2
        path.append(f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}")
        if i < lanes:
            path.append(f"V{y1 + _BOX_HEIGHT:.1f}")
        y += _ROW
    drawn = "".join(path)
    if not kind:
        return f'<path d="{drawn}"/>'
    tip = f"M{left + middles[-1] - 4:.1f} {end - 7:.1f}l4 6l4 -6"  # it points at what was made
    return f'<path class="{kind}" d="{drawn}"/><path class="arrow" d="{tip}"/>'


def _box(look: Look, x: float, y: float, width: float) -> str:
    sign = 0 if look.shape == "box" else _SIGN
    middle = x + (width + sign * 0.7) / 2
    baseline = y + (18 if look.note else 24.5)
    parts = [*_frames(look, x, y, width), *_marks(look, x, y)]
    if look.tip:
        parts.insert(0, f"<title>{_escaped(look.tip)}</title>")
    parts.append(
        f'<text x="{middle:.1f}" y="{baseline:.1f}" text-anchor="middle">{_escaped(look.title)}</text>'
    )
    if look.note:
        parts.append(
            f'<text class="note" x="{middle:.1f}" y="{y + 33:.1f}" text-anchor="middle">'
            f"{_escaped(look.note)}</text>"
        )
    drawn = f"<g>{''.join(parts)}</g>"
    return f'<a href="{_escaped(look.link)}">{drawn}</a>' if look.link else drawn


def _frames(look: Look, x: float, y: float, width: float) -> Iterator[str]:
    kind = (("" if look.durable else "volatile ") + look.state).strip()
    corner = 8 if look.shape == "box" else _BOX_HEIGHT // 2
    for shift in (8, 4, 0) if look.count > 1 else (0,):
        yield (
            f'<rect class="{kind}" x="{x + shift:.1f}" y="{y + shift:.1f}" width="{width:.1f}" '
            f'height="{_BOX_HEIGHT}" rx="{corner}"/>'
        )


def _marks(look: Look, x: float, y: float) -> Iterator[str]:
    if look.inplace:
        yield f'<path class="bar" d="M{x + 6:.1f} {y + 11:.1f}v{_BOX_HEIGHT - 22}"/>'
    if look.shape != "box":
        yield f'<path class="sign" d="M{x + 20:.1f} {y + _BOX_HEIGHT / 2:.1f}{_SIGNS[look.shape]}"/>'


def _escaped(text: str) -> str:
    from html import escape  # here, for it brings a large table, which nobody needs who draws nothing

    return escape(text, quote=True)


def mermaid(looks: Mapping[str, Look], edges: Sequence[Edge], grown: Collection[Edge] = frozenset()) -> str:
    """Write nodes and edges as a Mermaid flowchart, top down; volatile values are rounded."""
    number = {key: f"n{i}" for i, key in enumerate(looks)}
    lines = ["flowchart TD"]
    for key, look in looks.items():
        text = _escaped(look.title + (f"<br>{look.note}" if look.note else ""))
        text = text.replace("&lt;br&gt;", "<br>")
        lines.append(f'    {number[key]}["{text}"]' if look.durable else f'    {number[key]}("{text}")')
    lines += [f"    {number[a]} {'-.->' if (a, b) in grown else '-->'} {number[b]}" for a, b in edges]
    return "\n".join(lines) + "\n"

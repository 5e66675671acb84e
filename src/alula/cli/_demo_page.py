"""The page that ``alula demo`` writes: one HTML file that needs nothing else, for light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Misread", "Page", "render"]


@dataclass(frozen=True, slots=True)
class Misread:
    """A digit that the ensemble took for another.

    Attributes
    ----------
    pixels
        64 brightnesses from 0 to 16, row by row.
    truth, taken_for
        The digit, and what it was read as.
    """

    pixels: Sequence[float]
    truth: int
    taken_for: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What there is to show.

    Attributes
    ----------
    rows
        Name and accuracy (0 to 1) of each model; the ensemble last.
    facts
        Name and text of further results.
    workflow_svg, command_svg
        Pictures of the two graphs.
    command
        The text of one command, payloads left out.
    confusion
        Counts, ``confusion[truth][answer]``.
    misread
        Some misread digits.
    """

    rows: Sequence[tuple[str, float]]
    facts: Sequence[tuple[str, str]]
    workflow_svg: str
    command_svg: str
    command: str
    confusion: Sequence[Sequence[int]]
    misread: Sequence[Misread]


_STYLE = """
:root {
  color-scheme: light dark; --ink: #1b2733; --soft: #5b6b7a; --line: #d5dde5; --paper: #fff;
  --hit: 45, 125, 79; --miss: 179, 49, 42;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e8eef4; --soft: #a7b5c3; --line: #34414d; --paper: #141b22;
    --hit: 100, 192, 140; --miss: 239, 138, 131;
  }
}
body {
  font: 16px/1.5 ui-sans-serif, system-ui, sans-serif; font-variant-numeric: tabular-nums;
  color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem;
}
h1 { font-size: 1.7rem; margin: 0 }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem }
.lead { color: var(--soft); margin: .3rem 0 0 }
.columns { display: flex; flex-wrap: wrap; gap: 0 3.5rem; align-items: flex-start }
.columns > :last-child { flex: 1 1 22rem }
table { border-collapse: collapse }
.scores td { padding: .3rem .8rem; text-align: right }
.scores td:first-child { text-align: left; padding-left: 0 }
.scores tr + tr td { border-top: 1px solid var(--line) }
.scores tr:last-child td { font-weight: 600 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: 0 }
dt { color: var(--soft) }
dd { margin: 0 }
.matrix td, .matrix th { width: 2.1rem; height: 2.1rem; padding: 0; text-align: center }
.matrix td { border: 1px solid var(--line) }
.matrix th { font-weight: 400; color: var(--soft) }
.figure { overflow-x: auto }
.figure svg { max-width: 100%; height: auto }
pre {
  overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem;
  font-size: .82rem; line-height: 1.45;
}
.digits { display: flex; flex-wrap: wrap; gap: 1.2rem; list-style: none; padding: 0; max-width: 24rem }
.digits figure { margin: 0; text-align: center }
.digits figcaption { font-size: .85rem; color: var(--soft) }
"""


def render(page: Page) -> str:
    """Write the page."""
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>Alula demo</title><style>{_STYLE}</style></head><body>",
            "<h1>Handwritten digits, end to end</h1>",
            '<p class="lead">Stored by name, trained in a durable workflow, deployed to a tensor server, '
            "and read with one command per image.</p>",
            '<div class="columns"><section><h2>Accuracy</h2>',
            _scores(page.rows),
            "</section><section><h2>Results</h2>",
            _facts(page.facts),
            "</section></div>",
            "<h2>The workflow: every value is recorded before anyone may depend on it</h2>",
            f'<div class="figure">{page.workflow_svg}</div>',
            "<h2>One command to the server: volatile tensors have wings</h2>",
            f'<div class="figure">{page.command_svg}</div><pre>{escape(page.command)}</pre>',
            '<div class="columns"><section><h2>What was read (columns) for what (rows)</h2>',
            _matrix(page.confusion),
            f"</section><section><h2>Some that were misread</h2>{_digits(page.misread)}</section></div>",
            "</body></html>\n",
        ]
    )


def _scores(rows: Sequence[tuple[str, float]]) -> str:
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{value:.1%}</td></tr>" for name, value in rows)
    return f'<table class="scores">{cells}</table>'


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return (
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts) + "</dl>"
    )


def _matrix(confusion: Sequence[Sequence[int]]) -> str:
    size = range(len(confusion))
    most = max((max(row) for row in confusion), default=1) or 1
    lines = ["<tr><th></th>" + "".join(f'<th scope="col">{i}</th>' for i in size) + "</tr>"]
    for truth in size:
        cells = []
        for answer in size:
            count = confusion[truth][answer]
            colour, strength = ("hit", count / most) if truth == answer else ("miss", min(1.0, count / 4))
            shade = f' style="background:rgba(var(--{colour}),{0.55 * strength:.2f})"' if count else ""
            cells.append(f"<td{shade}>{count or ''}</td>")
        lines.append(f'<tr><th scope="row">{truth}</th>{"".join(cells)}</tr>')
    return f'<table class="matrix">{"".join(lines)}</table>'


def _digits(misread: Sequence[Misread]) -> str:
    if not misread:
        return "<p>None: every image was read as what it is.</p>"
    return (
        '<ul class="digits">'
        + "".join(
            f"<li><figure>{_digit(m)}<figcaption>{m.truth} read as {m.taken_for}</figcaption></figure></li>"
            for m in misread
        )
        + "</ul>"
    )


def _digit(misread: Misread) -> str:
    squares = "".join(
        f'<rect x="{i % 8}" y="{i // 8}" width="1.02" height="1.02" fill="currentColor" '
        f'fill-opacity="{value / 16:.2f}"/>'
        for i, value in enumerate(misread.pixels)
        if value
    )
    return (
        f'<svg viewBox="0 0 8 8" width="88" height="88" role="img" '
        f'aria-label="a {misread.truth} read as {misread.taken_for}">{squares}</svg>'
    )

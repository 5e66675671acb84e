"""What notebooks show: small pieces of HTML that need nothing from elsewhere, for light and dark pages.

Colours are those of the page around it, and one for each status, which stands there as a word as well. All
that comes from outside is escaped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from ._durations import duration

__all__ = ["Listing", "Raw", "bar", "card", "grid", "seconds", "short", "status"]

T = TypeVar("T")

_LOOKS: Final = {
    "PENDING": ("○", "#7c8794"),
    "STARTED": ("●", "#2f81d6"),
    "RUNNING": ("●", "#2f81d6"),
    "RETRY": ("↻", "#b7791f"),
    "RESUMABLE": ("↻", "#b7791f"),
    "SUCCESS": ("✓", "#2b9a5b"),
    "SUCCESSFUL": ("✓", "#2b9a5b"),
    "STOPPED": ("✓", "#2b9a5b"),
    "ok": ("✓", "#2b9a5b"),
    "pending": ("○", "#b7791f"),
    "FAILURE": ("✗", "#d9534f"),
    "FAILED": ("✗", "#d9534f"),
    "failed": ("✗", "#d9534f"),
    "REVOKED": ("⊘", "#7c8794"),
    "CANCELED": ("⊘", "#7c8794"),
}
# One sheet for each piece, so that a page may keep any of them. Where no sheets are taken, tables are plain.
_SHEET: Final = (
    "<style>.alula-v{display:inline-block;max-width:100%;overflow-x:auto;margin:4px 0;padding:8px 12px;"
    "border:1px solid rgba(127,127,127,.35);border-radius:6px;font-variant-numeric:tabular-nums}"
    ".alula-v table{border:0;margin:0;border-collapse:collapse}"
    ".alula-v :is(tr,th,td,code){background:none!important}"
    ".alula-v :is(th,td,caption){text-align:left!important;vertical-align:top!important;"
    "padding:2px 16px 2px 0;border:0}.alula-v caption{caption-side:top;color:inherit}"
    ".alula-v :is(th,small){font-weight:normal;opacity:.7}.alula-v code{padding:0}"
    ".alula-v progress{width:12em;vertical-align:middle}</style>"
)
_LONGEST: Final = 200  # characters of one fact
_MOST: Final = 20  # rows of a table


def _escaped(text: str) -> str:
    """Give a text as HTML, for between tags and in attributes."""
    import html  # here, for it brings a large table, which nobody needs who looks at nothing

    return html.escape(text, quote=True)


class Raw(str):
    """A text that is HTML already."""

    __slots__ = ()


class Listing(list[T]):
    """A list that notebooks show as a table.

    Parameters
    ----------
    show
        Gives the HTML of such a list.
    """

    def __init__(self, items: Iterable[T], show: Callable[[Sequence[T]], str]) -> None:
        super().__init__(items)
        self._show = show

    def _repr_html_(self) -> str:
        return self._show(self)


def card(what: str, name: str, facts: Mapping[str, object]) -> Raw:
    """Show one thing: what it is, its name, and what is known of it; None and empty facts are left out."""
    rows = [
        f'<tr><th scope="row">{_escaped(key)}</th><td>{_told(value)}</td></tr>'
        for key, value in facts.items()
        if value not in (None, "", (), [], {})
    ]
    head = f"<small>{_escaped(what)}</small> <strong>{_escaped(name)}</strong>"
    return _box(f"<div>{head}</div>" + (f"<table>{''.join(rows)}</table>" if rows else ""))


def grid(caption: str, columns: Sequence[str], rows: Sequence[Sequence[object]], total: int = 0) -> Raw:
    """Show several things of one sort.

    Parameters
    ----------
    total
        How many there are, if that is more than the rows.
    """
    shown = rows[:_MOST]
    head = "".join([f'<th scope="col">{_escaped(each)}</th>' for each in columns])
    body = "".join([f"<tr>{''.join([f'<td>{_told(each)}</td>' for each in row])}</tr>" for row in shown])
    left = max(total, len(rows)) - len(shown)
    more = f"<small>and {left:,} more</small>" if left > 0 else ""
    told = f"<caption><strong>{_escaped(caption)}</strong></caption>"
    return _box(f"<table>{told}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}")


def _box(content: str) -> Raw:
    return Raw(f'{_SHEET}<div class="alula-v">{content}</div>')


def status(name: str) -> Raw:
    """Show a status as a sign and a word."""
    sign, colour = _LOOKS.get(name, ("", "inherit"))
    return Raw(f'<span aria-hidden="true" style="color:{colour}">{sign}</span> {_escaped(name)}')


def bar(fraction: float, text: str) -> Raw:
    """Show a share from 0 to 1 as a bar, and beside it a text."""
    share = min(max(fraction, 0.0), 1.0)
    return Raw(
        f'<progress value="{share:.4f}" max="1" aria-label="{_escaped(text)}"></progress> {_escaped(text)}'
    )


def seconds(count: float | None) -> str:
    """Write a span of time; empty for None."""
    return "" if count is None else duration(count)


def short(text: str) -> Raw:
    """Show the beginning of an id, with all of it for who points there."""
    return Raw(f'<code title="{_escaped(text)}">{_escaped(text[:8])}</code>')


def _told(value: object) -> str:
    if isinstance(value, Raw):
        return value
    text = str(value)
    return _escaped(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")

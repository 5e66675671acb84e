"""Stored objects as tables for people."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..objects import Metadata

__all__ = ["frame_view", "list_view", "metadata_view", "moment", "plain_table", "size", "versions_view"]

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_WIDEST: Final = 12  # columns of a frame that are shown


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Make a table as all commands show them."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def list_view(found: Sequence[Metadata], kind: str) -> RenderableType:
    """Draw the objects of a store."""
    if not found:
        return Text(f"no {kind}", style="dim")
    tagged = any(each.tags for each in found)
    table = plain_table(
        "name", "kind", "version", *["tags"] * tagged, "size", "modified", right=("version", "size")
    )
    for each in found:
        tags = [Text(", ".join(each.tags))] * tagged
        kept = Text(each.kind, style="dim")
        table.add_row(Text(each.name), kept, str(each.version), *tags, size(each.size), moment(each.modified))
    return table


def versions_view(found: Sequence[Metadata]) -> RenderableType:
    """Draw the versions of an object."""
    table = plain_table("version", "tags", "kind", "size", "modified", right=("version", "size"))
    for each in found:
        facts = (Text(", ".join(each.tags)), Text(each.kind, style="dim"), size(each.size))
        table.add_row(str(each.version), *facts, moment(each.modified))
    return table


def metadata_view(found: Metadata) -> RenderableType:
    """Draw what is known of an object."""
    lines: dict[str, RenderableType] = {
        "kind": Text(found.kind),
        "bucket": Text(found.bucket),
        "version": Text(str(found.version)),
        "tags": Text(", ".join(found.tags)),
        "size": size(found.size),
        "created": moment(found.created),
        "modified": moment(found.modified),
        **{name: _said(value) for name, value in found.kind_meta.items()},
        **{name: _said(value) for name, value in found.attributes.items()},
    }
    title = Text(found.prefix + found.name, style="bold")
    return Group(title, Padding(_grid(lines), (0, 0, 0, 2), expand=False))


def frame_view(frame: Any, limit: int) -> RenderableType:
    """Draw the first rows of a frame."""
    shown = frame.iloc[:limit, :_WIDEST]
    numbers = [str(name) for name in shown.columns if getattr(shown[name].dtype, "kind", "O") in "iuf"]
    table = plain_table("", *map(str, shown.columns), right=numbers)
    table.columns[0].style = "dim"
    for label, row in zip(shown.index, shown.itertuples(index=False, name=None), strict=True):
        table.add_row(Text(str(label)), *[Text(_cell(value)) for value in row])
    rows, columns = frame.shape
    if rows <= limit and columns <= _WIDEST:
        return table
    return Group(
        table, Text(f"{rows:,} rows of {columns:,} columns; --limit shows more, --to writes all", style="dim")
    )


def size(count: int) -> Text:
    """Draw a number of bytes."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return Text(
        f"{amount:.0f} {_UNITS[unit]}" if unit == 0 or amount >= 10 else f"{amount:.1f} {_UNITS[unit]}"
    )


def moment(when: datetime) -> Text:
    """Draw a time of here, without the day if it is today."""
    here, now = when.astimezone(), datetime.now(UTC).astimezone()
    return Text(f"{here:%H:%M:%S}" if here.date() == now.date() else f"{here:%Y-%m-%d %H:%M}", style="dim")


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _grid(lines: Mapping[str, RenderableType]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, line in lines.items():
        if not isinstance(line, Text) or line.plain:
            grid.add_row(name, line)
    return grid


def _said(value: Any) -> RenderableType:
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, Mapping):
        return _grid({str(name): _said(each) for name, each in value.items()})
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        return Text("\n".join(map(_one, value)))
    return Text("" if value is None else _one(value))


def _one(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, (str, int, float)) for each in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, default=str)

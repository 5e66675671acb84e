"""A dataset: its columns, its first rows, and its versions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Response

from ...errors import AlulaError
from ...objects import Datasets, Metadata
from ._previews import Preview, preview_of, unavailable
from ._versions import shown
from ._view import Viewer

__all__ = ["router"]

router = APIRouter()

_COLUMNS: Final = 200  # that are listed with their types


@router.get("/dataset/{name:path}")
def show_dataset(view: Viewer, name: str) -> Response:
    """Show a dataset."""
    datasets = view.om().datasets
    found = shown(view, datasets, "dataset", name)
    facts = found.metadata.kind_meta
    columns = facts.get("columns") or []
    types = facts.get("types", {})
    return view.page(
        "dataset.html",
        tab="objects",
        shown=found,
        preview=_preview(datasets, found.metadata),
        columns=[(column, types.get(column, "")) for column in columns[:_COLUMNS]],
        others=max(0, len(columns) - _COLUMNS),
        levels=[level for level in types if level not in columns],
        facts=_told(facts),
    )


def _preview(datasets: Datasets, metadata: Metadata) -> Preview:
    """Show the beginning of a version; why it cannot be shown, if it cannot."""
    try:
        head = datasets.head(f"{metadata.name}@v{metadata.version}")
    except AlulaError as error:  # damaged, refused, or of a package that is not installed here
        return unavailable(str(error))
    if head.why:
        return unavailable(head.why)
    made = preview_of(head.value)
    rows, columns = metadata.kind_meta.get("rows"), metadata.kind_meta.get("columns")
    if rows is None or metadata.kind == "pandas.rawdict":
        return made
    more = [
        f"{left:,} more {word}{'s' if left > 1 else ''}"
        for left, word in (
            (rows - len(head.value), "row"),
            (len(columns or ()) - len(made.columns) + 1 if columns else 0, "column"),
        )
        if left > 0
    ]
    shape = _by([rows, len(columns)] if columns else [rows])
    return replace(made, kind=f"{type(head.value).__name__}, {shape}", more=" and ".join(more), size=None)


def _told(facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Give what else is known of the value."""
    words = {
        "rows": "Rows",
        "shape": "Shape",
        "dtype": "Type of elements",
        "class": "Class",
        "groupby": "Grouped by",
        "groups": "Groups",
        "filename": "File",
        "uri": "Lies at",
    }
    return [(words[key], _said(facts[key])) for key in words if facts.get(key) is not None]


def _said(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, list):
        return str(value)
    return _by(value) if all(isinstance(each, int) for each in value) else ", ".join(map(str, value))


def _by(shape: Sequence[int]) -> str:
    return " × ".join(f"{each:,}" for each in shape)  # noqa: RUF001  # the sign for it

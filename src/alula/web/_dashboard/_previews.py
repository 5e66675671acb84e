"""What a value looks like at a glance: a table, an array, a picture, or text; never all of a large one.

It takes values that were opened already, and knows no store. What it does not know is shown as Python would
print it.
"""

import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from reprlib import Repr
from typing import Any, Final

import numpy as np

from ._png import data_uri, is_picture

__all__ = ["Preview", "preview_of", "unavailable"]

_ROWS: Final = 20
_COLUMNS: Final = 12
_LONGEST: Final = 4000  # characters of a text
_CELL: Final = 60  # characters of a cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What there is to show of a value; the macro ``preview`` draws it.

    Attributes
    ----------
    kind
        What it is, and how large: ``"DataFrame, 3 by 2"``.
    columns, rows
        Of a table; no columns for what is none.
    image
        Address of a picture; empty for what is none.
    text
        Shown as it stands.
    more
        What is left out.
    size
        Bytes in memory, if they are known.
    """

    kind: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    image: str = ""
    text: str = ""
    more: str = ""
    size: int | None = None


def unavailable(why: str) -> Preview:
    """Give what is shown in place of a value that cannot be."""
    return Preview(kind="not shown", more=why)


def preview_of(value: Any) -> Preview:
    """Make the preview of a value."""
    for make in (_of_frame, _of_array, _of_picture, _of_text, _of_pairs, _of_rows):
        if (made := make(value)) is not None:
            return made
    return Preview(kind=type(value).__qualname__, text=_printed(value))


def _of_frame(value: Any) -> Preview | None:
    pandas = sys.modules.get("pandas")  # whose value this could be has been imported
    if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series)):
        return None
    frame = value.to_frame() if isinstance(value, pandas.Series) else value
    shown = frame.iloc[:_ROWS, :_COLUMNS]
    rows = [[_cell(index), *map(_cell, row)] for index, *row in shown.itertuples(name=None)]
    return Preview(
        kind=f"{type(value).__name__}, {_by(frame.shape if frame is value else value.shape)}",
        columns=["", *[f"{name} ({kind})" for name, kind in zip(shown, shown.dtypes, strict=True)]],
        rows=rows,
        more=_more(frame.shape[0] - len(shown), "row", frame.shape[1] - shown.shape[1], "column"),
        size=int(np.sum(value.memory_usage())),
    )


def _of_array(value: Any) -> Preview | None:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy() if value.dtype != torch.bfloat16 else value.float().cpu().numpy()
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return None
    kind = f"array of {value.dtype}, {_by(value.shape)}"
    if is_picture(value):
        return Preview(kind=kind, image=data_uri(value), size=value.nbytes)
    table = value.reshape(-1, value.shape[-1]) if value.ndim > 1 else value.reshape(-1, 1)
    shown = table[:_ROWS, :_COLUMNS]
    return Preview(
        kind=kind,
        columns=["", *map(str, range(shown.shape[1]))] if shown.size else (),
        rows=[[str(i), *map(_cell, row)] for i, row in enumerate(shown)],
        more=_more(table.shape[0] - len(shown), "row", table.shape[1] - shown.shape[1], "column"),
        size=value.nbytes,
    )


def _of_picture(value: Any) -> Preview | None:
    draw = getattr(value, "_repr_png_", None)
    data = draw() if callable(draw) and not isinstance(value, type) else None
    if not isinstance(data, bytes):
        return None
    return Preview(
        kind=f"{type(value).__name__}, a picture", image=f"data:image/png;base64,{b64encode(data).decode()}"
    )


def _of_text(value: Any) -> Preview | None:
    if isinstance(value, str):
        more = _more(len(value) - _LONGEST, "character")
        return Preview(kind=f"text, {len(value):,} characters", text=value[:_LONGEST], more=more)
    if isinstance(value, (bytes, bytearray)):
        return Preview(kind=f"{len(value):,} bytes", text=_printed(bytes(value[:200])), size=len(value))
    return None


def _of_pairs(value: Any) -> Preview | None:
    if not isinstance(value, Mapping) or not value:
        return None
    rows = [[_cell(key), _cell(each)] for key, each in _first(value.items())]
    more = _more(len(value) - len(rows), "entry", plural="entries")
    return Preview(kind=f"{_named(value)}, {len(value):,}", columns=["key", "value"], rows=rows, more=more)


def _of_rows(value: Any) -> Preview | None:
    if not isinstance(value, (list, tuple, AbstractSet)) or not value:
        return None
    rows = [[str(i), _cell(each)] for i, each in enumerate(_first(value))]
    kind = f"{_named(value)} of {len(value):,}"
    return Preview(kind=kind, columns=["", "value"], rows=rows, more=_more(len(value) - len(rows), "item"))


def _first(many: Any) -> Iterator[Any]:
    for i, each in enumerate(many):
        if i == _ROWS:
            return
        yield each


def _named(value: Any) -> str:
    return type(value).__qualname__


def _by(shape: Sequence[int]) -> str:
    return " \N{MULTIPLICATION SIGN} ".join(f"{each:,}" for each in shape)


def _more(rows: int, row: str, columns: int = 0, column: str = "", plural: str = "") -> str:
    many = [
        f"{n:,} more {plural or name + 's' if n > 1 else name}"
        for n, name in ((rows, row), (columns, column))
        if n > 0
    ]
    return " and ".join(many)


def _cell(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, np.generic):
        value = value.item()
    text = str(value) if isinstance(value, (str, date)) else _printed(value, 2)
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _printed(value: Any, depth: int = 4) -> str:
    printer = Repr()
    printer.maxlevel, printer.maxstring, printer.maxother = depth, 400, 2000
    printer.maxdict = printer.maxlist = printer.maxtuple = printer.maxset = 20
    try:
        return printer.repr(value)[:_LONGEST]
    except Exception as error:  # the value's own code
        return f"<{type(value).__qualname__}, which cannot be printed: {type(error).__name__}>"

"""DataFrames and Series as Parquet: typed, compressed, readable by columns and by other programs.

What is appended to a frame is kept as a part of its own, so it costs its own size only.
"""

from collections.abc import Mapping, Sequence
from pickle import PickleBuffer
from typing import Any

from ...errors import MissingExtraError
from ._kind import Dumped
from ._plain import class_of

__all__ = ["Frames", "Series"]


def _arrow() -> Any:
    try:
        import pandas
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(error.name or "pyarrow", "lab", "keeping a DataFrame or Series") from error
    assert pandas
    return pyarrow


class Frames:
    """The kind of a DataFrame: index, order and types of columns, and time zones survive."""

    name = "pandas.dfrows"
    on_request = False
    accepts = staticmethod(class_of("pandas", "DataFrame"))

    def ready(self) -> None:
        """Import pandas and pyarrow."""
        _arrow()

    def dump(self, value: Any) -> Dumped:
        """Write Parquet; note columns, types and rows."""
        arrow = _arrow()
        try:
            table = arrow.Table.from_pandas(value)
        except (arrow.ArrowException, ValueError, TypeError) as error:
            raise TypeError(f"this {type(value).__name__} cannot be kept: {error}") from error
        sink = arrow.BufferOutputStream()
        arrow.parquet.write_table(table, sink)
        facts = {
            "columns": table.column_names[: len(value.columns)],  # those of the index come after them
            "types": {field.name: str(field.type) for field in table.schema},
            "rows": table.num_rows,
        }
        return Dumped(PickleBuffer(sink.getvalue()), facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add up the rows of two frames that have the same columns."""
        if facts["columns"] != more["columns"] or facts["types"] != more["types"]:
            raise ValueError(_difference(facts["types"], more["types"]))
        return {**facts, "rows": facts["rows"] + more["rows"]}

    def load(self, parts: Sequence[Any], columns: Sequence[str] | None) -> Any:
        """Read the parts as one frame; a plain numbered index goes on counting."""
        arrow = _arrow()
        tables = [
            arrow.parquet.read_table(
                arrow.BufferReader(arrow.py_buffer(part)),
                columns=None if columns is None else list(columns),
                use_pandas_metadata=True,
            )
            for part in parts
        ]
        return arrow.concat_tables(tables).to_pandas()


class Series:
    """The kind of a Series: kept as a frame of one column, and its name beside it."""

    name = "pandas.serows"
    on_request = False
    accepts = staticmethod(class_of("pandas", "Series"))

    def __init__(self) -> None:
        self._frames = Frames()

    def ready(self) -> None:
        """Import pandas and pyarrow."""
        _arrow()

    def dump(self, value: Any) -> Dumped:
        """Write a frame of one column."""
        dumped = self._frames.dump(value.to_frame(name="value"))
        facts = {key: dumped.facts[key] for key in ("types", "rows")}
        return Dumped((dumped.payload, value.name), facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add up the rows of two series of the same type."""
        if facts["types"] != more["types"]:
            raise ValueError(_difference(facts["types"], more["types"]))
        return {**facts, "rows": facts["rows"] + more["rows"]}

    def load(self, parts: Sequence[Any], columns: Sequence[str] | None) -> Any:
        """Read the parts as one series, with the name of the first."""
        frame = self._frames.load([part for part, _ in parts], None)
        return frame["value"].rename(parts[0][1])


def _difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Say how the columns of two frames differ."""
    said = [
        *(f"{name!r} is missing" for name in there if name not in here),
        *(f"{name!r} is new" for name in here if name not in there),
        *(f"{n!r} is {here[n]}, not {t}" for n, t in there.items() if n in here and here[n] != t),
    ]
    return "the columns differ: " + ("; ".join(said) or "they are in another order")

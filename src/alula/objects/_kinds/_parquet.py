"""Parquet: frames as typed, compressed columns that other programs read, and of which parts can be read.

What is asked for is read and nothing else: the columns, and of the rows those groups whose statistics do not
rule them out. An index that only counts is not kept as a column, so the place of each row is carried along
where rows are left out, for it is what the row is called.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from ...errors import MissingExtraError, SealError
from .._filters import Condition
from .._shelf import Raw
from ._kind import Ask

__all__ = ["GROUP", "arrow", "index_names", "marks", "narrow", "read", "read_chunks", "write"]

GROUP: Final = 1 << 17
"""Rows that are kept, and may be left unread, together."""

_EMPTY: Final = "alula.empty"  # marks a file whose one row stands for none
_AT: Final = "__alula_at__"  # the place of each row, where it is needed


def arrow() -> Any:
    """Import pandas and pyarrow, and give the latter.

    Raises
    ------
    MissingExtraError
        If they are not installed.
    """
    try:
        import pandas
        import pyarrow
        import pyarrow.dataset
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(error.name or "pyarrow", "lab", "keeping a DataFrame or Series") from error
    assert pandas
    return pyarrow


def write(
    frame: Any,
    *,
    groups: Sequence[int] = (),
    index: bool | None = None,
    marks: Mapping[str, str] | None = None,
) -> tuple[Raw, Any]:
    """Write a frame; give the bytes, and the table that they hold.

    Parameters
    ----------
    index
        Whether to keep the index as columns; None unless it only counts.
    groups
        At which rows a new group of rows begins; by default after each `GROUP`.
    marks
        Words to keep with it, for whoever reads it.

    Raises
    ------
    TypeError
        If something in it cannot be kept; says what.
    """
    pa = arrow()
    try:
        table = pa.Table.from_pandas(frame, preserve_index=index)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise TypeError(f"this {type(frame).__name__} cannot be kept: {error}") from error
    told = table
    if not table.num_rows and any(pa.types.is_dictionary(field.type) for field in table.schema):
        table, marks = _template(pa, table), {**(marks or {}), _EMPTY: "yes"}
    if marks:
        table = table.replace_schema_metadata({**table.schema.metadata, **marks})
    sink = pa.BufferOutputStream()
    with pa.parquet.ParquetWriter(
        sink, table.schema, use_dictionary=_repeating(pa, table.schema), write_page_checksum=True
    ) as writer:
        bounds = sorted({0, *groups, table.num_rows})
        for start, stop in pairwise(bounds):
            writer.write_table(table.slice(start, stop - start), row_group_size=GROUP)
        if table.num_rows == 0:
            writer.write_table(table)
    return Raw((memoryview(sink.getvalue()),)), told


def _template(pa: Any, table: Any) -> Any:
    """Give one row that stands for none: without a row there are no categories in a file."""
    nothing = pa.array([None], pa.int32())

    def column(chunked: Any) -> Any:
        if pa.types.is_integer(chunked.type) or pa.types.is_boolean(chunked.type):
            return pa.array([0]).cast(chunked.type)  # nothing would make numbers of another type of it
        if not pa.types.is_dictionary(chunked.type):
            return pa.nulls(1, chunked.type)
        return pa.DictionaryArray.from_arrays(
            nothing.cast(chunked.type.index_type),
            chunked.combine_chunks().dictionary,
            ordered=chunked.type.ordered,
        )

    return pa.table([column(each) for each in table.columns], schema=table.schema)


def _repeating(pa: Any, schema: Any) -> list[str]:
    """Give the columns in which values repeat: numbers do so rarely enough that looking costs more."""
    return [field.name for field in schema if not _is_number(pa, field.type)]


def _is_number(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_temporal(kind))


def index_names(schema: Any) -> list[str]:
    """Give the columns of a table that are levels of the index."""
    told = json.loads(schema.metadata[b"pandas"])
    return [level for level in told["index_columns"] if isinstance(level, str)]


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of a frame.

    Attributes
    ----------
    file
        Opened.
    fragment
        The same, as that which knows the statistics of its groups.
    first
        The place of its first row among those of all files.
    """

    file: Any
    fragment: Any
    first: int

    @property
    def rows(self) -> int:
        rows: int = self.file.metadata.num_rows
        return rows


def _open(parts: Sequence[Any], what: str = "a stored frame") -> list[_Part]:
    pa = arrow()
    opened: list[_Part] = []
    first = 0
    for part in parts:
        buffer = pa.py_buffer(part)
        try:
            file = pa.parquet.ParquetFile(pa.BufferReader(buffer), page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise SealError(what, f"it is damaged ({error})") from error
        fragment = pa.dataset.ParquetFileFormat().make_fragment(pa.BufferReader(buffer))
        opened.append(_Part(file, fragment, first))
        first += opened[-1].rows
    return opened


def read(parts: Sequence[Any], ask: Ask) -> Any:
    """Read a frame of one file or several.

    Raises
    ------
    SealError
        If the bytes are damaged.
    ValueError
        If a column cannot be compared with what a filter says.
    """
    opened = _open(parts)
    return _frame([_table(part, ask) for part in opened], opened, ask)


def read_chunks(parts: Sequence[Any], ask: Ask, size: int) -> Iterator[Any]:
    """Read a frame in pieces of at most `size` rows of the file; at least one, if only an empty one.

    Pieces in which no row is left by the filters are not given, but for the last if all are empty.
    """
    rows = sum(part.rows for part in _open(parts))
    first, stop = ask.rows or (0, None)
    last = rows if stop is None else min(stop, rows)
    given = False
    for start in range(first, max(last, first + 1), size):
        frame = read(parts, replace(ask, rows=(start, min(start + size, last))))
        if len(frame) or (not given and start + size >= last):
            given = True
            yield frame


def marks(part: Any) -> Mapping[str, str]:
    """Give the words that were kept with a file."""
    found = arrow().parquet.read_schema(arrow().BufferReader(arrow().py_buffer(part))).metadata
    return {key.decode(): value.decode() for key, value in found.items() if key.startswith(b"alula.")}


def narrow(frame: Any, ask: Ask) -> Any:
    """Give of a frame in memory the rows that are asked for."""
    if ask.rows is not None:
        frame = frame.iloc[slice(*ask.rows)]
    if not ask.where:
        return frame
    table = arrow().Table.from_pandas(frame, preserve_index=True)
    return _filtered(table, ask.where).to_pandas()


def _table(part: _Part, ask: Ask) -> tuple[Any, Any]:
    """Read of one file what is asked for; give it, and a row of it all the same if that is nothing."""
    pa = arrow()
    groups = _groups(part, ask)
    columns = None if ask.columns is None else [*ask.columns]
    if columns is not None:
        needed = [condition.column for condition in ask.where] + index_names(part.file.schema_arrow)
        columns = list(dict.fromkeys([*columns, *needed]))
    try:
        # One group at least, for the categories that stand in it.
        table = part.file.read_row_groups([n for n, _, _ in groups] or [0], columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise SealError("a stored frame", f"it is damaged ({error})") from error
    some = table.slice(0, 1)
    if not groups or _EMPTY.encode() in part.file.schema_arrow.metadata:
        table, groups = table.slice(0, 0), []
    if not ask.where and ask.rows is None:
        return table, some
    at = np.concatenate([np.arange(start, stop) for _, start, stop in groups] or [np.arange(0)])
    table = table.append_column(_AT, pa.array(at + part.first))
    if ask.rows is not None:
        table = _window(table, at + part.first, ask.rows)
    return (_filtered(table, ask.where) if ask.where else table), some


def _groups(part: _Part, ask: Ask) -> list[tuple[int, int, int]]:
    """Give the groups of rows that may have what is asked for: number, first row, the one after the last."""
    sizes = [part.file.metadata.row_group(n).num_rows for n in range(part.file.num_row_groups)]
    ends = np.cumsum([0, *sizes]).tolist()
    groups = [(n, ends[n], ends[n + 1]) for n in range(len(sizes))]
    if ask.rows is not None:
        first, stop = ask.rows
        first, stop = first - part.first, None if stop is None else stop - part.first
        groups = [g for g in groups if g[2] > first and (stop is None or g[1] < stop)]
    if ask.where:
        pa = arrow()
        expression = _expression(ask.where, part.file.schema_arrow)
        try:
            left = {group.id for group in part.fragment.subset(filter=expression).row_groups}
        except pa.ArrowException:  # the filter says why, where it is applied
            return groups
        groups = [group for group in groups if group[0] in left]
    return groups


def _window(table: Any, at: Any, rows: tuple[int, int | None]) -> Any:
    first, stop = rows
    start = int(np.searchsorted(at, first))
    end = len(at) if stop is None else int(np.searchsorted(at, stop))
    return table.slice(start, max(end - start, 0))


def _filtered(table: Any, where: Sequence[Condition]) -> Any:
    pa = arrow()
    try:
        return table.filter(_expression(where, table.schema))
    except (pa.ArrowException, TypeError) as error:
        kinds = ", ".join(f"{c.column} ({table.schema.field(c.column).type})" for c in where)
        raise ValueError(f"cannot filter {kinds}: {error}") from error


def _frame(read: Sequence[tuple[Any, Any]], parts: Sequence[_Part], ask: Ask) -> Any:
    """Put what was read of each file together, in the order of the columns, with the index that it had."""
    pa = arrow()
    table = pa.concat_tables([table for table, _ in read])
    at = table.column(_AT).to_numpy() if _AT in table.column_names else None
    rows = table.num_rows
    table = table if rows else read[0][1]
    columns = [name for name in table.column_names if name != _AT]
    if ask.columns is not None:
        columns = [*ask.columns, *(n for n in index_names(table.schema) if n not in ask.columns)]
    frame = table.select(columns).to_pandas()[:rows]
    counted = _counted(parts[0].file.schema_arrow)
    if counted is not None and at is not None:
        frame.index = _labels(at, counted, sum(part.rows for part in parts))
    return frame


def _counted(schema: Any) -> Mapping[str, Any] | None:
    """Give what is said of an index that only counts; None of another."""
    [first, *more] = json.loads(schema.metadata[b"pandas"])["index_columns"] or [None]
    return first if isinstance(first, dict) and not more else None


def _labels(at: Any, counted: Mapping[str, Any], rows: int) -> Any:
    """Give the labels of the rows at these places; after appending they count from 0."""
    import pandas

    start, step = counted["start"], counted["step"]
    if len(range(start, counted["stop"], step)) != rows:
        start, step = 0, 1
    if len(at) and at[-1] - at[0] == len(at) - 1:
        first = start + step * int(at[0])
        return pandas.RangeIndex(first, first + step * len(at), step, name=counted["name"])
    return pandas.Index(start + step * at, name=counted["name"])


# ------------------------------------------------------------------------------------------ filters


def _expression(where: Sequence[Condition], schema: Any) -> Any:
    """Say all conditions in the words of Arrow."""
    pa = arrow()
    whole = pa.compute.scalar(True)
    for condition in where:
        whole = whole & _said(condition, schema.field(condition.column).type)
    return whole


def _said(condition: Condition, kind: Any) -> Any:
    pa = arrow()
    field, value = pa.compute.field(condition.column), condition.value
    if pa.types.is_dictionary(kind):  # categories are compared as what they stand for
        kind = kind.value_type
        field = field.cast(kind)
    match condition.operator:
        case "isnull":
            return field.is_null() if value else field.is_valid()
        case "eq" | "ne" | "not" if value is None:
            return field.is_null() if condition.operator == "eq" else field.is_valid()
        case "eq":
            return field == _scalar(value, kind)
        case "ne" | "not":  # as in pandas: what is missing differs from everything
            return (field != _scalar(value, kind)) | field.is_null()
        case "lt":
            return field < _scalar(value, kind)
        case "lte":
            return field <= _scalar(value, kind)
        case "gt":
            return field > _scalar(value, kind)
        case "gte":
            return field >= _scalar(value, kind)
        case "in":
            return field.isin([_scalar(each, kind) for each in value])
        case "between":
            low, high = (_scalar(each, kind) for each in value)
            return (field >= low) & (field <= high)
        case "contains":
            return pa.compute.match_substring(field, value)
        case "startswith":
            return pa.compute.starts_with(field, value)
        case "endswith":
            return pa.compute.ends_with(field, value)
        case _:
            return pa.compute.match_substring_regex(field, value)


def _scalar(value: Any, kind: Any) -> Any:
    """Give a value in the type of its column, if it can be; a time may be written as text."""
    pa = arrow()
    if pa.types.is_timestamp(kind):
        value = _time(value, kind.tz)
    value = getattr(value, "item", lambda: value)() if isinstance(value, np.generic) else value
    try:
        typed = pa.scalar(value, type=kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.scalar(value)
    is_cut = isinstance(value, float) and pa.types.is_integer(kind) and typed.as_py() != value
    return pa.scalar(value) if is_cut else typed


def _time(value: Any, zone: str | None) -> Any:
    import pandas

    try:
        time = pandas.Timestamp(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} is no time") from error
    if zone is not None and time.tzinfo is None:
        return time.tz_localize(zone)
    return time

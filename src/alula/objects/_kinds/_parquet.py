"""Parquet: frames as typed, compressed columns that other programs read, and of which parts can be read.

What is asked for is read and nothing else: the columns, and of the rows those groups whose statistics do not
rule them out. An index that only counts is not kept as a column, so the place of each row is carried along
where rows are left out, for it is what the row is called.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import and_
from typing import Any, Final

import numpy as np

from ...errors import MissingExtraError, SealError
from .._filters import Condition
from .._shelf import Raw
from ._kind import Ask

__all__ = ["GROUP", "arrow", "marks", "narrow", "read", "read_chunks", "write"]

GROUP: Final = 1 << 17
"""Rows that are kept, and may be left unread, together."""

_COMPARED: Final = {"eq": "equal", "lt": "less", "lte": "less_equal", "gt": "greater", "gte": "greater_equal"}
_TEXTS: Final = {
    "contains": "match_substring",
    "startswith": "starts_with",
    "endswith": "ends_with",
    "match": "match_substring_regex",
}
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
    """Give the columns in which values may repeat: fractions do so rarely enough that looking costs more."""
    return [field.name for field in schema if not pa.types.is_floating(field.type)]


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of a frame.

    Attributes
    ----------
    file
        Opened.
    buffer
        Its bytes.
    told
        What pandas wrote about itself when it was put.
    digest
        Under which it is known; empty if it is under none.
    first
        The place of its first row among those of all files.
    check
        Whether its pages are to be checked.
    """

    file: Any
    buffer: Any
    told: Mapping[str, Any]
    digest: str
    first: int
    check: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether its one row stands for none."""
        return _EMPTY.encode() in self.file.schema_arrow.metadata

    def columns(self, ask: Ask) -> list[str] | None:
        """Give the columns to be read for what is asked; None for all."""
        if ask.columns is None:
            return None
        needed = (condition.column for condition in ask.where)
        return list(dict.fromkeys([*ask.columns, *needed, *self.levels]))

    def note(self, ask: Ask, columns: Sequence[str] | None, groups: Sequence[Any]) -> None:
        """Remember what was checked, if that was all of these columns."""
        if self.check and self.digest and len(groups) == self.file.num_row_groups:
            ask.checked.note(self.digest, columns or self.file.schema_arrow.names)

    @property
    def rows(self) -> int:
        rows: int = self.file.metadata.num_rows
        return rows

    @property
    def counted(self) -> Mapping[str, Any] | None:
        """What is said of an index that only counts; None of another."""
        [first, *more] = self.told["index_columns"] or [None]
        return first if isinstance(first, dict) and not more else None

    @property
    def levels(self) -> Sequence[str]:
        """The columns that are levels of the index."""
        return [level for level in self.told["index_columns"] if isinstance(level, str)]


def _open(parts: Sequence[Any], ask: Ask) -> list[_Part]:
    opened: list[_Part] = []
    digests = ask.digests or [""] * len(parts)
    for part, digest in zip(parts, digests, strict=True):
        first = opened[-1].first + opened[-1].rows if opened else 0
        opened.append(_opened(arrow().py_buffer(part), digest, first, ask))
    return opened


def _opened(buffer: Any, digest: str, first: int, ask: Ask) -> _Part:
    pa = arrow()
    try:
        file = pa.parquet.ParquetFile(pa.BufferReader(buffer), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise SealError("a stored frame", f"it is damaged ({error})") from error
    schema = file.schema_arrow
    part = _Part(file, buffer, json.loads(schema.metadata[b"pandas"]), digest, first)
    if not digest or not ask.checked.has(digest, part.columns(ask) or schema.names):
        return part
    return replace(
        part, file=pa.parquet.ParquetFile(pa.BufferReader(buffer), metadata=file.metadata), check=False
    )


def read(parts: Sequence[Any], ask: Ask) -> Any:
    """Read a frame of one file or several.

    Raises
    ------
    SealError
        If the bytes are damaged.
    ValueError
        If a column cannot be compared with what a filter says.
    """
    opened = _open(parts, ask)
    return _frame([_table(part, ask) for part in opened], opened, ask)


def read_chunks(parts: Sequence[Any], ask: Ask, size: int) -> Iterator[Any]:
    """Read a frame in pieces of at most `size` rows of the file; at least one, if only an empty one.

    Pieces in which no row is left by the filters are not given, but for the last if all are empty.
    """
    rows = sum(part.rows for part in _open(parts, ask))
    first, stop = ask.rows or (0, None)
    last = rows if stop is None else min(stop, rows)
    step = size * max(GROUP // size, 1)  # read at once, or each small piece would read its group anew
    given = False
    for start in range(first, max(last, first + 1), step):
        frame = read(parts, replace(ask, rows=(start, min(start + step, last))))
        for at in range(0, len(frame), size):
            given = True
            yield frame[at : at + size]
    if not given:
        yield frame[:0]


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
    return table.filter(_kept(table, ask.where)).to_pandas()


def _table(part: _Part, ask: Ask) -> tuple[Any, Any]:
    """Read of one file what is asked for; give it, and a row of it all the same if that is nothing."""
    pa = arrow()
    groups = _groups(part, ask)
    columns = part.columns(ask)
    try:
        # One group at least, for the categories that stand in it.
        table = part.file.read_row_groups([n for n, _, _ in groups] or [0], columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise SealError("a stored frame", f"it is damaged ({error})") from error
    part.note(ask, columns, groups)
    some = table.slice(0, 1)
    if not groups or part.is_empty:
        table, groups = table.slice(0, 0), []
    if not ask.where and ask.rows is None:
        return table, some
    at = _places(part, groups)
    if ask.rows is not None:
        table, at = _window(table, at, ask.rows)
    if ask.where:
        kept = _kept(table, ask.where)
        table, at = table.filter(kept), at[np.flatnonzero(kept.to_numpy())]
    return (table if part.counted is None else table.append_column(_AT, pa.array(at))), some


def _places(part: _Part, groups: Sequence[tuple[int, int, int]]) -> Any:
    """Give the place of each row of some groups among those of all files."""
    bounds = [(start + part.first, stop + part.first) for _, start, stop in groups] or [(0, 0)]
    if all(stop == start for (_, stop), (start, _) in pairwise(bounds)):
        return np.arange(bounds[0][0], bounds[-1][1])
    return np.concatenate([np.arange(start, stop) for start, stop in bounds])


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
            fragment = pa.dataset.ParquetFileFormat().make_fragment(pa.BufferReader(part.buffer))
            left = {group.id for group in fragment.subset(filter=expression).row_groups}
        except pa.ArrowException:  # the filter says why, where it is applied
            return groups
        groups = [group for group in groups if group[0] in left]
    return groups


def _window(table: Any, at: Any, rows: tuple[int, int | None]) -> tuple[Any, Any]:
    first, stop = rows
    start = int(np.searchsorted(at, first))
    end = max(len(at) if stop is None else int(np.searchsorted(at, stop)), start)
    return table.slice(start, end - start), at[start:end]


def _kept(table: Any, where: Sequence[Condition]) -> Any:
    """Give for each row whether all conditions hold."""
    pa = arrow()
    try:
        kept = reduce(pa.compute.and_, [_said(each, table[each.column], table.schema) for each in where])
    except (pa.ArrowException, TypeError) as error:
        raise _incomparable(where, table.schema, error) from error
    return kept.fill_null(False)


def _incomparable(where: Sequence[Condition], schema: Any, error: Exception) -> ValueError:
    kinds = ", ".join(f"{each.column} ({schema.field(each.column).type})" for each in where)
    return ValueError(f"cannot filter {kinds}: {error}")


def _frame(read: Sequence[tuple[Any, Any]], parts: Sequence[_Part], ask: Ask) -> Any:
    """Put what was read of each file together, in the order of the columns, with the index that it had."""
    pa = arrow()
    table = pa.concat_tables([table for table, _ in read])
    at = table.column(_AT).to_numpy() if _AT in table.column_names else None
    rows = table.num_rows
    table = table if rows else read[0][1]
    columns = [name for name in table.column_names if name != _AT]
    if ask.columns is not None:
        columns = [*ask.columns, *(level for level in parts[0].levels if level not in ask.columns)]
    frame = table.select(columns).to_pandas()
    frame = frame if rows else frame[:0]
    if at is not None:
        frame.index = _labels(at, parts[0].counted, sum(part.rows for part in parts))
    return frame


def _labels(at: Any, counted: Any, rows: int) -> Any:
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
    """Say all conditions of columns that are yet to be read."""
    field = arrow().compute.field
    return reduce(and_, [_said(each, field(each.column), schema) for each in where])


def _said(condition: Condition, column: Any, schema: Any) -> Any:
    """Say a condition in the words of Arrow, of a column that is there or of one that is to be read."""
    words, kind = arrow().compute, schema.field(condition.column).type
    if arrow().types.is_dictionary(kind):  # categories are compared as what they stand for
        kind = kind.value_type
        column = column.cast(kind)
    match condition.operator, condition.value:
        case ("isnull", True) | ("eq", None):
            return words.is_null(column)
        case ("isnull", _) | ("ne" | "not", None):
            return words.is_valid(column)
        case ("ne" | "not", value):  # as in pandas: what is missing differs from everything
            return words.or_kleene(words.not_equal(column, _scalar(value, kind)), words.is_null(column))
        case "in", values:
            return words.is_in(column, value_set=_scalars(values, kind))
        case "between", (low, high):
            above = words.greater_equal(column, _scalar(low, kind))
            return words.and_(above, words.less_equal(column, _scalar(high, kind)))
        case operator, value if operator in _COMPARED:
            return getattr(words, _COMPARED[operator])(column, _scalar(value, kind))
        case operator, value:
            return getattr(words, _TEXTS[operator])(column, value)


def _scalars(values: Sequence[Any], kind: Any) -> Any:
    """Give values as an array of the column's type, without those that it cannot hold: none equals them."""
    pa = arrow()
    typed = [scalar for scalar in (_scalar(value, kind) for value in values) if scalar.type == kind]
    return pa.array([scalar.as_py() for scalar in typed], type=kind)


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

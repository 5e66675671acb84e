"""DataFrames and Series: index, order and types of columns, categories and time zones survive.

What is appended to a frame is kept as a part of its own, so it costs its own size only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from . import _parquet as parquet
from ._changes import DELETED, merged, traced
from ._kind import Ask, Dumped, How, refuse_appending
from ._plain import class_of

__all__ = ["Frames", "Groups", "Series"]

_FEW: Final = 1000  # groups, up to which each is worth a place of its own in the file


class Frames:
    """The kind of a DataFrame."""

    name = "pandas.dfrows"
    on_request = False
    checks_itself = True
    options = frozenset({"delete", "revisions", "timestamp"})
    accepts = staticmethod(class_of("pandas", "DataFrame"))

    def ready(self) -> None:
        """Import pandas and pyarrow."""
        parquet.arrow()

    def dump(self, value: Any, how: How) -> Dumped:
        """Write Parquet; note columns, types and rows.

        With ``timestamp=`` there is a column more, ``_created`` or the one named, with the time of now in
        UTC. With ``revisions=`` the index is kept by its values; with ``delete=`` nothing else is.
        """
        revised, deleted = bool(how.options.get("revisions")), bool(how.options.get("delete"))
        value = _stamped(value, how.options.get("timestamp"))
        if revised or deleted:
            _check_unique(value)
        marks = {DELETED: "yes"} if deleted else None
        value = value[[]] if deleted else value
        raw, table = parquet.write(value, index=True if revised or deleted else None, marks=marks)
        facts: dict[str, Any] = {**_facts(value, table), "rows": table.num_rows}
        if revised or deleted:
            del facts["rows"]  # which it takes a reading to know
            facts |= {"revisions": True, **({"delete": True} if deleted else {})}
        return Dumped(raw, facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add up the rows of two frames that have the same columns."""
        if more.get("delete"):
            index = {name: facts["types"].get(name) for name in more["types"]}
            if index != more["types"]:
                raise ValueError(f"the index differs: {_difference(index, more['types'])}")
            return {**facts, "put": more.get("put")}
        if facts["columns"] != more["columns"] or facts["types"] != more["types"]:
            raise ValueError(f"the columns differ: {_difference(facts['types'], more['types'])}")
        if facts.get("revisions"):
            return {**facts, "put": more.get("put")}
        return {**facts, "rows": facts["rows"] + more["rows"]}

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Read the parts as one frame; a plain numbered index goes on counting."""
        if not ask.facts.get("revisions"):
            return parquet.read(parts, ask)
        if (changes := ask.options.get("trace_revisions")) is not None:
            return traced(parts, changes)
        whole = replace(ask, where=(), rows=None, columns=_with_filtered(ask), digests=())
        frame = parquet.narrow(merged(parts, whole), ask)
        return frame if ask.columns is None else frame[[*ask.columns]]

    def chunks(self, parts: Sequence[Any], ask: Ask, size: int) -> Iterator[Any]:
        """Read piece by piece; revisions are merged first, which takes them whole."""
        if not ask.facts.get("revisions"):
            yield from parquet.read_chunks(parts, ask, size)
            return
        frame = self.load(parts, ask)
        for start in range(0, max(len(frame), 1), size):
            yield frame.iloc[start : start + size]


class Groups:
    """The kind of a DataFrame whose rows lie by groups, each of which can be read without the others."""

    name = "pandas.dfgroup"
    on_request = True
    checks_itself = True
    options = frozenset({"groupby"})
    accepts = staticmethod(class_of("pandas", "DataFrame"))

    def ready(self) -> None:
        """Import pandas and pyarrow."""
        parquet.arrow()

    def dump(self, value: Any, how: How) -> Dumped:
        """Write the rows in the order of their groups, and in each in their own.

        Raises
        ------
        ValueError
            If ``groupby=`` is missing or names no column; says which there are.
        """
        by = how.options.get("groupby")
        by = [by] if isinstance(by, str) else list(by or ())
        unknown = [name for name in by if name not in value.columns]
        if unknown or not by:
            known = ", ".join(map(repr, map(str, value.columns)))
            what = f"there is no column {unknown[0]!r}" if unknown else "it names no column"
            raise ValueError(f"groupby=: {what}; there are {known}")
        number = value.groupby(by, dropna=False, observed=True).ngroup().to_numpy()
        order = np.argsort(number, kind="stable")
        starts = (np.flatnonzero(np.diff(number[order])) + 1).tolist()
        raw, table = parquet.write(value.iloc[order], groups=starts if len(starts) < _FEW else ())
        facts = {**_facts(value, table), "rows": table.num_rows, "groupby": by, "groups": len(starts) + 1}
        return Dumped(raw, facts)

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: rows would have to move."""
        raise refuse_appending(self.name, "frame")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Read the frame."""
        return parquet.read(parts, ask)

    def chunks(self, parts: Sequence[Any], ask: Ask, size: int) -> Iterator[Any]:
        """Read piece by piece."""
        yield from parquet.read_chunks(parts, ask, size)


class Series:
    """The kind of a Series: kept as a frame of one column, and its name beside it."""

    name = "pandas.serows"
    on_request = False
    checks_itself = True
    options: frozenset[str] = frozenset()
    accepts = staticmethod(class_of("pandas", "Series"))

    def ready(self) -> None:
        """Import pandas and pyarrow."""
        parquet.arrow()

    def dump(self, value: Any, how: How) -> Dumped:
        """Write a frame of one column.

        Raises
        ------
        TypeError
            If its name is no text, number, or tuple of such.
        """
        raw, table = parquet.write(value.to_frame(name="value"))
        types = {field.name: str(field.type) for field in table.schema}
        return Dumped(raw, {"types": types, "rows": table.num_rows, "name": _as_json(value.name)})

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add up the rows of two series of the same type."""
        if facts["types"] != more["types"]:
            raise ValueError(f"the types differ: {_difference(facts['types'], more['types'])}")
        return {**facts, "rows": facts["rows"] + more["rows"]}

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Read the parts as one series, with the name of the first."""
        return self._named(parquet.read(parts, ask), ask)

    def chunks(self, parts: Sequence[Any], ask: Ask, size: int) -> Iterator[Any]:
        """Read piece by piece."""
        for frame in parquet.read_chunks(parts, ask, size):
            yield self._named(frame, ask)

    def _named(self, frame: Any, ask: Ask) -> Any:
        return frame["value"].rename(_from_json(ask.facts["name"]))


def _facts(value: Any, table: Any) -> dict[str, Any]:
    return {
        "columns": table.column_names[: len(value.columns)],  # those of the index come after them
        "types": {field.name: str(field.type) for field in table.schema},
    }


def _with_filtered(ask: Ask) -> Sequence[str] | None:
    """Give the columns to read where rows are left out afterwards."""
    if ask.columns is None:
        return None
    levels = ask.facts["types"].keys() - set(ask.facts["columns"])
    more = [condition.column for condition in ask.where if condition.column not in levels]
    return list(dict.fromkeys([*ask.columns, *more]))


def _stamped(frame: Any, column: Any) -> Any:
    if not column:
        return frame
    import pandas

    now = pandas.Timestamp.now("UTC")
    return frame.assign(**{column if isinstance(column, str) else "_created": now})


def _check_unique(frame: Any) -> None:
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()][0]
        raise ValueError(f"revisions are merged by the index, and {twice!r} stands in it more than once")


def _difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Say how the columns of two frames differ."""
    said = [
        *(f"{name!r} is missing" for name in there if name not in here),
        *(f"{name!r} is new" for name in here if name not in there),
        *(f"{n!r} is {here[n]}, not {t}" for n, t in there.items() if n in here and here[n] != t),
    ]
    return "; ".join(said) or "they are in another order"


def _as_json(name: Any) -> Any:
    if isinstance(name, tuple):
        return {"tuple": [_as_json(part) for part in name]}
    plain = name.item() if isinstance(name, np.generic) else name
    if not isinstance(plain, (str, int, float, bool, type(None))):
        raise TypeError(f"a series cannot be kept whose name is a {type(name).__name__}: rename it")
    return plain


def _from_json(name: Any) -> Any:
    return tuple(map(_from_json, name["tuple"])) if isinstance(name, dict) else name

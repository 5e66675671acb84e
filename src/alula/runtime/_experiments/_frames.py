"""Rows as tables of pandas. Nothing here asks the store: rows come in, frames go out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ._ledger import Run
from ._things import pandas
from ._values import FIXED

__all__ = ["compared", "described", "framed"]

_DESCRIBED: Final = ("count", "mean", "std", "min", "25%", "50%", "75%", "max")


def framed(rows: Iterable[Mapping[str, Any]]) -> Any:
    """Make a frame of rows: the columns of all rows, then the extra ones; times are UTC."""
    pd = pandas()
    listed = list(rows)
    extra = dict.fromkeys(name for row in listed for name in row if name not in FIXED)
    columns = {name: [row.get(name) for row in listed] for name in (*FIXED, *extra)}
    frame = pd.DataFrame({name: _column(pd, name, values) for name, values in columns.items()})
    frame["dt"] = pd.to_datetime(frame["dt"], unit="s", utc=True)
    return frame


def _column(pd: Any, name: str, values: Sequence[Any]) -> Any:
    """Give a column a type that does not hang on what happens to be missing."""
    if name in ("run", "step"):
        return pd.array(values, dtype="Int64")
    if name == "dt":
        return pd.array(values, dtype="float64")
    if name == "value":  # numbers may stand beside texts and lists
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        return pd.Series(values, dtype="float64" if numbers and values else object)
    return pd.Series(values, dtype=str if name in FIXED else None)


def described(numbers: Mapping[tuple[str, str], Sequence[float]]) -> Any:
    """Make the table of `describe` of numbers by event and key."""
    pd = pandas()
    index = pd.MultiIndex.from_tuples(list(numbers), names=["event", "key"])
    told = [pd.Series(list(values), dtype="float64").describe() for values in numbers.values()]
    return pd.DataFrame([list(each) for each in told], index=index, columns=list(_DESCRIBED))


def compared(runs: Sequence[Run], facts: Mapping[int, Mapping[str, Any]]) -> Any:
    """Make the table of runs, with what is known of each beside it."""
    pd = pandas()
    rows = [
        {
            "status": run.status,
            "started": run.started,
            "seconds": None if run.ended is None else run.ended - run.started,
            "parent": run.parent,
            **facts.get(run.number, {}),
        }
        for run in runs
    ]
    columns = dict.fromkeys(["status", "started", "seconds", "parent"])
    columns |= dict.fromkeys(sorted(name for row in rows for name in row if name not in columns))
    index = pd.Index([run.number for run in runs], name="run", dtype="int64")
    frame = pd.DataFrame(rows, index=index, columns=list(columns))
    frame["started"] = pd.to_datetime(frame["started"].astype("float64"), unit="s", utc=True)
    frame["seconds"] = frame["seconds"].astype("float64")
    frame["parent"] = frame["parent"].astype("Int64")
    return frame

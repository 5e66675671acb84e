"""Values as JSON can hold them: arrays as lists, frames by column, times as ISO text, no number as null."""

import math
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from ..objects import Metadata

__all__ = ["as_json", "frame_as_json", "is_frame"]


def as_json(value: Any) -> Any:
    """Give a value as one that JSON can hold.

    Raises
    ------
    TypeError
        If something in it has no form there; names its type.
    """
    match value:
        case None | bool() | int() | str():
            return value.value if isinstance(value, Enum) else value
        case float():
            return float(value) if math.isfinite(value) else None
        case Metadata():
            return value.to_dict()
        case Mapping():
            return {_key(key): as_json(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [as_json(each) for each in value]
        case np.ndarray() | np.generic():
            return _array(value)
        case datetime() | date() | time():
            return None if value != value else value.isoformat()  # not a time is not equal to itself
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray():
            return b64encode(value).decode()
        case Enum():
            return as_json(value.value)
        case Path() | UUID():
            return str(value)
    return _other(value)


def is_frame(value: Any) -> bool:
    """Tell whether a value is a DataFrame, without importing pandas for it."""
    return type(value).__name__ == "DataFrame" and hasattr(value, "itertuples")


def frame_as_json(frame: Any, orient: str) -> dict[str, Any]:
    """Give a DataFrame: its values in one of pandas' forms, and its index.

    Parameters
    ----------
    orient
        ``dict``: by column and row; ``list``: by column; ``records``: a mapping for each row.
    """
    columns = {_key(name): _array(frame.iloc[:, at]) for at, name in enumerate(frame.columns)}
    values = as_json(frame.index.tolist())
    # Rows with one label would be one row, so then they are counted.
    labels = [_key(label) for label in (values if frame.index.is_unique else range(len(frame)))]
    index = {"type": type(frame.index).__name__, "values": values}
    data: Any = columns
    if orient == "dict":
        data = {name: dict(zip(labels, each, strict=True)) for name, each in columns.items()}
    elif orient == "records":
        data = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {"data": data, "index": index}


def _key(key: Any) -> str:
    if isinstance(key, tuple):
        return ",".join(map(_key, key))
    plain = as_json(key)
    return plain if isinstance(plain, str) else str(plain).lower() if isinstance(plain, bool) else str(plain)


def _array(value: Any) -> Any:
    """Give an array, a number of numpy's or a series as a list or number; at once where nothing is amiss."""
    kind = getattr(getattr(value, "dtype", None), "kind", "O")
    listed = value.tolist()
    if kind in "iub" or (kind == "f" and bool(np.isfinite(np.asarray(value)).all())):
        return listed
    return as_json(listed)


def _other(value: Any) -> Any:
    if is_frame(value):
        return {"columns": [_key(name) for name in value.columns], **frame_as_json(value, "list")}
    if hasattr(value, "to_frame") and hasattr(value, "tolist"):  # a series, or an index
        return _array(value)
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value))
    raise TypeError(f"a {type(value).__qualname__} has no form in JSON")

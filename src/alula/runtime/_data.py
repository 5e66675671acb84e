"""Data on their way into a task: a name, or the values themselves.

A name is looked up by the worker. Small values travel in the record of their task. Large ones lie under a
hidden name that ends with their task: whoever sees the task's end removes them, and what nobody removed
because its process died is swept away by the next process that submits a task.
"""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .._core._pickle import dump
from ..errors import StoreUnavailableError
from ..graph import Mark, Name
from ..objects import Catalog, Metadata, Reference

__all__ = [
    "CARRIED",
    "LINKED",
    "PREVIOUS",
    "Kept",
    "Previous",
    "check_data",
    "drop_kept",
    "hand_over",
    "refer",
    "sweep_kept",
]

CARRIED: Final = 1 << 15
"""Bytes up to which pickled values travel inside a task's record."""

LINKED: Final = Name("*")
"""Stands for the dataset that a model was last fitted on."""

_KEPT = re.compile(r"_temp_(?P<task>[0-9a-f-]{36})_\w+")


@dataclass(frozen=True, slots=True)
class Kept(Mark):
    """Stands in a task for values that lie among the datasets until the task has ended.

    Attributes
    ----------
    name
        Of the dataset.
    wrapped
        Whether they are the one item of that dataset, or the dataset itself.
    """

    name: str
    wrapped: bool = True


@dataclass(frozen=True, slots=True)
class Previous(Mark):
    """Stands in a task for what the task before it gives, or the tasks that it combines."""


PREVIOUS: Final = Previous()
"""The default of data: only where a task comes before may they be left out."""


def refer(data: Any) -> Any:
    """Give what stands for some data in a task: a name, or the values themselves.

    Raises
    ------
    TypeError
        If the data are of no type that an estimator takes.
    ValueError
        If they are empty, or a single number.
    InvalidNameError
        If the name is wrongly written.
    """
    if isinstance(data, str):
        return LINKED if data == LINKED.name else Name(Reference.parse(data).text)
    check_data(data)
    return data


def hand_over(data: Any, *, task: str, part: str, datasets: Catalog) -> Any:
    """Give what stands for some data in a task, storing them if they are large.

    Parameters
    ----------
    data
        The name of a dataset, which may have columns in brackets; ``"*"`` for the one that the model was
        last fitted on; or values.
    task, part
        Id of the task, and what the data are in it: ``"X"`` or ``"Y"``.

    Raises
    ------
    TypeError, ValueError, InvalidNameError
        As `refer`; a `TypeError` also if the data cannot be pickled.
    PickleRefusedError
        If they are large and would have to be pickled, and there are to be no pickles.
    """
    if isinstance(data, Previous):
        return data
    referred = refer(data)
    if isinstance(referred, Name) or dump(data, part).size <= CARRIED:
        return referred
    name = f"_temp_{task}_{part}"
    if datasets.takes_pickles:
        datasets.put((data,), name)  # in a tuple, so that it is pickled and comes back as it is
        return Kept(name)
    if isinstance(data, np.ndarray) or _is_frame(data):
        datasets.put(data, name)
        return Kept(name, wrapped=False)
    datasets.put([data], name)  # as JSON, if that holds all of it
    return Kept(name)


def drop_kept(datasets: Catalog, task: str) -> None:
    """Remove the values that were kept for a task; if they cannot be reached now, `sweep_kept` will."""
    with suppress(StoreUnavailableError):
        datasets.drop(f"_temp_{task}_*", force=True)


def sweep_kept(datasets: Catalog, over: Callable[[str, Metadata], bool]) -> None:
    """Remove the values of tasks that are over, as `over` says of a task's id and what was kept for it."""
    for metadata in datasets.list("_temp_*", raw=True):
        found = _KEPT.fullmatch(metadata.name)
        if found and over(found["task"], metadata):
            datasets.drop(metadata.name, force=True)


def check_data(data: Any) -> None:
    """Raise `TypeError` or `ValueError` unless these are values that an estimator may take."""
    if isinstance(data, (list, tuple, dict)):
        size = len(data)
    elif isinstance(data, np.ndarray) or _is_frame(data):
        size = data.size
    else:
        raise TypeError(
            f"invalid type for Xpath_or_data: {type(data)}; give the name of a dataset, a DataFrame, "
            "Series or array, or a list, tuple or dict of values"
        )
    if not size:
        raise ValueError("empty input")
    if isinstance(data, np.ndarray) and not data.ndim:
        raise ValueError(f"a single number is no input: give [[{data}]]")


def _is_frame(data: object) -> Any:
    # Where nobody imported pandas there is no value of its classes.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, (pandas.DataFrame, pandas.Series))

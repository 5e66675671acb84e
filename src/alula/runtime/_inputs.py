"""What a worker makes of the data that a task names: values, in the form that estimators want."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._core._extras import imported
from ..graph import Name
from ..objects import Catalog, Metadata, Reference
from ._data import LINKED, Kept

__all__ = ["Input", "as_rows", "as_target", "read_input"]


@dataclass(frozen=True, slots=True)
class Input:
    """Data, and where they came from.

    Attributes
    ----------
    value
        The data.
    name
        Of the dataset, as it was given; None for data that came without one.
    metadata
        Of the very version that was read.
    """

    value: Any
    name: str | None = None
    metadata: Metadata | None = None

    def facts(self) -> dict[str, Any] | None:
        """Describe the dataset, for the attributes of a model; None if there is none."""
        found = self.metadata
        return None if found is None else {"kind": found.kind, "version": found.version}

    def columns(self) -> list[str] | None:
        """Give the names of the columns, if they have names."""
        names = getattr(self.value, "columns", None)
        return None if names is None else [str(name) for name in names]


def read_input(data: Any, datasets: Catalog, linked: str | None) -> Input:
    """Read what stands for data in a task.

    Parameters
    ----------
    data
        What `hand_over` gave, or None.
    linked
        The name for which ``"*"`` stands.

    Raises
    ------
    NameNotFoundError
        If there is no such dataset or column; says which is nearest.
    ValueError
        If ``"*"`` stands for nothing.
    """
    match data:
        case Name(LINKED.name):
            if linked is None:
                raise ValueError("'*' is the dataset that the model was last fitted on, and there is none")
            return _named(linked, datasets)
        case Name(str() as name):
            return _named(name, datasets)
        case Metadata(prefix=datasets.prefix):  # what another task has made
            return Input(datasets.load(data.name, version=data.version), data.name, data)
        case Kept(name, wrapped):
            kept = datasets.load(name)
            return Input(kept[0] if wrapped else kept)
        case _:
            return Input(data)


def _named(name: str, datasets: Catalog) -> Input:
    metadata = datasets.resolve(name)
    # By its number: another version may have come since, and what is noted is what was read.
    exact = Reference.parse(name).unversioned
    return Input(datasets.load(exact, version=metadata.version), name, metadata)


def as_rows(value: Any, estimator: Any) -> Any:
    """Give data as rows and columns: a dict is one of columns, and what has one dimension is one column."""
    if isinstance(value, dict):
        return _frame(value)
    if not (_takes_rows(estimator) and _is_flat(value)):
        return value
    return value.to_frame() if hasattr(value, "to_frame") else np.asarray(value).reshape(-1, 1)


def as_target(value: Any) -> Any:
    """Give what is to be learned without a second dimension, if that has one column only."""
    table = _frame(value) if isinstance(value, dict) else value
    if getattr(table, "shape", ())[1:] != (1,):
        return table
    return table.iloc[:, 0] if hasattr(table, "iloc") else table.ravel()


def _takes_rows(estimator: Any) -> bool:
    """Tell whether an estimator wants rows and columns, and not a list of texts, say."""
    while steps := getattr(estimator, "steps", None):  # a pipeline wants what its first step does
        estimator = steps[0][1]
    tags = getattr(estimator, "__sklearn_tags__", None)
    return tags is None or bool(tags().input_tags.two_d_array)


def _is_flat(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return np.ndim(value[0]) == 0
    return getattr(value, "ndim", 2) == 1


def _frame(columns: dict[Any, Any]) -> Any:
    return imported("pandas", "lab", "a dict of columns as data").DataFrame(columns)

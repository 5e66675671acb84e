"""What bodies of requests may say: their forms, and the data that they carry.

The forms are pydantic's, so that what is accepted and what the document of the API says are one thing.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .._core._extras import imported
from ._problems import Refused

__all__ = ["FORMS", "Data", "Frame", "Work", "frame_of", "parsed", "value_of"]

T = TypeVar("T", bound=BaseModel)

Columns: TypeAlias = dict[str, list[Any] | dict[str, Any]]


class Data(BaseModel):
    """Data inside a request: by column, by row, or as an array."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[
        Columns | list[Any],
        Field(description="Lists by column, rows by column as they are given out, or nested lists."),
    ]
    columns: Annotated[list[str] | None, Field(description="Names and order of the columns.")] = None
    shape: Annotated[list[int] | None, Field(description="Of the array that the data are.")] = None


class Work(BaseModel):
    """What a model is to work on: names of datasets, or data; and how."""

    model_config = ConfigDict(extra="forbid")

    data: Columns | list[Any] | None = None
    columns: list[str] | None = None
    shape: list[int] | None = None
    datax: Annotated[str | Data | None, Field(description="In place of `data`: a name, or data.")] = None
    datay: Annotated[str | Data | None, Field(description="Targets: a name, or data.")] = None
    options: Annotated[dict[str, Any], Field(description="For the estimator's method.")] = {}
    result: Annotated[str | None, Field(description="Name of a dataset to make of the result.")] = None
    parameters: Annotated[
        dict[str, Any] | list[dict[str, Any]] | None,
        Field(description="For gridsearch: lists of values by parameter, or a list of such grids."),
    ] = None


class Frame(BaseModel):
    """A dataset to be stored."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[
        Columns | list[dict[str, Any]], Field(description="By column, as it is given out, or by row.")
    ]
    columns: list[str] | None = None
    dtypes: Annotated[dict[str, str], Field(description="NumPy's names of types, by column.")] = {}
    index: Annotated[dict[str, Any] | None, Field(description="`values` is one label for each row.")] = None
    append: Annotated[bool, Field(description="Whether the rows that are there stay.")] = False


FORMS: tuple[type[BaseModel], ...] = (Data, Work, Frame)


def parsed(form: type[T], body: bytes) -> T:
    """Read the body of a request.

    Raises
    ------
    Refused
        With status 400 if it is no JSON, and 422 if it does not have the form; says where.
    """
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        status = 400 if first["type"] == "json_invalid" else 422
        raise Refused(status, f"{where}: {first['msg']}" if where else first["msg"], "BadBody") from error


def value_of(given: Data) -> Any:
    """Give data as what an estimator takes: a DataFrame if they have columns, else an array.

    Raises
    ------
    Refused
        With status 422, if they do not fit together.
    """
    if isinstance(given.data, dict) and given.shape is None:
        return _table(given.data, given.columns)
    values = [*_lists(given.data).values()] if isinstance(given.data, dict) else given.data
    array = _shaped(values, given.shape)
    if isinstance(given.data, dict) and given.shape is None:
        array = array.T
    if given.columns is None:
        return array
    if array.ndim != 2 or array.shape[1] != len(given.columns):
        raise Refused(422, f"columns: {len(given.columns)} names for an array of shape {[*array.shape]}")
    return _pandas().DataFrame(array, columns=given.columns)


def frame_of(given: Frame) -> Any:
    """Give a dataset as a DataFrame.

    Raises
    ------
    Refused
        With status 422, if it does not fit together.
    """
    pandas = _pandas()
    if isinstance(given.data, list):
        frame = pandas.DataFrame.from_records(given.data, columns=given.columns)
    else:
        frame = _table(given.data, given.columns)
    try:
        frame = frame.astype(given.dtypes)
        if given.index is not None:
            frame.index = pandas.Index(given.index.get("values", []))
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(422, str(error.args[0] if error.args else error), type(error).__name__) from error
    return frame


def _table(data: Columns, columns: Sequence[str] | None) -> Any:
    if columns is not None and set(columns) != set(data):
        raise Refused(422, f"columns: there are {sorted(data)}, and {sorted(columns)} are named")
    lists = _lists(data)
    sizes = {name: len(values) for name, values in lists.items()}
    if len(set(sizes.values())) > 1:
        raise Refused(422, f"data: columns are of different length: {sizes}")
    return _pandas().DataFrame({name: lists[name] for name in columns or lists})


def _lists(data: Columns) -> dict[str, list[Any]]:
    """Give each column as a list; where it is a mapping, its rows in their order."""
    rows: list[str] | None = None
    lists: dict[str, list[Any]] = {}
    for name, values in data.items():
        if isinstance(values, Mapping):
            rows = [*values] if rows is None else rows
            if values.keys() != set(rows):
                raise Refused(422, f"data.{name}: its rows are not those of the first column")
            lists[name] = [values[row] for row in rows]
        else:
            lists[name] = values
    return lists


def _shaped(values: list[Any], shape: Sequence[int] | None) -> Any:
    try:
        array = np.asarray(values)
        return array if shape is None else array.reshape(shape)
    except ValueError as error:  # rows of different length, or another number of values
        raise Refused(422, f"data: {error}", "ValueError") from error


def _pandas() -> Any:
    return imported("pandas", "lab", "data by column")

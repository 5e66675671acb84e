"""Filters: which rows of a dataset are asked for, as people write it.

``age__gte=18`` is one condition, and several must all hold. What a condition means on columns that lie in a
file is the business of whoever reads the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import NameNotFoundError, suggest

__all__ = ["OPERATORS", "Condition", "conditions"]

OPERATORS: Final = frozenset(
    {
        "between",  # both ends included
        "contains",
        "endswith",
        "eq",
        "gt",
        "gte",
        "in",
        "isnull",
        "lt",
        "lte",
        "match",  # a regular expression, found anywhere
        "ne",
        "not",  # the same as `ne`
        "startswith",
    }
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on one column.

    Attributes
    ----------
    column
        Its name; or that of a level of the index.
    operator
        One of `OPERATORS`.
    value
        What to compare with.
    """

    column: str
    operator: str
    value: Any


def conditions(given: Mapping[str, Any], known: Sequence[str], where: str) -> tuple[Condition, ...]:
    """Read filters.

    Parameters
    ----------
    given
        Values by ``column`` or ``column__operator``. A column whose own name looks so is meant first.
    known
        The columns and levels of the index that there are.
    where
        The full name of the dataset, for the message.

    Raises
    ------
    NameNotFoundError
        If there is no such column; names it and those there are.
    ValueError
        If there is no such operator, or its value cannot be: ``in`` takes a list, ``between`` two ends,
        ``isnull`` a bool, and those on texts a text.
    """
    return tuple(_condition(key, value, known, where) for key, value in given.items())


def _condition(key: str, value: Any, known: Sequence[str], where: str) -> Condition:
    if key in known:
        return _checked(Condition(key, "eq", value))
    column, found, operator = key.rpartition("__")
    if not found or column not in known:
        missing = column if found and operator in OPERATORS else key
        raise NameNotFoundError(f"{where}[{missing}]", [f"{where}[{each}]" for each in known])
    if operator not in OPERATORS:
        raise ValueError(f"there is no operator {operator!r} as in {key!r}; {suggest(operator, OPERATORS)}")
    return _checked(Condition(column, operator, value))


def _checked(condition: Condition) -> Condition:
    match condition:
        case Condition(operator="in", value=list() | tuple() | set() | frozenset()):
            return Condition(condition.column, "in", list(condition.value))
        case Condition(operator="in") if hasattr(condition.value, "tolist"):  # an array, a Series
            return Condition(condition.column, "in", condition.value.tolist())
        case Condition(operator="between", value=[_, _]) | Condition(operator="isnull", value=bool()):
            return condition
        case Condition(operator="contains" | "startswith" | "endswith" | "match", value=str()):
            return condition
        case Condition(
            operator="in" | "between" | "isnull" | "contains" | "startswith" | "endswith" | "match"
        ):
            wants = {"in": "a list", "between": "two ends", "isnull": "True or False"}
            wanted = wants.get(condition.operator, "a text")
            key = f"{condition.column}__{condition.operator}"
            raise ValueError(f"{key} takes {wanted}, not {condition.value!r}")
        case _:
            return condition

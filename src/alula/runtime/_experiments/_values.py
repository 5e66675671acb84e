"""Values as rows hold them: JSON, with a number beside it where it is one."""

import json
from collections.abc import Mapping
from numbers import Number
from typing import Any, Final

__all__ = ["FIXED", "check_extra", "number_of", "packed", "plain"]

FIXED: Final = ("experiment", "run", "step", "event", "key", "value", "dt", "node", "userid")
"""The columns that every row has, in the order in which they are shown."""


def plain(value: Any) -> Any:
    """Give a number of numpy's, torch's or their like as Python's own, and all else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def number_of(key: str, value: Any) -> int | float:
    """Give the value of a metric.

    Raises
    ------
    TypeError
        If it is no number.
    """
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, Number) or isinstance(found, complex):
        raise TypeError(f"the metric {key!r} is a {type(value).__name__}, and metrics are numbers")
    return found if isinstance(found, int) else float(found)  # type: ignore[arg-type]  # Decimal, Fraction


def packed(key: str, value: Any) -> tuple[str, float | None]:
    """Give a value as JSON, and as a number if it is one.

    Raises
    ------
    TypeError
        If it is not JSON; names the key.
    """
    found = plain(value)
    try:
        text = json.dumps(found, default=_told)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"the value of {key!r} is not JSON ({error}); log_artifact and log_data keep any object"
        ) from error
    return text, _double(found)


def _double(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    try:
        return float(found)
    except OverflowError:  # an integer that only the JSON can hold
        return None


def check_extra(extra: Mapping[str, Any]) -> None:
    """Refuse extra columns that would hide others.

    Raises
    ------
    ValueError
        If one has the name of a column that each row has.
    """
    wrong = [name for name in extra if name in FIXED or name == "taskid"]
    if wrong:
        raise ValueError(f"{wrong[0]}= is a column of each row already: give the extra another name")


def _told(value: Any) -> Any:
    """Give what stands inside of a value as JSON can hold it."""
    found = plain(value)
    if found is value:
        raise TypeError(f"a {type(value).__name__} is in it")
    return found

"""What rows tell of arguments, errors and estimators: short, plain, and without what looks like a secret."""

import traceback
from collections.abc import Mapping
from typing import Any, Final

from .._secrets import hidden, masked
from ._values import plain

__all__ = ["params_of", "shown"]

_LONGEST: Final = 500  # characters of one text
_MANY: Final = 20  # items of one collection


def shown(value: Any) -> Any:
    """Give a value as JSON for people to read: of what is large, what it is."""
    found = plain(value)
    match found:
        case None | bool() | int() | float():
            return found
        case str():
            return masked(found if len(found) <= _LONGEST else f"{found[:_LONGEST]}...")
        case BaseException():
            return masked("".join(traceback.format_exception_only(found)).strip())
        case Mapping():
            return {str(k): hidden(str(k), shown(v)) for k, v in list(found.items())[:_MANY]}
        case list() | tuple() if len(found) <= _MANY:
            return [shown(each) for each in found]
        case list() | tuple():
            return f"{type(found).__name__} of {len(found)}"
        case _:
            shape = getattr(found, "shape", None)
            told = "" if shape is None else f" {'x'.join(map(str, shape))}"
            return f"{type(found).__name__}{told}"


def params_of(estimator: Any) -> dict[str, Any]:
    """Give the parameters of an estimator that has scikit-learn's way to tell them, as JSON."""
    tell = getattr(estimator, "get_params", None)
    if tell is None:
        return {}
    return {key: _param(key, value) for key, value in tell(deep=True).items() if not _is_part(value)}


def _param(key: str, value: Any) -> Any:
    found = plain(value)
    plainly = found is None or isinstance(found, (bool, int, float, str))
    return hidden(key, found if plainly and not isinstance(found, str) else masked(str(found)[:_LONGEST]))


def _is_part(value: Any) -> bool:
    """Tell whether a parameter is an estimator, or the steps of a pipeline: theirs are told one by one."""
    return hasattr(value, "get_params") or (
        isinstance(value, (list, tuple))
        and any(
            isinstance(each, tuple) and len(each) > 1 and hasattr(each[1], "get_params") for each in value
        )
    )

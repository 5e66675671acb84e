"""The query of a request as keywords: each value is JSON, or else text; what is there twice is a list."""

import json
from typing import Any, Final

from fastapi import Request

__all__ = ["typed"]

_OURS: Final = frozenset({"async"})  # what the API itself reads there


def typed(request: Request, but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Give the query of a request.

    Parameters
    ----------
    but
        Names of parameters that mean something else.
    """
    read: dict[str, list[Any]] = {}
    for name, text in request.query_params.multi_items():
        if name not in _OURS | but:
            read.setdefault(name, []).append(_value(text))
    return {name: values if len(values) > 1 else values[0] for name, values in read.items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

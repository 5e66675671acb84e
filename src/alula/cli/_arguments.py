"""Values as they are typed: JSON, or a literal of Python's, or else text. Nothing is ever evaluated."""

import ast
import json
from collections.abc import Sequence
from typing import Any

import typer

__all__ = ["data", "pairs", "value"]


def value(text: str) -> Any:
    """Read one value: ``1`` is a number, ``[1, 2]`` a list, ``"1"`` and ``one`` are text."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text


def pairs(texts: Sequence[str], option: str) -> dict[str, Any]:
    """Read what was given as ``NAME=VALUE``, as often as it was.

    Raises
    ------
    typer.BadParameter
        If one of them has no name, or two have the same.
    """
    read: dict[str, Any] = {}
    for text in texts:
        name, equals, given = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is no NAME=VALUE", param_hint=option)
        if name in read:
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        read[name] = value(given)
    return read


def data(text: str | None) -> Any:
    """Read data for a model: what begins as JSON does is values, all else the name of a dataset.

    Raises
    ------
    typer.BadParameter
        If it begins so and cannot be read.
    """
    if text is None or not text.startswith(("[", "{")):
        return text
    read = value(text)
    if isinstance(read, str):
        raise typer.BadParameter(f"{text!r} is neither JSON nor the name of a dataset")
    return read

"""Kinds whose values are kept as they are: JSON where that holds the whole value, else the pickle, sealed."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..._core._extras import imported
from .._shelf import Raw
from ._kind import Ask, Dumped, How, refuse_appending

__all__ = ["Json", "Plain", "class_of", "is_json"]


def class_of(module: str, name: str) -> Callable[[object], bool]:
    """Make the test for heirs of a class whose module may not be installed.

    Where nobody imported the module there is no value of its classes, so nothing need be imported.
    """

    def test(value: object) -> bool:
        loaded = sys.modules.get(module)
        return loaded is not None and isinstance(value, getattr(loaded, name, ()))

    return test


class Plain:
    """A kind that keeps the pickle of a value.

    Parameters
    ----------
    name
        Of the kind.
    accepts
        Tells whether it keeps such a value.
    package, extra
        What must be installed for reading, and where it comes from.
    on_request
        Whether it is chosen only by ``kind=``.
    """

    checks_itself = False
    options: frozenset[str] = frozenset()

    def __init__(
        self,
        name: str,
        accepts: Callable[[object], bool],
        *,
        package: str | None = None,
        extra: str = "lab",
        on_request: bool = False,
    ) -> None:
        self.name, self.accepts, self.on_request = name, accepts, on_request
        self._package, self._extra = package, extra

    def dump(self, value: Any, how: How) -> Dumped:
        """Take the value as it is; note its class."""
        cls = type(value)
        return Dumped(value, {"class": f"{cls.__module__}.{cls.__qualname__}"})

    def ready(self) -> None:
        """Import the package."""
        if self._package is not None:
            imported(self._package, self._extra, f"reading {self.name}")

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: there is no telling what appending would mean."""
        raise refuse_appending(self.name, "value")

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give the value."""
        [value] = parts
        return value


class Json(Plain):
    """A kind that keeps a value as JSON if it comes back from that as it was, else its pickle."""

    options = frozenset({"as_pydata"})

    def dump(self, value: Any, how: How) -> Dumped:
        """Write JSON, or take the value as it is."""
        if how.options.get("as_pydata") and hasattr(value, "tolist"):
            value = value.tolist()
        facts = super().dump(value, how).facts
        if not is_json(value):
            return Dumped(value, facts)
        return Dumped(Raw((json.dumps(value).encode(),)), facts)

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give the value."""
        [value] = parts
        return json.loads(bytes(value)) if isinstance(value, memoryview) else value


def is_json(value: Any, depth: int = 100) -> bool:
    """Tell whether a value comes back from JSON as it was: no tuples, no keys but texts, no heirs."""
    kind = type(value)
    if kind in (str, int, float, bool, type(None)):
        return True
    if not depth:
        return False
    if kind is list:
        return all(is_json(item, depth - 1) for item in value)
    return kind is dict and all(type(k) is str and is_json(v, depth - 1) for k, v in value.items())

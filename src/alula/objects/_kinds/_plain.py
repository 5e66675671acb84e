"""Kinds whose values are kept as they are: their pickle, sealed, is all there is to it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from ...errors import MissingExtraError
from ._kind import Dumped

__all__ = ["Plain", "class_of"]


def class_of(module: str, name: str) -> Callable[[object], bool]:
    """Make the test for heirs of a class whose module may not be installed.

    Where nobody imported the module there is no value of its classes, so nothing need be imported.
    """

    def test(value: object) -> bool:
        loaded = sys.modules.get(module)
        return loaded is not None and isinstance(value, getattr(loaded, name))

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

    def dump(self, value: Any) -> Dumped:
        """Take the value as it is; note its class."""
        cls = type(value)
        return Dumped(value, {"class": f"{cls.__module__}.{cls.__qualname__}"})

    def ready(self) -> None:
        """Import the package."""
        if self._package is None:
            return
        try:
            import_module(self._package)
        except ImportError as error:
            raise MissingExtraError(self._package, self._extra, f"reading {self.name}") from error

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: there is no telling what appending would mean."""
        raise TypeError(f"{self.name} cannot be appended to: put the whole value")

    def load(self, parts: Sequence[Any], columns: Sequence[str] | None) -> Any:
        """Give the value."""
        [value] = parts
        return value

"""Levels of log records, and what a call may ask to be captured."""

import logging
from dataclasses import dataclass
from typing import Any, Final

from ...errors import suggest

__all__ = ["LEVELS", "SYSTEM", "Capture", "capture_of", "level_number"]

LEVELS: Final = {
    "QUIET": 1000,
    "CRITICAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARNING": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
}
"""Numbers by name: each level lets pass what those before it do."""

SYSTEM: Final = "SYSTEM"
"""The level of what the log says of itself."""


def level_number(level: str | int) -> int:
    """Give the number of a level.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    found = LEVELS.get(level.upper()) if isinstance(level, str) else None
    if found is None:
        raise ValueError(f"there is no level {level!r}; {suggest(str(level), LEVELS)}")
    return found


@dataclass(frozen=True, slots=True)
class Capture:
    """What is to be captured of a task: Python's logging, and what it prints.

    Attributes
    ----------
    logger
        Of Python, with all below it; empty for the root.
    level
        A number, as Python's.
    """

    logger: str = ""
    level: int = logging.INFO


def capture_of(given: Any) -> Capture | None:
    """Read what is asked for: True, False, the name of a logger, or a name and a level.

    Raises
    ------
    ValueError
        If there is no such level.
    TypeError
        If it is nothing of the kind.
    """
    match given:
        case None | False:
            return None
        case True:
            return Capture()
        case str(name):
            return Capture(_named(name))
        case (str(name), str() | int() as level):
            return Capture(_named(name), level_number(level))
        case Capture():
            return given
        case _:
            raise TypeError(
                f"logging={given!r} says nothing: give True, False, a logger's name, or a name and a level"
            )


def _named(name: str) -> str:
    return "" if name == "root" else name

"""The terminal: where tables and progress go, in colour unless ``NO_COLOR`` is set."""

import os
from typing import Final

from rich.console import Console

__all__ = ["err", "out"]

_UNCUT: Final = 1000  # characters


def out() -> Console:
    """Give the console for results: standard output, whose lines are cut for people and not for programs."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _UNCUT
    return console


def err() -> Console:
    """Give the console for errors: standard error."""
    return Console(stderr=True)

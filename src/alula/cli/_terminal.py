"""The terminal: where tables and progress go, in colour unless ``NO_COLOR`` is set.

People get lines that are as wide as their terminal, and a sign of life while they wait. Programs, and files,
get whole lines, and nothing that moves.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["err", "out", "working"]

_UNCUT: Final = 1000  # characters


def out() -> Console:
    """Give the console for results: standard output."""
    return _uncut(Console())


def err() -> Console:
    """Give the console for errors and progress: standard error."""
    return _uncut(Console(stderr=True))


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """Show, while the block lasts and people look, that there is work and for how long; it leaves no trace.

    Yields
    ------
    Callable
        Says how far it is, in words.
    """
    console = err()
    if not console.is_terminal:
        yield lambda text: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda text: progress.update(task, description=f"{what}  {text}")


def _uncut(console: Console) -> Console:
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _UNCUT
    return console

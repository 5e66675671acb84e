"""The terminal: where tables and progress go, in colour unless ``NO_COLOR`` is set."""

from rich.console import Console

__all__ = ["err", "out"]


def out() -> Console:
    """Give the console for results: standard output."""
    return Console()


def err() -> Console:
    """Give the console for errors: standard error."""
    return Console(stderr=True)

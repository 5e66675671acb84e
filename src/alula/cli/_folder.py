"""The folder in which a command was given: its modules can be imported, as they can by a script there."""

import os
import sys

__all__ = ["import_from_here"]


def import_from_here() -> None:
    """Let functions and values be loaded whose modules lie in the current folder; processes inherit it."""
    folder = os.getcwd()
    if folder not in sys.path and "" not in sys.path:
        sys.path.insert(0, folder)

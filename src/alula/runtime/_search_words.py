"""What a search for parameters and its parts are called in the records."""

from typing import Final

__all__ = ["PART", "SEARCH"]

SEARCH: Final = "gridsearch"
"""The action of the task."""

PART: Final = "candidate "
"""With what the names of its parts begin."""

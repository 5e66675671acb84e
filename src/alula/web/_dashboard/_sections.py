"""What the dashboard consists of: its pages in the order of the navigation."""

from types import ModuleType
from typing import Final

from . import _now, _run, _workflows

__all__ = ["PAGES", "SECTIONS"]

SECTIONS: Final[tuple[ModuleType, ...]] = (_now, _workflows)
"""With an entry in the navigation each."""

PAGES: Final[tuple[ModuleType, ...]] = (_run,)
"""What these lead to."""

"""What the dashboard consists of: its pages in the order of the navigation."""

from typing import Final

from . import _now

__all__ = ["SECTIONS"]

SECTIONS: Final = (_now,)

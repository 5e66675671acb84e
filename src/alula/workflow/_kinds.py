"""The kinds of logical tasks there are, and who settles each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ._children import child_kinds
from ._events import event_kinds
from ._signals import signal_kinds
from ._site import Factory
from ._splits import SAME, WAIT, SamePlace, WaitPlace

__all__ = ["KINDS"]

KINDS: Final[Mapping[str, Factory]] = MappingProxyType(
    {SAME: SamePlace, WAIT: WaitPlace, **child_kinds(), **event_kinds(), **signal_kinds()}
)
"""By kind, what makes the place for the tasks of one run."""

"""What is done around the body of each task: each entry is entered in order, and left in reverse.

An entry costs nothing where it is not asked for: calls by name are measured in milliseconds.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, TypeAlias

from ._current import TaskContext
from ._experiments._calls import tracking
from ._lineage import recording
from ._logging._capture import capturing

__all__ = ["AROUND", "Around"]

Around: TypeAlias = Callable[[TaskContext], AbstractContextManager[None]]

AROUND: Final[tuple[Around, ...]] = (recording, capturing, tracking)
"""Lineage, logging, tracking, in this order. What one of them raises is the task's error."""

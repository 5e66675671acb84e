"""What the dashboard consists of: its pages in the order of the navigation."""

from types import ModuleType
from typing import Final

from . import (
    _comparing,
    _dataset,
    _experiment_run,
    _experiments,
    _model,
    _notebook,
    _now,
    _objects,
    _run,
    _schedules,
    _script,
    _servers,
    _workflows,
)

__all__ = ["PAGES", "SECTIONS"]

SECTIONS: Final[tuple[ModuleType, ...]] = (_now, _workflows, _experiments, _objects, _schedules, _servers)
"""With an entry in the navigation each."""

PAGES: Final[tuple[ModuleType, ...]] = (
    _run,
    _comparing,
    _experiment_run,
    _dataset,
    _model,
    _notebook,
    _script,
)
"""What these lead to."""

"""Orders to run scripts: on their own, and when another task has ended."""

from collections.abc import Mapping
from typing import Any, Final

from .._core._ids import new_id
from .._core._settings import Settings
from ..futures import Function, TaskOptions
from . import _bodies as bodies
from ._orders import Order

__all__ = ["SCRIPT", "callback_order", "script_order"]

SCRIPT: Final = Function(bodies.run_script, TaskOptions())
"""What runs in a worker."""


def script_order(name: str, settings: Settings, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Order:
    """Make the order to run a script."""
    return Order(
        settings=settings, task=new_id(), action="run", kind="script", name=name, args=args, kwargs=kwargs
    )


def callback_order(name: str, settings: Settings, task: str, kwargs: Mapping[str, Any]) -> Order:
    """Make the order to run a script that is told how another task has ended."""
    return Order(
        settings=settings,
        task=new_id(),
        action=bodies.CALLBACK,
        kind="script",
        name=name,
        kwargs=kwargs,
        results=(task,),
    )

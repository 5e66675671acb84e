"""Calling a script: which of the things that a worker has it is given is told by its own signature."""

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from .._core._settings import Settings
from ..objects import Metadata
from ._packages import Elsewhere, Source, import_script

__all__ = ["call_script", "entry_of", "function_of"]

_HANDLER: Final = ("method", "meta", "store", "tracking")  # who names one of these is called as omega-ml does


def entry_of(script: Any, name: str, settings: Settings, method: str = "run") -> Callable[..., Any]:
    """Give what is called when a script is run.

    Parameters
    ----------
    script
        As it was read: a package, whose module has a function ``run``; a function; or a class, of which one
        object is made, with a method ``run``.
    method
        Another name for ``run``.

    Raises
    ------
    AttributeError
        If it has no such function.
    """
    if isinstance(script, (Source, Elsewhere)):
        script = import_script(script, settings)
    return function_of(script, name, method, "script")


def function_of(script: Any, name: str, method: str, what: str = "model") -> Callable[..., Any]:
    """Give what is called of a module, function or class; as `entry_of`, for which nothing is installed."""
    if isinstance(script, type):
        script = script()
    if callable(script) and not isinstance(script, ModuleType) and not hasattr(script, method):
        return script  # type: ignore[no-any-return]  # that it can be called is all that is known of it
    entry: Callable[..., Any] | None = getattr(script, method, None)
    if entry is None:
        raise AttributeError(f"the {what} {name!r} has no function {method}(om, *args, **kwargs)")
    return entry


def call_script(
    entry: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    method: str,
    meta: Metadata,
    offered: Mapping[str, Any],
) -> Any:
    """Call a script with what it was called with, and with what it asks for by name.

    One whose first parameter is ``om`` gets that first, then the arguments. One that names ``method``,
    ``meta``, ``store`` or ``tracking`` gets those, ``data``, which is the first argument, and ``args``, all
    of them. Any other gets the arguments.

    Parameters
    ----------
    offered
        What it is given if it names it: ``om``, ``previous``, ``results``, ``state``.
    """
    try:
        known = inspect.signature(entry).parameters
    except (TypeError, ValueError):  # written in C, say
        return entry(*args, **kwargs)
    names = [name for name, each in known.items() if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    named = {name: value for name, value in offered.items() if name in names and name not in kwargs}
    if any(name in names for name in _HANDLER):
        data = args[0] if args else None
        given = {"data": data, "method": method, "meta": meta, "args": args, "store": None, "tracking": None}
        anything = any(each.kind is each.VAR_KEYWORD for each in known.values())
        taken = {name: value for name, value in {**given, **offered}.items() if anything or name in names}
        return entry(**{**taken, **kwargs})
    if names[:1] == ["om"]:
        return entry(named.pop("om"), *args, **{**named, **kwargs})
    return entry(*args, **{**named, **kwargs})

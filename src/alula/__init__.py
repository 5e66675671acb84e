"""Alula: one graph of tasks over values, some volatile and some durable.

``import alula as ray`` runs programs written for Ray's tasks, actors and workflows; ``import alula as om``
those written for omega-ml's runtime. Nothing is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors, exceptions, graph
    from .futures import (
        ObjectRef,
        available_resources,
        cancel,
        cluster_resources,
        get,
        get_actor,
        init,
        is_initialized,
        kill,
        method,
        nodes,
        put,
        remote,
        shutdown,
        wait,
    )

__version__ = "0.1.0"

__all__ = [
    "ObjectRef",
    "available_resources",
    "cancel",
    "cluster_resources",
    "errors",
    "exceptions",
    "get",
    "get_actor",
    "graph",
    "init",
    "is_initialized",
    "kill",
    "method",
    "nodes",
    "put",
    "remote",
    "shutdown",
    "wait",
]

_MODULES = {"errors", "exceptions", "futures", "graph", "objects", "runtime", "server", "testing", "workflow"}
_FACES = dict.fromkeys(set(__all__) - _MODULES, "futures")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _FACES:
        value = globals()[name] = getattr(import_module(f".{_FACES[name]}", __name__), name)
        return value
    raise AttributeError(f"alula has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

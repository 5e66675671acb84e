"""Alula: one graph of tasks over values, some volatile and some durable.

``import alula as ray`` runs programs written for Ray's tasks, actors and workflows; ``import alula as om``
those written for omega-ml's runtime. Nothing is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors, exceptions, graph, runtime, server, testing, workflow
    from .futures import (
        ObjectRef,
        ObjectRefGenerator,
        available_resources,
        cancel,
        cluster_resources,
        exit_actor,
        get,
        get_actor,
        get_runtime_context,
        init,
        is_initialized,
        kill,
        method,
        nodes,
        progress,
        put,
        remote,
        shutdown,
        timeline,
        wait,
    )
    from .runtime import bucket, datasets, jobs, logger, models, scripts, setup
    from .runtime import health as status

__version__: str

__all__ = [
    "ObjectRef",
    "ObjectRefGenerator",
    "available_resources",
    "bucket",
    "cancel",
    "cluster_resources",
    "datasets",
    "errors",
    "exceptions",
    "exit_actor",
    "get",
    "get_actor",
    "get_runtime_context",
    "graph",
    "init",
    "is_initialized",
    "jobs",
    "kill",
    "logger",
    "method",
    "models",
    "nodes",
    "progress",
    "put",
    "remote",
    "runtime",
    "scripts",
    "server",
    "setup",
    "shutdown",
    "status",
    "testing",
    "timeline",
    "wait",
    "workflow",
]

_MODULES = {
    "dag",
    "errors",
    "exceptions",
    "futures",
    "graph",
    "objects",
    "runtime",
    "server",
    "testing",
    "util",
    "workflow",
}
_RUNTIME = {"bucket", "datasets", "jobs", "logger", "models", "scripts", "setup", "status"}
_FUTURES = set(__all__) - _MODULES - _RUNTIME


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _RUNTIME:  # not kept, for the default instance may be another one the next time
        # What a runtime calls its status is that of its executors.
        return getattr(import_module(".runtime", __name__), "health" if name == "status" else name)
    if name in _FUTURES:
        value = globals()[name] = getattr(import_module(".futures", __name__), name)
        return value
    if name == "__version__":
        return import_module("._core._version", __name__).VERSION
    raise AttributeError(f"alula has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

"""The methods of runtimes as functions: those of the default instance, whichever that is at each call."""

import inspect
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from ._instance import default
from ._runtime import Runtime

__all__ = [
    "callback",
    "experiment",
    "failed",
    "forget",
    "job",
    "labels",
    "lineage",
    "mapreduce",
    "mode",
    "model",
    "parallel",
    "ping",
    "queues",
    "require",
    "rerun",
    "resubmit",
    "result",
    "script",
    "sequence",
    "stats",
    "status",
    "tasks",
    "workers",
]

P = ParamSpec("P")
T = TypeVar("T")


def _bound(method: Callable[Concatenate[Runtime, P], T]) -> Callable[P, T]:
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return method(default().runtime, *args, **kwargs)

    call.__name__ = call.__qualname__ = method.__name__
    call.__doc__, call.__module__ = method.__doc__, __name__
    shown = inspect.signature(method)
    parameters = list(shown.parameters.values())[1:]
    call.__signature__ = shown.replace(parameters=parameters)  # type: ignore[attr-defined]  # for `help`
    return call


callback = _bound(Runtime.callback)
experiment = _bound(Runtime.experiment)
job = _bound(Runtime.job)
failed = _bound(Runtime.failed)
forget = _bound(Runtime.forget)
labels = _bound(Runtime.labels)
lineage = _bound(Runtime.lineage)
mapreduce = _bound(Runtime.mapreduce)
mode = _bound(Runtime.mode)
model = _bound(Runtime.model)
parallel = _bound(Runtime.parallel)
ping = _bound(Runtime.ping)
queues = _bound(Runtime.queues)
require = _bound(Runtime.require)
rerun = _bound(Runtime.rerun)
resubmit = _bound(Runtime.resubmit)
result = _bound(Runtime.result)
script = _bound(Runtime.script)
sequence = _bound(Runtime.sequence)
stats = _bound(Runtime.stats)
status = _bound(Runtime.status)
tasks = _bound(Runtime.tasks)
workers = _bound(Runtime.workers)

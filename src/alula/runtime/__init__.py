"""The third face: tasks on named objects, in the words that omega-ml gave them.

``alula.runtime.model("m").fit("X", "y")`` is a workflow of one task: a worker looks the names up, trains
the model and stores it as a new version. What a `Runtime` can do, this module can: its functions are those
of the default instance, made at the first call.
"""

from typing import Any

from ..objects import Catalog, Datasets, Models
from ._ancestry import Lineage, Step, Version
from ._api import (
    callback,
    experiment,
    failed,
    forget,
    job,
    labels,
    lineage,
    mapreduce,
    mode,
    model,
    parallel,
    ping,
    queues,
    require,
    rerun,
    resubmit,
    result,
    script,
    sequence,
    stats,
    status,
    tasks,
    workers,
)
from ._current import TaskContext, current_task
from ._experiments import (
    Board,
    Event,
    Experiment,
    ExperimentInfo,
    Experiments,
    Run,
    RunKeys,
    RunRow,
    RunsPage,
    Series,
)
from ._groups import GroupResult
from ._health import Health
from ._history import TaskInfo
from ._instance import Instance, bucket, close_default, default, health, instance_of, setup
from ._logging import Logger, LogHandler, Record
from ._models import ModelProxy
from ._models import missing as _missing
from ._notebooks import JobProxy, MapResult, Notebooks
from ._progress import Progress
from ._results import AsyncResult, Status, Timings, as_completed
from ._runtime import Block, Runtime
from ._schedules import Schedule
from ._scripts import ScriptProxy

datasets: Datasets
experiments: Experiments
models: Models
scripts: Catalog
jobs: Notebooks
logger: Logger

__all__ = [
    "AsyncResult",
    "Block",
    "Board",
    "Event",
    "Experiment",
    "ExperimentInfo",
    "Experiments",
    "GroupResult",
    "Health",
    "Instance",
    "JobProxy",
    "Lineage",
    "LogHandler",
    "Logger",
    "MapResult",
    "ModelProxy",
    "Notebooks",
    "Progress",
    "Record",
    "Run",
    "RunKeys",
    "RunRow",
    "RunsPage",
    "Runtime",
    "Schedule",
    "ScriptProxy",
    "Series",
    "Status",
    "Step",
    "TaskContext",
    "TaskInfo",
    "Timings",
    "Version",
    "as_completed",
    "bucket",
    "callback",
    "close_default",
    "current_task",
    "datasets",
    "default",
    "experiment",
    "experiments",
    "failed",
    "forget",
    "health",
    "instance_of",
    "job",
    "jobs",
    "labels",
    "lineage",
    "logger",
    "mapreduce",
    "mode",
    "model",
    "models",
    "parallel",
    "ping",
    "queues",
    "require",
    "rerun",
    "resubmit",
    "result",
    "script",
    "scripts",
    "sequence",
    "setup",
    "stats",
    "status",
    "tasks",
    "workers",
]


_OBJECTS = ("datasets", "jobs", "logger", "models", "scripts")


def __getattr__(name: str) -> Any:
    if name in _OBJECTS:  # those of whichever instance is the default at the moment
        return getattr(default(), name)
    if name == "experiments":
        return default().runtime.experiments
    raise _missing("alula.runtime", name, Runtime)

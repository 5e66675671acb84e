"""Durable workflows: graphs whose results are recorded, each at most once, and which survive their process.

A task is a node of a graph; its result is recorded before anybody may depend on it. A task may return
another node, which then gives its value. A workflow whose process died is resumed by any other, and
what was recorded does not run again. The words are those of Ray Workflows.
"""

from typing import NoReturn

from ._api import (
    Workflow,
    cancel,
    create,
    delete,
    delete_schedule,
    draw,
    follow,
    fork,
    get_event,
    get_metadata,
    get_output,
    get_output_async,
    get_status,
    list_all,
    list_schedules,
    list_tasks,
    pause_schedule,
    prune,
    resume,
    resume_all,
    resume_async,
    resume_schedule,
    run,
    run_async,
    schedule,
    signal,
    timeline,
    trigger_schedule,
)
from ._children import end_node
from ._claims import Claims
from ._cron import Cron
from ._default import default_executor, init, reset_default_executor
from ._events import sleep, wait_for_event
from ._executor import Executor
from ._glance import Glance, Hidden, Stand, glance
from ._handle import Handle
from ._inplace import local
from ._messages import wait_for_signal
from ._news import attend, listen
from ._options import Options, options
from ._owner import owner_of
from ._pictures import Picture
from ._pulse import Pulse, Waiting, pulse
from ._queue import QUEUE
from ._queue_api import delete_queue, list_queues, queue, queue_loads
from ._queues import Queue, QueueLoad, Ticket
from ._reading import read_node, read_output
from ._records import Described
from ._schedules import Overlap, Schedule, Schedules, open_schedules
from ._search import Search
from ._tables import ensure_tables
from ._tasklist import TaskInfo
from ._transactions import transaction
from ._wait import wait
from ._worker import continuation, current_workflow, set_event
from .common import WorkflowStatus
from .event_listener import EventListener
from .exceptions import WorkflowCancellationError, WorkflowError, WorkflowExecutionError

CANCELED, FAILED, PENDING = WorkflowStatus.CANCELED, WorkflowStatus.FAILED, WorkflowStatus.PENDING
RESUMABLE, RUNNING, SUCCESSFUL = WorkflowStatus.RESUMABLE, WorkflowStatus.RUNNING, WorkflowStatus.SUCCESSFUL

__all__ = [
    "CANCELED",
    "FAILED",
    "PENDING",
    "QUEUE",
    "RESUMABLE",
    "RUNNING",
    "SUCCESSFUL",
    "Claims",
    "Cron",
    "Described",
    "EventListener",
    "Executor",
    "Glance",
    "Handle",
    "Hidden",
    "Options",
    "Overlap",
    "Picture",
    "Pulse",
    "Queue",
    "QueueLoad",
    "Schedule",
    "Schedules",
    "Search",
    "Stand",
    "TaskInfo",
    "Ticket",
    "Waiting",
    "Workflow",
    "WorkflowCancellationError",
    "WorkflowError",
    "WorkflowExecutionError",
    "WorkflowStatus",
    "attend",
    "cancel",
    "continuation",
    "create",
    "current_workflow",
    "default_executor",
    "delete",
    "delete_queue",
    "delete_schedule",
    "draw",
    "end_node",
    "ensure_tables",
    "follow",
    "fork",
    "get_event",
    "get_metadata",
    "get_output",
    "get_output_async",
    "get_status",
    "glance",
    "init",
    "list_all",
    "list_queues",
    "list_schedules",
    "list_tasks",
    "listen",
    "local",
    "open_schedules",
    "options",
    "owner_of",
    "pause_schedule",
    "prune",
    "pulse",
    "queue",
    "queue_loads",
    "read_node",
    "read_output",
    "reset_default_executor",
    "resume",
    "resume_all",
    "resume_async",
    "resume_schedule",
    "run",
    "run_async",
    "schedule",
    "set_event",
    "signal",
    "sleep",
    "timeline",
    "transaction",
    "trigger_schedule",
    "wait",
    "wait_for_event",
    "wait_for_signal",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"alula.workflow has no {name!r} in this version; it has {', '.join(__all__)}")

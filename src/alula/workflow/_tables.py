"""The tables of workflows and tasks.

A workflow is known by a number, which is never used again: whoever still works for a deleted workflow
cannot write into a new one of the same id. A task has at most one of a value and a pointer; a pointer
names the task whose value is this one's too, and that of the first link of a chain of continuations is
moved forward to the newest. Runs of a workflow before its last one are kept beside it.
"""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ..store import Store

__all__ = [
    "ATTEMPTS",
    "EVENTS",
    "MESSAGES",
    "METADATA",
    "QUEUES",
    "SCHEDULES",
    "STARTS",
    "TASKS",
    "VERSION",
    "WORKFLOWS",
    "ensure_tables",
]

VERSION: Final = 3
METADATA = MetaData()

# Ordered by bytes, so that all with one prefix stand beside each other in the index.
_BYTEWISE = String(255).with_variant(String(255, collation="C"), "postgresql")

WORKFLOWS = Table(
    "workflows",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("id", _BYTEWISE, nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("entry", String(20), nullable=False),  # key of the task whose value is the output
    Column("labels", String(1024), nullable=False),  # sorted, separated by commas
    Column("metadata", Text, nullable=False),  # JSON
    Column("shape", String(20), nullable=False),  # of the graph that was submitted
    Column("code", Text, nullable=False, default="{}"),  # JSON: fingerprints of its functions
    Column("python", String(8), nullable=False),  # functions are pickled for one minor version
    Column("prunable", Boolean, nullable=False, default=True),  # once it has ended
    Column("requeue", Boolean, nullable=False),  # goes back to the queue when its executor is gone
    Column("created", Double, nullable=False),
    Column("deadline", Double),  # when it fails, if it has not ended by then
    Column("started", Double),
    Column("ended", Double),
    Column("executor", String(255)),  # the owner, with its epoch
    Column("epoch", Integer),
    Column("attempt", Integer, nullable=False),  # grows whenever somebody becomes or ends to be the owner
    Column("deaths", Integer, nullable=False, default=0),  # of executors, since something was recorded
    Column("forked_from", String(255)),  # a workflow id, which may belong to another by now
    Column("failed", String(20)),  # key of the task that failed
    Column("error", LargeBinary),  # sealed
    Column("queue", String(255)),  # the named one that it was submitted to
    Column("queue_key", String(255)),
    Column("deduplication_id", String(255)),
    Column("priority", Integer),  # of those in a queue; lower ones run first
    Column("due", Double),  # until when it is kept back; None as soon as that is over
    Index("workflows_by_age", "created", "number"),  # a page of a list is read, and nothing else
    Index("workflows_by_status_and_age", "status", "created", "number"),
    Index("workflows_by_labels_and_age", "labels", "created", "number"),
    sqlite_autoincrement=True,
)


def _index_where(name: str, condition: ColumnElement[bool], *columns: str) -> None:
    """Make an index of those workflows only for which something holds: others do not pay for it."""
    there = [WORKFLOWS.c[column] for column in columns]
    Index(name, *there, sqlite_where=condition, postgresql_where=condition)


_c = WORKFLOWS.c
_index_where("workflows_by_status", _c.queue.is_(None), "status", "labels")
_index_where(
    "workflows_by_turn",
    _c.queue.is_not(None) & _c.due.is_(None),
    *("status", "queue", "labels", "priority", "number"),
)
_index_where("workflows_by_reservation", _c.queue.is_not(None), "status", "executor", "epoch")
_index_where("workflows_by_deduplication_id", _c.deduplication_id.is_not(None), "queue", "deduplication_id")
_index_where("workflows_by_due", _c.due.is_not(None), "due")
_index_where("workflows_by_queue_and_age", _c.queue.is_not(None), "queue", "created", "number")

TASKS = Table(
    "workflow_tasks",
    METADATA,
    Column("workflow", Integer, ForeignKey(WORKFLOWS.c.number, ondelete="CASCADE"), primary_key=True),
    Column("key", String(20), primary_key=True),
    Column("creator", String(20), nullable=False),
    Column("position", Integer, nullable=False),
    Column("root", String(20)),
    Column("kind", String(16), nullable=False),  # "call" runs on the engine, others are logical
    Column("name", String(255), nullable=False),
    Column("nth", Integer, nullable=False),  # of its name in this workflow, from 0
    Column("task_id", String(255), nullable=False),
    Column("inputs", Text, nullable=False),  # keys, separated by commas
    Column("head", LargeBinary, nullable=False),  # sealed: engine options, retries, metadata
    Column("checkpoint", Boolean, nullable=False),
    Column("inplace", Boolean, nullable=False),
    Column("call_digest", String(64), nullable=False),
    Column("call", LargeBinary),
    Column("started", Double),
    Column("ended", Double),
    Column("attempts", Integer),
    Column("error", LargeBinary),  # sealed: why it has no result, or had none in an earlier run
    Column("pointer", String(20)),
    Column("digest", String(64)),
    Column("value", LargeBinary),
    UniqueConstraint("workflow", "task_id"),
    Index("workflow_tasks_by_creator", "workflow", "creator", "position"),
)

ATTEMPTS = Table(
    "workflow_attempts",
    METADATA,
    Column("workflow", Integer, ForeignKey(WORKFLOWS.c.number, ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("status", String(16), nullable=False),  # when the next one began
    Column("executor", String(255)),  # None if it had let go of the workflow
    Column("started", Double, nullable=False),
    Column("ended", Double),
)

MESSAGES = Table(
    "workflow_messages",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("workflow", Integer, ForeignKey(WORKFLOWS.c.number, ondelete="CASCADE"), nullable=False),
    Column("key", String(255), nullable=False),
    Column("idempotency_key", String(255)),  # the same one is delivered once to a workflow
    Column("digest", String(64), nullable=False),
    Column("value", LargeBinary),
    Column("sent", Double, nullable=False),
    Column("taken_by", String(20)),  # key of the task whose value it is
    UniqueConstraint("workflow", "idempotency_key"),
    Index("workflow_messages_by_key", "workflow", "key", "number"),
    sqlite_autoincrement=True,
)

SCHEDULES = Table(
    "workflow_schedules",
    METADATA,
    Column("name", String(255), primary_key=True),
    Column("cron", Text, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("overlap", String(16), nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("labels", String(1024), nullable=False),
    Column("queue", String(255)),
    Column("queue_key", String(255)),
    Column("python", String(8), nullable=False),
    Column("digest", String(64), nullable=False),  # of its graph, sealed
    Column("value", LargeBinary),
    Column("next", Double, nullable=False),  # the first of its times that has not been attended to
    Column("last", String(255)),  # id of the workflow of the last one
)

QUEUES = Table(
    "workflow_queues",
    METADATA,
    Column("name", String(255), primary_key=True),
    Column("concurrency", Integer),
    Column("concurrency_per_key", Integer),
    Column("limit", Integer),
    Column("period", Double),
)

STARTS = Table(  # of the workflows of queues with a rate, as long as they count
    "workflow_starts",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("queue", String(255), nullable=False),
    Column("at", Double, nullable=False),
    Index("workflow_starts_by_time", "queue", "at"),
)

EVENTS = Table(
    "workflow_events",
    METADATA,
    Column("workflow", Integer, ForeignKey(WORKFLOWS.c.number, ondelete="CASCADE"), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("value", LargeBinary),
    Column("set_at", Double, nullable=False),
)


def ensure_tables(store: Store) -> None:
    """Make the tables of workflows in a store, where there are none."""
    store.ensure("workflow", VERSION, METADATA)

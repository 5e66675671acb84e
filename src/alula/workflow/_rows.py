"""Tasks as rows: written and read inside the transactions of others.

The options of a task are sealed, for they may name classes; its inputs and names are plain, so that an
outline of a graph can be read without opening anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, insert, select, update

from .._core._ids import Key
from ..futures import TaskOptions
from ..store import Prepared
from ._names import Names, task_id
from ._retry import Retry
from ._tables import TASKS
from ._tasks import Span, Task, engine_options
from ._vault import Stored, Vault

__all__ = [
    "TaskRow",
    "delete_task",
    "has_ended",
    "has_result",
    "heads_of",
    "inputs_of",
    "insert_tasks",
    "one_task",
    "options_of",
    "read_names",
    "read_values",
    "task_of",
    "write_attempt",
    "write_error",
    "write_first_pointer",
    "write_growth",
    "write_pointer",
    "write_value",
]

TaskRow: TypeAlias = Row[tuple[Any, ...]]

_RESULT: Final = {"ended", "attempts", "error", "pointer", "digest", "value"}

# Statements of the hot path are prepared once: to build one costs more than to execute it.
_INSERT: Final = Prepared(insert(TASKS), *[c.name for c in TASKS.c if c.name not in _RESULT])
_TASK: Final = update(TASKS).where(
    TASKS.c.workflow == bindparam("of_workflow"), TASKS.c.key == bindparam("of_key")
)
_FIRST_RESULT: Final = _TASK.where(TASKS.c.digest.is_(None), TASKS.c.pointer.is_(None))
_SPAN: Final = ("started", "ended", "attempts")
_VALUE: Final = Prepared(_FIRST_RESULT, "digest", "value", *_SPAN)
_FIRST_POINTER: Final = Prepared(_FIRST_RESULT, "pointer", *_SPAN)
_POINTER: Final = Prepared(_TASK, "pointer")
_ERROR: Final = Prepared(_FIRST_RESULT, "error", *_SPAN)
_ATTEMPT: Final = Prepared(_FIRST_RESULT, "error", "attempts")

_CHUNK: Final = 500  # keys in one query, well below what any database allows
_DECIDED: Final = {"max_retries", "metadata", "name", "num_returns", "retry_exceptions"}
_ENGINE: Final = tuple([f.name for f in fields(TaskOptions) if f.init and f.name not in _DECIDED])
_USUAL: Final = TaskOptions()
_NEVER: Final = Retry()  # of a task that will not run again


def one_task(number: int, key: Key) -> ColumnElement[bool]:
    """Select one task of one workflow."""
    return (TASKS.c.workflow == number) & (TASKS.c.key == key)


def heads_of(vault: Vault, tasks: Iterable[Task]) -> list[bytes]:
    """Seal the options of tasks, as they stand in their rows."""
    return [_head(vault, task) for task in tasks]


def _head(vault: Vault, task: Task) -> bytes:
    if task.metadata or task.facts or task.retry.asks:  # not every function can be a key
        return _sealed_head(vault, task)
    # The options of one function's tasks are one object, which is kept here so that its id stays its own.
    key = (vault, id(task.engine), task.retry)
    known = _heads.get(key)
    if known is None:
        if len(_heads) > _MOST_HEADS:
            _heads.clear()
        known = _heads[key] = task.engine, _sealed_head(vault, task)
    return known[1]


_MOST_HEADS: Final = 1000
_heads: dict[tuple[Vault, int, Retry], tuple[TaskOptions, bytes]] = {}


def _sealed_head(vault: Vault, task: Task) -> bytes:
    given = {name: getattr(task.engine, name) for name in _ENGINE}
    engine = {name: value for name, value in given.items() if value != getattr(_USUAL, name)}
    if "resources" in engine:
        engine["resources"] = dict(task.engine.resources)
    # Plain containers, which are sealed ten times as fast as objects.
    head = (engine, task.retry.plain(), dict(task.metadata), dict(task.facts))
    return vault.seal_small(head)


def options_of(vault: Vault, row: TaskRow) -> tuple[TaskOptions, Retry, dict[str, Any], dict[str, Any]]:
    """Give what the engine is to hold for a task, how often it is tried, its metadata, and its facts."""
    sealed = Stored("", row.head)
    engine, retry, metadata, facts = vault.unseal(sealed, f"the options of task {row.task_id!r}")
    options = engine_options(TaskOptions(**engine), row.name, checkpoint=row.checkpoint)
    return options, Retry(*retry), metadata, facts


def insert_tasks(
    connection: Connection,
    number: int,
    tasks: Sequence[Task],
    heads: Sequence[bytes],
    names: Names,
    started: float | None = None,
) -> None:
    """Write tasks that nobody has recorded yet, giving each its id; `started` if they begin at once."""
    rows = [
        {**_row(number, task, head, names), "started": started}
        for task, head in zip(tasks, heads, strict=True)
    ]
    _INSERT.many(connection, rows)


def _row(number: int, task: Task, head: bytes, names: Names) -> dict[str, Any]:
    assert task.call is not None
    nth = names.give(task.name)
    return {
        "workflow": number,
        "key": task.key,
        "creator": task.creator,
        "position": task.position,
        "root": task.root,
        "kind": task.kind,
        "name": task.name,
        "nth": nth,
        "task_id": task_id(task.name, nth),
        "inputs": ",".join(task.inputs),
        "head": head,
        "checkpoint": task.checkpoint,
        "inplace": task.inplace,
        "call_digest": task.call.digest,
        "call": task.call.data,
    }


def delete_task(connection: Connection, number: int, key: Key) -> None:
    """Remove a task, if there is one."""
    connection.execute(delete(TASKS).where(one_task(number, key)))


def write_value(connection: Connection, number: int, key: Key, value: Stored, span: Span) -> bool:
    """Write the value of a task, if it has no result yet; tell whether it had none."""
    facts = {"digest": value.digest, "value": value.data, **_times(span)}
    return _VALUE(connection, {"of_workflow": number, "of_key": key, **facts}).rowcount == 1


def write_first_pointer(connection: Connection, number: int, key: Key, pointer: Key, span: Span) -> bool:
    """Let a task have the value of another, if it has no result yet; tell whether it had none."""
    facts = {"pointer": pointer, **_times(span)}
    return _FIRST_POINTER(connection, {"of_workflow": number, "of_key": key, **facts}).rowcount == 1


def has_result(connection: Connection, number: int, key: Key, result: str) -> bool:
    """Tell whether a task has this very result: the digest of its value, or the key of another task."""
    c = TASKS.c
    same = (c.digest == result) | (c.pointer == result)
    return connection.scalar(select(c.key).where(one_task(number, key), same)) is not None


def write_pointer(connection: Connection, number: int, key: Key, pointer: Key) -> None:
    """Let a task have the value of another, whatever it had."""
    _POINTER(connection, {"of_workflow": number, "of_key": key, "pointer": pointer})


def write_growth(
    connection: Connection,
    number: int,
    key: Key,
    tasks: Sequence[Task],
    heads: Sequence[bytes],
    span: Span,
    names: Names,
) -> bool:
    """Write the tasks that a task has returned, and let it have their value, if it has no result yet."""
    last = tasks[-1]
    if not write_first_pointer(connection, number, key, last.key, span):
        return False
    insert_tasks(connection, number, tasks, heads, names)
    if last.root is not None and last.root != key:
        # The first link of a chain points to the newest, so that nobody ever walks the chain.
        write_pointer(connection, number, last.root, last.key)
    return True


def write_error(connection: Connection, number: int, key: Key, error: bytes, span: Span) -> None:
    """Note why a task has no result, unless it has one."""
    _ERROR(connection, {"of_workflow": number, "of_key": key, "error": error, **_times(span)})


def write_attempt(connection: Connection, number: int, key: Key, error: bytes, attempts: int) -> None:
    """Note why an attempt failed that is followed by another; the times of that one may be there already."""
    _ATTEMPT(connection, {"of_workflow": number, "of_key": key, "error": error, "attempts": attempts})


def _times(span: Span) -> dict[str, Any]:
    return {"started": span.started, "ended": span.ended, "attempts": span.attempts}


def has_ended(row: TaskRow) -> bool:
    """Tell whether a task has a value, or leads to one."""
    return row.pointer is not None or row.digest is not None


def inputs_of(row: TaskRow) -> tuple[Key, ...]:
    """Give the keys of what a task reads."""
    return tuple([Key(key) for key in row.inputs.split(",") if key])


def task_of(vault: Vault, row: TaskRow) -> Task:
    """Give the task of a row; one that has ended comes without what only running it needs."""
    facts: dict[str, Any] = {
        "key": row.key,
        "creator": row.creator,
        "position": row.position,
        "root": row.root,
        "kind": row.kind,
        "name": row.name,
        "inputs": inputs_of(row),
        "checkpoint": row.checkpoint,
        "inplace": row.inplace,
    }
    if has_ended(row):
        return Task(call=None, engine=_USUAL, retry=_NEVER, **facts)
    engine, retry, metadata, known = options_of(vault, row)
    call = Stored(row.call_digest, row.call)
    return Task(call=call, engine=engine, retry=retry, metadata=metadata, facts=known, **facts)


def read_values(connection: Connection, number: int, keys: Sequence[Key]) -> dict[Key, Stored]:
    """Read the recorded values of tasks; those without one are left out."""
    c = TASKS.c
    found: dict[Key, Stored] = {}
    for i in range(0, len(keys), _CHUNK):
        asked = select(c.key, c.digest, c.value).where(
            c.workflow == number, c.key.in_(keys[i : i + _CHUNK]), c.digest.is_not(None)
        )
        found.update({key: Stored(digest, value) for key, digest, value in connection.execute(asked)})
    return found


def read_names(connection: Connection, number: int) -> Names:
    """Read how often each name was given in a workflow."""
    c = TASKS.c
    asked = select(c.name, func.max(c.nth) + 1).where(c.workflow == number).group_by(c.name)
    return Names({row[0]: row[1] for row in connection.execute(asked)})

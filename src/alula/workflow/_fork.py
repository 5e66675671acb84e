"""Forks: a new workflow that takes from the records of another all that does not depend on one task.

That task runs again, and so does what reads it, and what reads that. A task that has returned others keeps
its record when one of those runs again, for it has only said what they are; but who reads it runs again.
What a task has returned that runs again itself is not taken over: it will be returned anew.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, literal, select, update

from .._core._ids import Key
from ..errors import WorkflowNotFoundError
from ._records import WorkflowRow
from ._status import WorkflowStatus
from ._tables import EVENTS, TASKS, WORKFLOWS

__all__ = ["Fork", "copy", "plan"]

_CHUNK: Final = 500  # keys in one statement, well below what any database allows
_TAKEN: Final = (
    *("entry", "labels", "metadata", "shape", "code", "python"),
    *("queue", "queue_key", "priority"),
)
_NO_RESULT: Final = dict.fromkeys(
    ("started", "ended", "attempts", "error", "pointer", "digest", "value"), None
)


@dataclass(frozen=True, slots=True)
class Fork:
    """What becomes of the tasks of a workflow in a fork of it; those that are not mentioned stay as they are.

    Attributes
    ----------
    again
        Those that run again.
    gone
        Those that are not taken over.
    pointers
        First links of chains, each with the newest link that is taken over.
    """

    again: set[Key] = field(default_factory=set)
    gone: set[Key] = field(default_factory=set)
    pointers: dict[Key, Key] = field(default_factory=dict)


def plan(connection: Connection, row: WorkflowRow, task_id: str) -> Fork:
    """Find out what a fork from a task has to do.

    Raises
    ------
    WorkflowNotFoundError
        If the workflow has no such task on record.
    """
    c = TASKS.c
    columns = (c.key, c.creator, c.root, c.inputs, c.pointer, c.task_id)
    found = connection.execute(select(*columns).where(c.workflow == row.number)).all()
    tasks = {task.key: task for task in found}
    first = next((task.key for task in found if task.task_id == task_id), None)
    if first is None:
        raise WorkflowNotFoundError(row.id, task_id)
    fork = _Spread(tasks).fork(first)
    fork.pointers.update(_pointers(tasks, fork))
    return fork


class _Spread:
    """Follows from one task which others it concerns."""

    def __init__(self, tasks: Mapping[Key, Any]) -> None:
        self._tasks = tasks
        self._readers: dict[str, list[Key]] = {}
        self._made: dict[str, list[Key]] = {}
        for key, task in tasks.items():
            self._made.setdefault(task.creator, []).append(key)
            for source in task.inputs.split(","):
                self._readers.setdefault(source, []).append(key)
        self._fork, self._changed = Fork(), set[Key]()
        self._todo: list[Key] = []  # those whose values will be others

    def fork(self, first: Key) -> Fork:
        self._run_again(first)
        while self._todo:
            key = self._todo.pop()
            if key in self._changed:
                continue
            self._changed.add(key)
            for reader in self._readers.get(key, ()):
                self._run_again(reader)
            if creator := self._tasks[key].creator:
                self._todo.append(creator)
        return self._fork

    def _run_again(self, key: Key) -> None:
        again, gone = self._fork.again, self._fork.gone
        if key in again or key in gone:
            return
        again.add(key)
        self._todo.append(key)
        returned = list(self._made.get(key, ()))
        while returned:
            inner = returned.pop()
            if inner not in gone:
                gone.add(inner)
                again.discard(inner)
                self._todo.append(inner)
                returned += self._made.get(inner, ())


def _pointers(tasks: Mapping[Key, Any], fork: Fork) -> dict[Key, Key]:
    """Give first links that pointed to what is gone, with the newest link that is there."""
    links = {key: task.root for key, task in tasks.items() if task.root and key not in fork.gone}
    followed = {tasks[key].creator for key in links}
    newest = {root: key for key, root in links.items() if key not in followed}
    return {root: key for root, key in newest.items() if tasks[root].pointer in fork.gone}


def copy(connection: Connection, row: WorkflowRow, fork: Fork, new_id: str, now: float) -> int:
    """Write the new workflow, owned by nobody; give its number.

    Parameters
    ----------
    connection
        Inside a write transaction, in which no workflow has the new id.
    now
        UNIX seconds.
    """
    taken = {name: getattr(row, name) for name in _TAKEN}
    facts = {"id": new_id, "status": WorkflowStatus.RUNNING, "created": now, "attempt": 0}
    facts |= {"prunable": True, "requeue": row.queue is not None}
    made = connection.execute(insert(WORKFLOWS), {**taken, **facts, "forked_from": row.id})
    assert made.inserted_primary_key is not None
    number = int(made.inserted_primary_key[0])
    for table in (TASKS, EVENTS):
        names = [column.name for column in table.c if column.name != "workflow"]
        kept = select(literal(number), *[table.c[name] for name in names])
        rows = kept.where(table.c.workflow == row.number)
        connection.execute(insert(table).from_select(["workflow", *names], rows))
    mine = TASKS.c.workflow == number
    for keys in _chunks(fork.gone):
        connection.execute(delete(TASKS).where(mine, TASKS.c.key.in_(keys)))
    for keys in _chunks(fork.again):
        connection.execute(update(TASKS).where(mine, TASKS.c.key.in_(keys)).values(_NO_RESULT))
    for first, newest in fork.pointers.items():
        connection.execute(update(TASKS).where(mine, TASKS.c.key == first).values(pointer=newest))
    return number


def _chunks(keys: Collection[Key]) -> list[Sequence[Key]]:
    ordered = sorted(keys)
    return [ordered[i : i + _CHUNK] for i in range(0, len(ordered), _CHUNK)]

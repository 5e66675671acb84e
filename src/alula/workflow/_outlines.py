"""Outlines: the graph to drive of some tasks, and what can be seen in it before anything runs.

One thing is which task a worker may go on with when it has run another, without anybody else's doing: the
only one that reads its value, if that reads nothing else, and the worker will do for it as it is. Which
these are is told to the worker with each task.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from .._core._ids import Key
from ..futures import TaskOptions
from ..graph import Graph, Node, Pending
from ._logical import CALL
from ._tasks import Task

__all__ = ["Followers", "first_of", "outline", "shape"]

Followers: TypeAlias = "tuple[Task, Followers] | None"
"""The next task, and those behind it."""

_MOST: Final = 64  # tasks that are told to a worker at once: as many small ones as fill its time
_BYTES: Final = 1 << 16  # of their calls, which travel with the task before them


def outline(tasks: Sequence[Task]) -> Graph:
    """Give the graph to drive: tasks that read each other, the last of them the output."""
    nodes: dict[Key, Node[Any]] = {}
    followers = _followers(tasks)
    for task in tasks:
        keys = () if task.call is None else task.inputs
        inputs = tuple([nodes[key] if key in nodes else Pending(key) for key in keys])
        options: dict[str, Any] = {"name": task.name, **task.facts}
        if task.kind != CALL:
            options["idle"] = True
        if task.key in followers:
            options["followers"] = followers[task.key]
        nodes[task.key] = Node(task, inputs, options=options)
    return Graph(nodes, (tasks[-1].key,))


def shape(tasks: Sequence[Task]) -> str:
    """Give a fingerprint of what a graph is made of: names and edges, not values."""
    text = repr([(task.kind, task.name, task.inputs) for task in tasks])
    return blake2b(text.encode(), digest_size=10).hexdigest()


def first_of(followers: Followers) -> list[Task]:
    """Give as many followers as are told to a worker at once."""
    tasks: list[Task] = []
    room = _BYTES
    while followers is not None and len(tasks) < _MOST:
        task, followers = followers
        assert task.call is not None
        room -= len(task.call.data or b"")
        if room < 0:
            break
        tasks.append(task)
    return tasks


def _followers(tasks: Sequence[Task]) -> dict[Key, Followers]:
    """Give those of the tasks of one graph, inputs first, that are followed by another."""
    known = {task.key: task for task in tasks}
    readers: dict[Key, int] = {}
    for task in known.values():
        for key in task.inputs:
            readers[key] = readers.get(key, 0) + 1
    found: dict[Key, Followers] = {}
    for task in reversed(known.values()):
        before = known.get(task.inputs[0]) if len(task.inputs) == 1 else None
        if before is not None and readers[before.key] == 1 and _follows(before, task):
            found[before.key] = task, found.get(task.key)
    return found


def _follows(before: Task, task: Task) -> bool:
    # A task that may be tried only once must not be in doubt when a worker has died: it is sent alone.
    return _fits(before) and _fits(task) and task.retry.most != 0 and _alike(before.engine, task.engine)


def _fits(task: Task) -> bool:
    """Tell whether a task is a call like most, recorded with its value, which may take its time."""
    return (
        task.kind == CALL
        and task.call is not None
        and task.recorded
        and task.checkpoint
        and not task.inplace
        and not task.facts
        and task.retry.timeout is None
        and not task.engine.calls
    )


def _alike(one: TaskOptions, other: TaskOptions) -> bool:
    """Tell whether the engine holds the same for two tasks."""
    if one is other:
        return True
    pair = (id(one), id(other))
    known = _compared.get(pair)
    if known is None:
        if len(_compared) > _MOST_COMPARED:
            _compared.clear()
        # Kept with the options themselves, so that their ids stay their own.
        known = _compared[pair] = one, other, replace(one, name=other.name) == other
    return known[2]


_MOST_COMPARED: Final = 1000
_compared: dict[tuple[int, int], tuple[TaskOptions, TaskOptions, bool]] = {}

"""Which rows a table of tasks has: one for each task, or for a run of many alike ones, with its place.

Pure: facts come in, rows go out.
"""

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ..workflow import TaskInfo, WorkflowStatus

__all__ = ["MANY", "Row", "rows_of"]

MANY: Final = 8
"""Tasks in a row that are alike, and of which no more are shown one by one."""

_NUMBER: Final = re.compile(r"_\d+$")


@dataclass(frozen=True, slots=True)
class Row:
    """One task, or a run of alike ones.

    Attributes
    ----------
    tasks
        In their order.
    depth
        How far to the right they stand: 0 for what was submitted.
    """

    tasks: tuple[TaskInfo, ...]
    depth: int

    @property
    def first(self) -> TaskInfo:
        """The first of them."""
        return self.tasks[0]

    @property
    def name(self) -> str:
        """The id of the task; of several the first and the last, and how many there are."""
        if len(self.tasks) == 1:
            return self.first.task_id
        last = self.tasks[-1].task_id.rpartition(".")[2]
        return f"{self.first.task_id} … {last} \N{MULTIPLICATION SIGN} {len(self.tasks):,}"

    @property
    def status(self) -> WorkflowStatus:
        """That of each of them."""
        return self.first.status

    @property
    def started(self) -> float | None:
        """When the first of them began, in UNIX seconds, as far as is known."""
        return min([task.started for task in self.tasks if task.started is not None], default=None)

    @property
    def ended(self) -> float | None:
        """When the last of them ended, as far as is known."""
        return max([task.ended for task in self.tasks if task.ended is not None], default=None)


def rows_of(tasks: Sequence[TaskInfo], *, every: bool = False) -> list[Row]:
    """Give the rows of tasks, in their order; `every` task by itself, if that is wanted."""
    depths = _depths(tasks)
    rows: list[Row] = []
    for _, alike in groupby(tasks, key=lambda task: _traits(task, depths[task.task_id])):
        run = tuple(alike)
        depth = depths[run[0].task_id]
        if every or len(run) <= MANY:
            rows += [Row((task,), depth) for task in run]
        else:
            rows.append(Row(run, depth))
    return rows


def _traits(task: TaskInfo, depth: int) -> Hashable:
    if task.error is not None or task.contained is not None:
        return task.task_id  # which is like no other
    return _NUMBER.sub("", task.task_id), depth, task.status, task.kind, task.checkpoint, task.attempts > 1


def _depths(tasks: Sequence[TaskInfo]) -> dict[str, int]:
    """Say how far to the right each task stands; the links of a chain stand below each other."""
    made = Counter(task.creator for task in tasks)
    creators = {task.task_id: task.creator for task in tasks}
    depths: dict[str | None, int] = {None: -1}
    for task in tasks:
        creator = task.creator
        is_link = creator is not None and made[creator] == 1 == made[creators[creator] or ""]
        depths[task.task_id] = depths[creator] + (0 if is_link else 1)
    return {task.task_id: depths[task.task_id] for task in tasks}

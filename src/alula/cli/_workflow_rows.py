"""Which rows a table of tasks has: one for each task, or for a run of many alike ones, with its place.

Pure: facts come in, rows go out.
"""

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from ..workflow import TaskInfo, WorkflowStatus

__all__ = ["MANY", "Row", "rows_of"]

MANY: Final = 8
"""Tasks in a row that are alike, and of which no more are shown one by one."""

_NUMBER: Final = re.compile(r"_\d+$")
_ROUNDS: Final = range(2, 5)  # tasks that come again and again, one after the other


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
    def kind(self) -> str:
        """What each of them waits for; empty for calls, and for tasks of several kinds."""
        kinds = {task.kind for task in self.tasks}
        return self.first.kind if len(kinds) == 1 and kinds != {"call"} else ""

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
    depths = [*_depths(tasks).values()]
    if every:
        return [Row((task,), depth) for task, depth in zip(tasks, depths, strict=True)]
    signs = [_traits(task) for task in tasks]
    placed = [*zip(depths, signs, strict=True)]
    rows: list[Row] = []
    start = 0
    while start < len(tasks):
        ends = [_repeated(placed, start, 1), *(_repeated(signs, start, period) for period in _ROUNDS)]
        end = max(ends) if max(ends) - start > MANY else start + 1
        rows.append(Row(tuple(tasks[start:end]), depths[start]))
        start = end
    return rows


def _repeated(signs: Sequence[Hashable], start: int, period: int) -> int:
    """Tell where a run of so many signs that come again and again ends."""
    end = start + period
    while end < len(signs) and signs[end] == signs[end - period]:
        end += 1
    return end if end >= start + 2 * period else start + 1


def _traits(task: TaskInfo) -> Hashable:
    if task.error is not None or task.contained is not None:
        return task.task_id  # which is like no other
    return _NUMBER.sub("", task.task_id), task.status, task.kind, task.checkpoint, task.attempts > 1


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

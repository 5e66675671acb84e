"""Families: tasks that were submitted together, which of them come before which, and their parent.

The parent is a workflow whose tasks are these. What stands here is written before it is submitted: so a task
that has not begun is known all the same, and its parent says whether it still will.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert, select

from ..store import Store

__all__ = ["Combination", "Families", "Family"]

Combination: TypeAlias = Literal["sequence", "parallel", "mapreduce", "callback"]
"""How tasks are combined; with a callback, the second follows however the first ends."""

_METADATA = MetaData()
_FAMILIES = Table(
    "runtime_families",
    _METADATA,
    Column("task", String(36), primary_key=True),
    Column("parent", String(36), nullable=False, index=True),
    Column("combination", String(16), nullable=False),
    Column("position", Integer, nullable=False),
)
_c: Final = _FAMILIES.c
_CHUNK: Final = 500  # tasks in one query, well below what any database allows


@dataclass(frozen=True, slots=True)
class Family:
    """Tasks that were submitted together.

    Attributes
    ----------
    parent
        The id of the workflow whose tasks they are.
    combination
        How they follow each other.
    tasks
        Their ids, in the order in which they were submitted.
    """

    parent: str
    combination: Combination
    tasks: tuple[str, ...]

    def before(self, task: str) -> str | None:
        """Give the task of a sequence that comes before another one."""
        at = self.tasks.index(task)
        return self.tasks[at - 1] if at and self.combination == "sequence" else None

    @property
    def group(self) -> tuple[str, ...]:
        """Those that may run at the same time: all, but for the last one of a mapreduce."""
        return self.tasks[:-1] if self.combination == "mapreduce" else self.tasks


class Families:
    """The families of one store; safe to use from any thread and process."""

    def __init__(self, store: Store) -> None:
        store.ensure("families", 1, _METADATA)
        self._store = store

    def add(self, family: Family) -> None:
        """Note a family, before its parent is submitted."""
        rows = [
            {"task": task, "parent": family.parent, "combination": family.combination, "position": i}
            for i, task in enumerate(family.tasks)
        ]
        with self._store.transaction() as connection:
            connection.execute(insert(_FAMILIES), rows)

    def forget(self, tasks: Sequence[str]) -> None:
        """Remove families whose parent or tasks are gone."""
        with self._store.transaction() as connection:
            for i in range(0, len(tasks), _CHUNK):
                some = tasks[i : i + _CHUNK]
                connection.execute(delete(_FAMILIES).where(_c.task.in_(some) | _c.parent.in_(some)))

    def of(self, task: str) -> Family | None:
        """Give the family of a task, or None if it was submitted alone."""
        asked = select(_c.parent).where(_c.task == task)
        with self._store.reading() as connection:
            parent = connection.scalar(asked)
        return None if parent is None else self.under(parent)

    def under(self, parent: str) -> Family | None:
        """Give the family of a parent, or None if it is none."""
        asked = select(_c.combination, _c.task).where(_c.parent == parent).order_by(_c.position)
        with self._store.reading() as connection:
            rows = [(row[0], row[1]) for row in connection.execute(asked)]
        if not rows:
            return None
        return Family(parent, cast("Combination", rows[0][0]), tuple([task for _, task in rows]))

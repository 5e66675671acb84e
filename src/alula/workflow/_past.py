"""What was recorded of a workflow before this run of it: read when it is needed, and not before.

A task that has ended costs its row without arguments, and those behind it cost nothing; a chain of
continuations costs its newest link, to which the first one points.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from sqlalchemy import select

from .._core._collector import collecting_later
from .._core._ids import Key
from ..errors import WorkflowNotResumableError, WorkflowTaskNotRecoverableError
from ..graph import Done, Graph, Grown
from ..store import Store
from ._needed import read_needed
from ._outlines import outline
from ._rows import TaskRow, has_ended, one_task, read_values, task_of
from ._tables import TASKS
from ._tasks import Task
from ._vault import Output, Recorded, Stored, Vault

__all__ = ["Past"]


class _Ended(NamedTuple):
    """What is kept of a task that has ended: there may be many, and for long."""

    pointer: Key | None
    small: Stored | None

    @classmethod
    def of(cls, row: TaskRow) -> "_Ended":
        return cls(row.pointer, None if row.small is None else Stored(row.digest, row.small))


class Past:
    """Reads the records of one workflow on behalf of its journal.

    What should be recorded and is not there raises `WorkflowTaskNotRecoverableError`, which names it; and
    `WorkflowNotResumableError` if that is the whole graph.
    """

    def __init__(self, store: Store, vault: Vault, number: int, workflow_id: str) -> None:
        self._store, self._vault = store, vault
        self._number, self._id = number, workflow_id
        self._ended: dict[Key, _Ended] = {}
        self._ahead: Sequence[TaskRow] = ()

    def read_ahead(self, rows: Sequence[TaskRow]) -> None:
        """Take the graph that was submitted from who has read it already, with those of others."""
        self._ahead = rows

    def graph(self, creator: str = "") -> Graph:
        """Give what is needed of the graph that a task made; of that which was submitted, by default."""
        rows, self._ahead = self._ahead, ()
        with collecting_later():  # there may be ten thousand of them, and all of it stays
            if creator or not rows:
                with self._store.reading() as connection:
                    rows = read_needed(connection, self._number, creator)
            if not rows:
                raise self._damaged(f"what task {creator} made") if creator else self._empty()
            return self._outlined(rows)

    def recall(self, key: Key) -> Done[Recorded] | Grown | None:
        """Say how a task has ended, if it has and its graph was read."""
        ended = self._ended.get(key)
        if ended is None:
            return None
        if ended.pointer is None:
            return Done(Recorded(key))
        return Grown(self.graph(self._creator(ended.pointer)))

    def kept(self, task: Task) -> Done[Recorded] | None:
        """Tell whether the value of the very same call is stored under the key of a task."""
        c = TASKS.c
        asked = select(c.key).where(
            one_task(self._number, task.key), c.call_digest == task.fingerprint, c.digest.is_not(None)
        )
        with self._store.reading() as connection:
            return None if connection.scalar(asked) is None else Done(Recorded(task.key))

    def find(self, key: Key) -> Graph:
        """Give the graph in which a task stands, as far as that task needs it."""
        creator = self._creator(key)
        with self._store.reading() as connection:
            return self._outlined(read_needed(connection, self._number, creator, key))

    def moved(self, key: Key, root: Key | None) -> Done[Stored] | Grown | None:
        """Give what has become of a task, if that is recorded by now, whoever recorded it.

        Parameters
        ----------
        root
            The first link of its chain, if that is another task: it points to the newest.
        """
        c = TASKS.c
        asked = select(c.key, c.pointer, c.digest, c.value).where(
            c.workflow == self._number, c.key.in_((key, root or key))
        )
        with self._store.reading() as connection:
            rows = {row.key: row for row in connection.execute(asked)}
        if key not in rows or (rows[key].pointer is None and rows[key].digest is None):
            return None
        if rows[key].digest is not None:
            return Done(Stored(rows[key].digest, rows[key].value))
        return Grown(self.graph(self._creator(rows[root or key].pointer)))

    def values(self, driven: Sequence[Output | Recorded]) -> tuple[Output, ...]:
        """Give values as a drive has them, those of earlier runs read in one go."""
        keys = [value.key for value in driven if isinstance(value, Recorded)]
        if not keys:
            return cast("tuple[Output, ...]", tuple(driven))
        found = self._small(keys)
        if left := [key for key in keys if key not in found]:
            with self._store.reading() as connection:
                found |= read_values(connection, self._number, left)
        if lost := [key for key in keys if key not in found]:
            raise self._damaged(f"the values of tasks {lost}")
        return tuple([found[v.key] if isinstance(v, Recorded) else v for v in driven])

    def task_id(self, key: Key | None) -> str | None:
        """Give the id of a task, if it is recorded."""
        if key is None:
            return None
        asked = select(TASKS.c.task_id).where(one_task(self._number, key))
        with self._store.reading() as connection:
            found: str | None = connection.scalar(asked)
        return found

    def _outlined(self, rows: Sequence[TaskRow]) -> Graph:
        self._ended.update({row.key: _Ended.of(row) for row in rows if has_ended(row)})
        return outline([task_of(self._vault, row) for row in rows])

    def _small(self, keys: Sequence[Key]) -> dict[Key, Stored]:
        """Give those values that came with their tasks."""
        ended = [(key, self._ended[key].small) for key in keys if key in self._ended]
        return {key: small for key, small in ended if small is not None}

    def _creator(self, key: Key) -> str:
        asked = select(TASKS.c.creator).where(one_task(self._number, key))
        with self._store.reading() as connection:
            creator: str | None = connection.scalar(asked)
        if creator is None:
            raise self._damaged(f"task {key}")
        return creator

    def _empty(self) -> WorkflowNotResumableError:
        return WorkflowNotResumableError(self._id, "its first graph should be recorded and is not there")

    def _damaged(self, what: str) -> WorkflowTaskNotRecoverableError:
        return WorkflowTaskNotRecoverableError(self._id, what)

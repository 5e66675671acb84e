"""Following a workflow: each change of a task, as the records come to tell of it."""

from collections.abc import Iterator
from math import inf
from typing import Any, cast

from ..graph import Done
from ..store import Store
from ._followed import follow_topic
from ._records import Records
from ._status import ACTIVE, WorkflowStatus
from ._tasklist import TaskInfo
from ._watch import Watch

__all__ = ["follow"]


def follow(store: Store, records: Records, watch: Watch, workflow_id: str) -> Iterator[TaskInfo]:
    """Give each task whose status is new or another one, until nobody is at work on the workflow."""
    seen: dict[str, WorkflowStatus] = {}

    def changes() -> Done[Any] | None:
        with store.reading() as connection:
            row = records.workflow(connection, workflow_id)
        status = records.status(row)
        if row.executor is not None and status in ACTIVE:
            store.ring(follow_topic(row.executor))
        # Last: what ended in between is in the list by now.
        changed = [task for task in records.tasks(workflow_id) if seen.get(task.task_id) != task.status]
        return Done((changed, status)) if changed or status not in ACTIVE else None

    while True:
        tasks, status = cast("tuple[list[TaskInfo], WorkflowStatus]", watch.ask(changes).result())
        seen.update({task.task_id: task.status for task in tasks})
        yield from sorted(tasks, key=lambda task: task.ended or inf)
        if status not in ACTIVE:
            return

"""News of workflows for those who only look on: that there is some, and of which workflow.

A ring of the store's doorbell says that something was submitted, has ended, or changed hands. Each record
between these rings only while somebody attends to the executor at work; see `_followed`.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from ..errors import WorkflowNotFoundError
from ..store import Store
from ._followed import follow_topic
from ._queue import QUEUE
from ._status import ACTIVE
from ._tables import TASKS, WORKFLOWS, ensure_tables
from ._watch import TOPIC

__all__ = ["attend", "listen"]

_W, _T = WORKFLOWS.c, TASKS.c
_WORKFLOW = (_W.number, _W.status, _W.attempt, _W.executor)
_TASKS = (func.count(), func.count(_T.started), func.count(_T.ended), func.sum(_T.attempts))


def listen(store: Store, then: Callable[[], None]) -> Callable[[], None]:
    """Call a function, in a thread of its own, whenever there may be news of the workflows of a store.

    What the news is, it has to look for; a death rings no bell.

    Returns
    -------
    Callable
        Ends this.
    """
    ends = [store.listen(topic, then) for topic in (TOPIC, QUEUE)]

    def stop() -> None:
        for end in ends:
            end()

    return stop


def attend(store: Store, workflow_id: str) -> tuple[Any, ...]:
    """Have each record of a workflow ring for the next few seconds, whoever runs it.

    Returns
    -------
    tuple
        What is equal for as long as nothing new is recorded of it.

    Raises
    ------
    WorkflowNotFoundError
        If there is none of that id.
    """
    ensure_tables(store)
    with store.reading() as connection:
        row = connection.execute(select(*_WORKFLOW).where(_W.id == workflow_id)).one_or_none()
        if row is None:
            raise WorkflowNotFoundError(workflow_id)
        counts = connection.execute(select(*_TASKS).where(_T.workflow == row.number)).one()
    if row.executor is not None and row.status in ACTIVE:
        store.ring(follow_topic(row.executor))
    return (*row, *counts)

"""The queue: workflows that nobody owns, and that wait for an executor with their labels."""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, select

from ._deaths import MOST_DEATHS, deaths_of, give_up
from ._journal import PYTHON
from ._owner import disown
from ._records import WorkflowRow
from ._status import WorkflowStatus
from ._tables import WORKFLOWS
from ._vault import Vault

__all__ = ["QUEUE", "reclaim", "waiting"]

QUEUE: Final = "workflow-queue"
"""The topic of the store's doorbell that is rung when there is something to claim."""


def waiting(connection: Connection, labels: Sequence[str], most: int) -> Sequence[WorkflowRow]:
    """Read the workflows that an executor with these labels may take, the longest waiting first."""
    c = WORKFLOWS.c
    pending = (c.status == WorkflowStatus.PENDING) & c.executor.is_(None)
    # Few different combinations of labels wait at a time, so this asks for those and not row by row.
    wanted = connection.execute(select(c.labels).where(pending).distinct()).scalars()
    fitting = [text for text in wanted if set(text.split(",")) <= set(labels)]
    asked = (
        select(WORKFLOWS)
        .where(pending, c.labels.in_(fitting), c.python == PYTHON)
        .order_by(c.number)
        .limit(most)
    )
    return connection.execute(asked).all()


def reclaim(connection: Connection, is_alive: Callable[[str, int], bool], vault: Vault, now: float) -> None:
    """Return to the queue what dead executors were at work on, if that is where it came from.

    One that has outlived `MOST_DEATHS` executors fails instead.
    """
    c = WORKFLOWS.c
    orphaned = (c.status == WorkflowStatus.RUNNING) & c.requeue
    owners = connection.execute(select(c.executor, c.epoch).where(orphaned).distinct()).all()
    for executor, epoch in owners:
        if executor is not None and is_alive(executor, epoch):
            continue
        mine = orphaned & (c.executor == executor if executor else c.executor.is_(None))
        for row in connection.execute(select(WORKFLOWS).where(mine)).all():
            deaths = deaths_of(connection, row)
            if deaths < MOST_DEATHS:
                disown(connection, row.number, status=WorkflowStatus.PENDING, deaths=deaths)
            else:
                give_up(connection, row, deaths, vault, now)

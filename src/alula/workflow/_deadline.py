"""Deadlines: a workflow that has not ended when its time is over fails, wherever it stands.

Who runs it sees to that. While it waits in the queue, it is whoever has submitted it, or claims it too late.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from ..errors import WorkflowTimeoutError
from ..futures import pack_error
from ._status import WorkflowStatus
from ._tables import WORKFLOWS
from ._vault import Vault

__all__ = ["Deadline", "expire"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the time of a workflow is over.

    Attributes
    ----------
    when
        UNIX time in seconds.
    seconds
        Since it was submitted.
    """

    when: float
    seconds: float

    @classmethod
    def of(cls, row: Any) -> "Deadline | None":
        """Give that of a workflow's row, if it has one."""
        return None if row.deadline is None else cls(row.deadline, row.deadline - row.created)

    def error(self, workflow_id: str) -> WorkflowTimeoutError:
        """Give what the workflow fails with."""
        return WorkflowTimeoutError(f"the end of workflow {workflow_id!r}", self.seconds)


def expire(connection: Connection, workflow_id: str, vault: Vault, now: float) -> None:
    """Let a workflow fail that waits in the queue, if its time is over."""
    c = WORKFLOWS.c
    unowned = c.executor.is_(None) | c.queue.is_not(None)  # there one may wait for one executor alone
    waits = (c.id == workflow_id) & (c.status == WorkflowStatus.PENDING) & unowned
    row = connection.execute(select(WORKFLOWS).where(waits, c.deadline <= now)).one_or_none()
    deadline = row and Deadline.of(row)
    if row is not None and deadline is not None:
        error = vault.seal_small(pack_error(deadline.error(row.id)))
        failed = {"status": WorkflowStatus.FAILED, "ended": now, "error": error, "attempt": row.attempt + 1}
        connection.execute(update(WORKFLOWS).where(c.number == row.number).values(failed))

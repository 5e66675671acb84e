"""Executors that die at work on a workflow: it may be the cause of their deaths, and be stopped.

Only deaths in a row count, under which nothing was recorded. What goes on, however slowly and on machines
however poor, is left to go on.
"""

from typing import Final

from sqlalchemy import Connection, select, update

from ..errors import WorkflowNotResumableError
from ..futures import pack_error
from ._records import WorkflowRow
from ._status import WorkflowStatus
from ._tables import TASKS, WORKFLOWS
from ._vault import Vault

__all__ = ["MOST_DEATHS", "deaths_of", "give_up"]

MOST_DEATHS: Final = 10
"""Executors that may die of one workflow before it is taken for the cause of their deaths."""


def deaths_of(connection: Connection, row: WorkflowRow) -> int:
    """Count the executors that have died in a row at work on a workflow, the owner in its row among them."""
    if row.executor is None or row.started is None:  # it was let go; or it waited for others
        return int(row.deaths)
    c = TASKS.c
    recorded = (c.digest.is_not(None) | c.pointer.is_not(None)) & (c.ended >= row.started)
    asked = select(c.key).where(c.workflow == row.number, recorded).limit(1)
    return 1 if connection.scalar(asked) is not None else int(row.deaths) + 1


def give_up(connection: Connection, row: WorkflowRow, deaths: int, vault: Vault, now: float) -> None:
    """Let a workflow fail, for the deaths of its executors; it may be resumed all the same."""
    error = WorkflowNotResumableError(row.id, f"{deaths} executors have died at work on it")
    sealed = vault.seal_small(pack_error(error))
    changes = {"status": WorkflowStatus.FAILED, "ended": now, "error": sealed}
    connection.execute(update(WORKFLOWS).where(WORKFLOWS.c.number == row.number).values(**changes))

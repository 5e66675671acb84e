"""Executors that die at work on a workflow: it may be the cause of their deaths, and be stopped.

Only deaths in a row count, under which nothing was recorded. What goes on, however slowly and on machines
however poor, is left to go on.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, exists, select, update

from ..errors import WorkflowNotResumableError
from ..futures import pack_error
from ._records import WorkflowRow
from ._status import WorkflowStatus
from ._tables import TASKS, WORKFLOWS
from ._vault import Vault

__all__ = ["MOST_DEATHS", "deaths_of", "give_up"]

MOST_DEATHS: Final = 10
"""Executors that may die of one workflow before it is taken for the cause of their deaths."""

_CHUNK: Final = 500  # numbers in one query, well below what any database allows
_t, _w = TASKS.c, WORKFLOWS.c
_RECORDED: Final = exists().where(
    _t.workflow == _w.number,
    _t.digest.is_not(None) | _t.pointer.is_not(None),
    _t.ended >= _w.started,
)
_MOVED: Final = select(_w.number).where(_w.number.in_(bindparam("numbers", expanding=True)), _RECORDED)


def deaths_of(connection: Connection, rows: Sequence[WorkflowRow]) -> dict[int, int]:
    """Count, by the number of each workflow, the executors that have died in a row at work on it.

    The owner in its row is among them, unless it was let go, or waited for others.
    """
    owned = [row.number for row in rows if row.executor is not None and row.started is not None]
    counted = {row.number: int(row.deaths) for row in rows}
    moved: set[int] = set()
    for i in range(0, len(owned), _CHUNK):
        moved.update(connection.scalars(_MOVED, {"numbers": owned[i : i + _CHUNK]}))
    return counted | {number: 1 if number in moved else counted[number] + 1 for number in owned}


def give_up(connection: Connection, row: WorkflowRow, deaths: int, vault: Vault, now: float) -> None:
    """Let a workflow fail, for the deaths of its executors; it may be resumed all the same."""
    error = WorkflowNotResumableError(row.id, f"{deaths} executors have died at work on it")
    sealed = vault.seal_small(pack_error(error))
    changes = {"status": WorkflowStatus.FAILED, "ended": now, "error": sealed}
    connection.execute(update(WORKFLOWS).where(WORKFLOWS.c.number == row.number).values(**changes))

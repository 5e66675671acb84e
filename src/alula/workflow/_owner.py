"""Who may write to a workflow.

One executor owns it at a time. Whoever takes it over, cancels it or lets it go changes the attempt in its
row, so that nothing which an earlier owner still has on the way can be written any more.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from ..errors import FencedError
from ..store import Lease, Prepared
from ._status import ACTIVE, WorkflowStatus
from ._tables import ATTEMPTS, WORKFLOWS

__all__ = ["Owner", "disown", "keep_attempt", "owner_of", "reserve", "shelve", "take"]

# Statements of the hot path are built once: to build one costs more than to execute it.
_MINE: Final = select(WORKFLOWS.c.number).where(
    WORKFLOWS.c.number == bindparam("number"),
    WORKFLOWS.c.executor == bindparam("executor"),
    WORKFLOWS.c.epoch == bindparam("epoch"),
    WORKFLOWS.c.attempt == bindparam("attempt"),
)
_HISTORY: Final = ("attempt", "status", "executor", "started", "ended")
# Where others may write at the same time, the row is locked: two processes that work for one owner, such as
# an executor and a worker with a chain in place, come one after the other.
_LOCKED: Final = _MINE.with_for_update(key_share=True)
_MINE_TO_END: Final = _LOCKED.where(WORKFLOWS.c.status.in_(ACTIVE))
_MINE_TO_WRITE: Final = Prepared(_LOCKED.where(WORKFLOWS.c.status == WorkflowStatus.RUNNING.value))
_MINE_STILL: Final = Prepared(
    _LOCKED.where(
        (WORKFLOWS.c.status == WorkflowStatus.RUNNING.value)
        | (WORKFLOWS.c.status == WorkflowStatus.SUCCESSFUL.value)
    )
)
_TAKEN: Final = ("status", "executor", "epoch", "attempt", "deaths", "started", "ended", "failed", "error")
_TAKE: Final = Prepared(update(WORKFLOWS).where(WORKFLOWS.c.number == bindparam("of_number")), *_TAKEN)
_KEEP: Final = Prepared(insert(ATTEMPTS), "workflow", *_HISTORY)
_WITH_OUTPUT: Final = (WorkflowStatus.RUNNING, WorkflowStatus.SUCCESSFUL)
_OWNER: Final = Prepared(select(WORKFLOWS.c.executor).where(WORKFLOWS.c.id == bindparam("id")))
_MINE_WITH_OUTPUT: Final = _LOCKED.where(WORKFLOWS.c.status.in_(_WITH_OUTPUT))


@dataclass(frozen=True, slots=True)
class Owner:
    """The fence of one run of one workflow.

    Attributes
    ----------
    number, workflow_id
        Of the workflow.
    executor, epoch
        Of the executor that owns it.
    attempt
        Of the workflow: how often it has changed hands.
    """

    number: int
    workflow_id: str
    executor: str
    epoch: int
    attempt: int

    def __call__(self, connection: Connection) -> None:
        """Raise `FencedError` unless this owner still owns the workflow, and it has not ended."""
        if _MINE_TO_WRITE(connection, self._facts()).fetchone() is None:
            raise self.refused()

    def afterwards(self, connection: Connection) -> None:
        """Raise `FencedError` unless this owner is the last one of a workflow that runs, or has succeeded.

        For what tasks write that may have been left to go on after the output.
        """
        if _MINE_STILL(connection, self._facts()).fetchone() is None:
            raise self.refused()

    def with_output(self, connection: Connection) -> None:
        """Raise `FencedError` unless this owner still owns the workflow, which runs or has succeeded."""
        if connection.scalar(_MINE_WITH_OUTPUT, self._facts()) is None:
            raise self.refused()

    def unfinished(self, connection: Connection) -> None:
        """Raise `FencedError` unless this owner still owns the workflow, which runs or waits to run."""
        if connection.scalar(_MINE_TO_END, self._facts()) is None:
            raise self.refused()

    def has_lost(self, connection: Connection) -> bool:
        """Tell whether the workflow belongs to nobody or another now."""
        return connection.scalar(_MINE, self._facts()) is None

    def refused(self) -> FencedError:
        """Give the error of a writer that has been superseded."""
        return FencedError(f"workflow {self.workflow_id!r}", self.epoch)

    def _facts(self) -> dict[str, object]:
        return {
            "number": self.number,
            "executor": self.executor,
            "epoch": self.epoch,
            "attempt": self.attempt,
        }


def take(
    connection: Connection,
    row: Row[tuple[object, ...]],
    lease: Lease,
    now: float,
    *,
    deaths: int,
    waits: bool = False,
) -> Owner:
    """Make an executor the owner of a workflow that nobody owns, and set it running, unless it `waits`."""
    owner = Owner(row.number, row.id, lease.name, lease.epoch, row.attempt + 1)
    keep_attempt(connection, row)
    changes = {
        "status": (WorkflowStatus.PENDING if waits else WorkflowStatus.RUNNING).value,
        "executor": owner.executor,
        "epoch": owner.epoch,
        "attempt": owner.attempt,
        "deaths": deaths,
        "started": None if waits else now,
        "ended": None,
        "failed": None,
        "error": None,
    }
    _TAKE(connection, {"of_number": row.number, **changes})
    return owner


def keep_attempt(connection: Connection, row: Row[tuple[object, ...]]) -> None:
    """Keep what is known of the last run of a workflow, if there was one, before another begins."""
    if row.started is not None:
        _KEEP(connection, {"workflow": row.number, **{name: getattr(row, name) for name in _HISTORY}})


def disown(connection: Connection, number: int, **changes: object) -> None:
    """Leave a workflow without an owner; whatever its owner has on the way is refused from here on."""
    connection.execute(
        update(WORKFLOWS)
        .where(WORKFLOWS.c.number == number)
        .values(executor=None, epoch=None, attempt=WORKFLOWS.c.attempt + 1, **changes)
    )


def shelve(connection: Connection, number: int, **changes: object) -> None:
    """Let a workflow wait, in its named queue, for the one who had it; as in `disown` otherwise."""
    connection.execute(
        update(WORKFLOWS)
        .where(WORKFLOWS.c.number == number)
        .values(attempt=WORKFLOWS.c.attempt + 1, **changes)
    )


def reserve(connection: Connection, number: int, lease: Lease) -> None:
    """Let a workflow that nobody owns wait, in its named queue, for one executor alone."""
    mine = {"executor": lease.name, "epoch": lease.epoch}
    connection.execute(update(WORKFLOWS).where(WORKFLOWS.c.number == number).values(**mine))


def owner_of(connection: Connection, workflow_id: str) -> str | None:
    """Give the name of the executor that owns a workflow, or did when it ended; None if there is none."""
    row = _OWNER(connection, {"id": workflow_id}).fetchone()
    return None if row is None else row[0]

"""Ending workflows, and removing what is recorded of them: what an executor does to any of its store."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, cast

from sqlalchemy import Connection, delete, exists, func, select, update

from ..errors import WorkflowStillActiveError
from ..graph import Graph
from ..store import Store
from ._children import end_node
from ._journal import Journal, Submission
from ._owner import disown
from ._queue import QUEUE
from ._records import Records
from ._refusals import checked_id
from ._retention import delete_ended, sweep
from ._rows import heads_of
from ._runs import Runs
from ._status import ACTIVE, WorkflowStatus
from ._tables import TASKS, WORKFLOWS
from ._tasks import tasks_of
from ._vault import Vault, artifacts_of
from ._watch import TOPIC, Watch

__all__ = ["Ending", "door"]


_AT_ONCE: Final = 200  # workflows in one transaction, so that nobody waits for the write lock too long
_ENDED: Final = (WorkflowStatus.SUCCESSFUL, WorkflowStatus.FAILED, WorkflowStatus.CANCELED)


class Ending:
    """The part of an executor that ends workflows, whoever runs them."""

    records: Records
    vault: Vault
    _store: Store
    _runs: Runs
    _watch: Watch

    def cancel(self, workflow_id: str) -> None:
        """Cancel a workflow, whoever runs it; see `alula.workflow.cancel`."""
        workflow_id = checked_id(workflow_id)
        run = self._runs.get(workflow_id)
        if run is not None:
            run.cancel()
            run.wait()
            return

        def work(connection: Connection) -> str | None:
            row = self.records.workflow(connection, workflow_id)
            status = self.records.status(row)
            if status in (WorkflowStatus.RUNNING, WorkflowStatus.PENDING, WorkflowStatus.RESUMABLE):
                disown(connection, row.number, status=WorkflowStatus.CANCELED)
            return cast("str | None", row.executor)

        owner = self._runs.write(work)
        if owner is not None:
            self._store.ring(door(owner))
            self._store.ring(QUEUE)  # in a named queue, a slot is free
        self._store.ring(TOPIC)

    def forestall(self, workflow_id: str, *, metadata: Mapping[str, Any]) -> None:
        """Let a workflow be CANCELED before it is submitted, so that it never will; cancel one that was.

        Parameters
        ----------
        metadata
            What will be said of it.
        """
        tasks = tasks_of(Graph.of(end_node((), ())), self.vault, args=(), kwargs={})
        given = Submission(
            id=checked_id(workflow_id),
            tasks=tasks,
            heads=heads_of(self.vault, tasks),
            labels=("default",),
            metadata=dict(metadata),
            requeue=True,
            prunable=False,
        )

        def work(connection: Connection) -> bool:
            if self.records.workflow_or_none(connection, workflow_id) is not None:
                return False
            Journal.enqueue(connection, self._store, given, None)
            row = self.records.workflow(connection, workflow_id)
            disown(connection, row.number, status=WorkflowStatus.CANCELED)
            return True

        if self._runs.write(work):
            self._store.ring(TOPIC)
            self._watch.poke()
        else:
            self.cancel(workflow_id)

    def forget(self, workflow_id: str) -> None:
        """Remove the values that are recorded of a workflow that has ended; how it ended stays known.

        Raises
        ------
        WorkflowNotFoundError
            If there is none of that id.
        WorkflowStillActiveError
            If it has not ended.
        """
        workflow_id = checked_id(workflow_id)

        def work(connection: Connection) -> None:
            row = self.records.workflow(connection, workflow_id)
            if self.records.status(row) in (*ACTIVE, WorkflowStatus.RESUMABLE):
                raise WorkflowStillActiveError(workflow_id)
            mine = TASKS.c.workflow == row.number
            connection.execute(update(TASKS).where(mine).values(digest=None, value=None))

        self._runs.write(work)

    def forget_ended(
        self, before: float, fits: Callable[[str, Mapping[str, Any]], bool], *, whole: bool
    ) -> list[str]:
        """Remove values of workflows that others keep results in, and that ended before a time.

        Parameters
        ----------
        fits
            Tells by the id and metadata of one whether it is meant.
        whole
            Whether to remove all that is recorded of them, rather than the values alone.

        Returns
        -------
        list of str
            Their ids.
        """
        gone: list[str] = []
        after = 0
        while True:
            found = self._runs.write(
                partial(_forget_some, before=before, after=after, fits=fits, whole=whole)
            )
            if found is None:
                break
            after, ids = found
            gone += ids
        sweep(self._store, artifacts_of(self.vault))
        return gone

    def delete(self, workflow_id: str) -> None:
        """Remove everything recorded of a workflow that has ended; see `alula.workflow.delete`."""
        workflow_id = checked_id(workflow_id)

        def work(connection: Connection) -> None:
            row = self.records.workflow(connection, workflow_id)
            if self.records.is_active(row):
                raise WorkflowStillActiveError(workflow_id)
            connection.execute(delete(WORKFLOWS).where(WORKFLOWS.c.number == row.number))

        self._runs.write(work)
        self._store.ring(QUEUE)  # if its executor was dead, it may have held a slot

    def prune(self, older_than: float, statuses: frozenset[WorkflowStatus]) -> int:
        """Remove what ended long ago, and large values of what is gone; see `alula.workflow.prune`."""
        before = self._store.clock.time() - older_than
        gone = 0
        while some := self._runs.write(lambda connection: delete_ended(connection, before, statuses)):
            gone += some
        sweep(self._store, artifacts_of(self.vault))
        return gone


def _forget_some(
    connection: Connection,
    *,
    before: float,
    after: int,
    fits: Callable[[str, Mapping[str, Any]], bool],
    whole: bool,
) -> tuple[int, list[str]] | None:
    """Forget some of those that come after a number; give the last that was looked at, and their ids."""
    c = WORKFLOWS.c
    ended = func.coalesce(c.ended, c.started, c.created)  # a cancelled one has no end
    old = c.status.in_(_ENDED) & c.prunable.is_(False) & (ended < before) & (c.number > after)
    kept = () if whole else (exists().where(TASKS.c.workflow == c.number, TASKS.c.digest.is_not(None)),)
    asked = select(c.number, c.id, c.metadata).where(old, *kept).order_by(c.number).limit(_AT_ONCE)
    rows = connection.execute(asked).all()
    if not rows:
        return None
    meant = {row.number: str(row.id) for row in rows if fits(row.id, json.loads(row.metadata))}
    if whole:
        connection.execute(delete(WORKFLOWS).where(c.number.in_(meant)))
    else:
        mine = TASKS.c.workflow.in_(meant)
        connection.execute(update(TASKS).where(mine).values(digest=None, value=None))
    return int(rows[-1].number), [*meant.values()]


def door(executor: str) -> str:
    """Name the topic that is rung for one executor, when somebody has taken a workflow from it."""
    return f"executor/{executor}"

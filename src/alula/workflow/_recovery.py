"""Recovery: an executor goes on with what others have left, whether they died or were closed.

That an executor has gone is found out by looking once a second who lives, for its death rings no bell.
Only then are workflows looked at.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from threading import Condition, Thread, current_thread
from typing import Final, cast

from sqlalchemy import Connection, select

from ..errors import WorkflowNotResumableError
from ..futures import Engine
from ..store import Executors, Lease, Store
from ._code import check_code
from ._deaths import MOST_DEATHS, deaths_of, give_up
from ._journal import PYTHON
from ._needed import read_first_graphs
from ._records import WorkflowRow
from ._run import Run
from ._runs import Runs
from ._status import ACTIVE, WorkflowStatus
from ._tables import WORKFLOWS
from ._vault import Vault
from ._watch import TOPIC

__all__ = ["Recovery"]

_LOOK: Final = 1.0  # seconds
_AT_ONCE: Final = 100  # workflows in one transaction, so that nobody waits for the write lock too long

_log = logging.getLogger("alula.workflow")


class Recovery:
    """Takes over, for one executor, the workflows that are to be resumed and that its labels fit."""

    def __init__(
        self,
        store: Store,
        executors: Executors,
        lease: Lease,
        vault: Vault,
        runs: Runs,
        engine: Callable[[], Engine],
    ) -> None:
        """Prepare; nothing happens before `start`.

        Parameters
        ----------
        runs, lease
            Of the executor that is to go on with them.
        engine
            Asked when there is something to go on with.
        """
        self._store, self._executors, self._lease, self._vault = store, executors, lease, vault
        self._runs, self._engine = runs, engine
        self._known: set[tuple[str, int, bool]] = set()
        self._closing = Condition()
        self._closed = False
        self._told = ""
        self._thread = Thread(target=self._run, name="alula-workflow-recovery", daemon=True)

    def start(self) -> None:
        """Take what is left now, and from here on what others will leave.

        Raises
        ------
        StoreUnavailableError
            If the store cannot be read or written.
        """
        self._look()
        self._thread.start()

    def close(self) -> None:
        """Take nothing more."""
        with self._closing:
            self._closed = True
            self._closing.notify()
        if self._thread.is_alive() and self._thread is not current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._waited():
            try:
                self._look()
                self._told = ""
            except Exception as error:  # whatever it is: it is tried again, and said once
                if str(error) != self._told:
                    _log.warning("cannot look for workflows that others have left: %s", error)
                self._told = str(error)

    def _waited(self) -> bool:
        with self._closing:
            return self._closing.wait_for(lambda: self._closed, _LOOK)

    def _look(self) -> None:
        """Take what is left, if anybody has come or gone since the last time, or this is the first."""
        known = {(info.name, info.epoch, info.alive) for info in self._executors.list()}
        if known != self._known:
            ids = self._left()
            for i in range(0, len(ids), _AT_ONCE):
                self._take(ids[i : i + _AT_ONCE])
        self._known = known  # not before: what fails is to be tried again

    def _left(self) -> list[str]:
        """Give the ids of workflows that nobody runs; those that only waited to run stand last."""
        c = WORKFLOWS.c
        asked = (
            select(c.id, c.status, c.executor, c.epoch, c.queue, c.labels, c.code)
            .where(c.status.in_(ACTIVE), c.requeue.is_(False), c.python == PYTHON)
            .order_by(c.started.is_(None), c.number)
        )
        with self._store.reading() as connection:
            rows = cast("Sequence[WorkflowRow]", connection.execute(asked).all())
        mine = set(self._lease.labels)
        status, lives = self._runs.records.status, cache(self._executors.is_alive)
        fitting = [row for row in rows if set(row.labels.split(",")) <= mine]
        resumable = [row for row in fitting if status(row, lives) is WorkflowStatus.RESUMABLE]
        return [str(row.id) for row in resumable if _has_its_code(row)]

    def _take(self, ids: Sequence[str]) -> None:
        engine = self._engine()

        records, lives = self._runs.records, cache(self._executors.is_alive)

        def work(connection: Connection) -> list[Run | None]:
            rows = records.workflows(connection, ids)
            left = [row for row in rows if records.status(row, lives) is WorkflowStatus.RESUMABLE]
            return self._recover(connection, left, engine)

        taken = [run.id for run in self._runs.enter(work) if run is not None]
        if taken:
            shown = ", ".join(taken[:3]) + (f" and {len(taken) - 3} more" if len(taken) > 3 else "")
            _log.info("going on with what others have left: %s", shown)
        self._store.ring(TOPIC)

    def _recover(
        self, connection: Connection, left: Sequence[WorkflowRow], engine: Engine
    ) -> list[Run | None]:
        deaths = deaths_of(connection, left)
        graphs = read_first_graphs(connection, [(row.number, row.entry) for row in left])
        runs: list[Run | None] = []
        for row in left:
            number = row.number
            if deaths[number] >= MOST_DEATHS:
                give_up(connection, row, deaths[number], self._vault, self._store.clock.time())
                continue
            waits = self._runs.must_wait(accepted=True, ahead=len(runs))
            ahead = graphs.get(number, ())
            taken = self._runs.take(connection, row, engine, deaths=deaths[number], waits=waits, ahead=ahead)
            runs.append(taken)
        return runs


def _has_its_code(row: WorkflowRow) -> bool:
    try:
        check_code(row.id, row.code)
    except WorkflowNotResumableError as error:
        _log.warning("%s", error)
        return False
    return True

"""The journal: the durable home of one run of a workflow.

Everything is written before anybody may depend on it: the calls of all tasks before the first of them
starts, a result before its readers start, the tasks of a continuation together with the pointer that
commits to them. A write is one piece of a group commit, and stands behind the fence of its owner.
"""

import json
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from .._core._gates import gate
from .._core._ids import Key
from ..errors import FencedError, StoreUnavailableError, WorkflowCancellationError, WorkflowError
from ..futures import pack_error
from ..graph import Done, Graph, Grown, Name, Outcome
from ..graph import Recorded as Then
from ..store import Fence, Lease, Prepared, Store
from ._ledger import Book
from ._names import Names
from ._outlines import outline, shape
from ._owner import Owner, disown, shelve
from ._past import Past
from ._patience import Later, Writing
from ._queues import Ticket, admit
from ._rows import (
    delete_task,
    has_result,
    heads_of,
    insert_tasks,
    read_names,
    write_attempt,
    write_error,
    write_growth,
    write_value,
)
from ._status import WorkflowStatus
from ._tables import WORKFLOWS
from ._tasks import Continued, Ended, Span, Task
from ._vault import Stored, Vault

__all__ = ["PYTHON", "Failure", "Journal", "Submission"]

PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
"""What stored functions are good for: bytecode changes with every minor version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A workflow that is to be: what its rows are made of.

    Attributes
    ----------
    id
        Its workflow id.
    tasks, heads
        Of its graph, the output last; and their sealed options.
    labels
        What its executor must be able to do, sorted.
    metadata
        The user's; fit for JSON.
    requeue
        Whether it goes back to the queue when its executor is gone, rather than wait to be resumed.
    prunable
        Whether `prune` may delete it when it has ended.
    timeout
        Seconds from now on after which it fails; None for no limit.
    code
        Fingerprints of its functions.
    ticket
        With which it is put into a named queue; None if it is not.
    """

    id: str
    tasks: tuple[Task, ...]
    heads: Sequence[bytes]
    labels: tuple[str, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    requeue: bool = False
    prunable: bool = True
    timeout: float | None = None
    code: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    ticket: Ticket | None = None

    @property
    def shape(self) -> str:
        """A fingerprint of the graph: names and edges, not values."""
        return shape(self.tasks)


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed, why, and when it was last tried, if that is known."""

    key: Key
    error: BaseException
    span: Span | None


class Journal:
    """Records what happens in one run of one workflow; the `Home` of its drive.

    Attributes
    ----------
    owner
        The fence behind which everything is written.
    past
        What earlier runs have recorded.
    news
        Called after each record.
    busy
        Tells whether so much is under way that a record may wait for others to share its commit.
    later
        Calls after so many seconds: by it a write is made again that the store was too troubled for.
    """

    def __init__(self, store: Store, vault: Vault, owner: Owner, entry: Key | None) -> None:
        self.owner = owner
        self.past = Past(store, vault, owner.number, owner.workflow_id)
        self.news: Callable[[], None] = lambda: None
        self.busy: Callable[[], bool] = lambda: False
        self.later: Later | None = None
        self._store, self._vault = store, vault
        self._final = entry  # key of the task whose value will be the output; None for a part of the whole
        self._kept: dict[Key, Task] = {}  # whose value is stored, though their call is not
        self._graph: Graph | None = None
        self._names: Names | None = None  # read from the records when the first new one is needed
        self._successful = False

    @classmethod
    def create(
        cls,
        connection: Connection,
        store: Store,
        vault: Vault,
        given: Submission,
        lease: Lease,
        *,
        waits: bool = False,
    ) -> "Journal":
        """Write a new workflow whole, owned and running.

        Parameters
        ----------
        connection
            Inside a write transaction, in which no workflow has that id.
        store, vault
            Where this run is recorded.
        given
            The workflow.
        lease
            Of the executor that will run it.
        waits
            Whether it is to `begin` later.
        """
        owned: dict[str, object] = {"executor": lease.name, "epoch": lease.epoch}
        if not waits:
            owned["started"] = store.clock.time()
        names, status = Names(), WorkflowStatus.PENDING if waits else WorkflowStatus.RUNNING
        number = _insert(connection, store, given, names, status, attempt=1, **owned)
        owner = Owner(number, given.id, lease.name, lease.epoch, 1)
        journal = cls(store, vault, owner, given.tasks[-1].key)
        journal._graph, journal._names = outline(given.tasks), names
        return journal

    @staticmethod
    def enqueue(
        connection: Connection, store: Store, given: Submission, reserved_for: Lease | None = None
    ) -> None:
        """Write a new workflow whole, that nobody runs; as in `create`.

        Parameters
        ----------
        reserved_for
            Who alone may run it while he lives, if it is put into a named queue.

        Raises
        ------
        QueueNotFoundError, QueueDeduplicatedError, ValueError
            If its ticket is not good for its queue.
        """
        lease, ticket = reserved_for, given.ticket
        facts = {} if lease is None else {"executor": lease.name, "epoch": lease.epoch}
        if ticket is not None:
            admit(connection, given.id, ticket.queue, ticket.key, ticket.deduplication_id)
            facts |= ticket.row(store.clock.time())
        _insert(connection, store, given, Names(), WorkflowStatus.PENDING, attempt=0, **facts)

    @cached_property
    def site(self) -> bytes:
        """What every order of this run says: where values are, and where a worker records what."""
        return pickle.dumps((self._vault, Book(self._store.url, self._vault.durability, self.owner)), 5)

    def graph(self) -> Graph:
        """Give the graph that was submitted; `WorkflowNotResumableError` if it is not there."""
        return self._graph or self.past.graph()

    # ------------------------------------------------------------------------------------ the home

    def recall(self, mark: Key | Name) -> Outcome | None:
        """Say what was recorded of a task before this run."""
        outcome = None if isinstance(mark, Name) else self.past.recall(mark)
        if outcome is None and mark in self._kept:
            return self.past.kept(self._kept[Key(mark)])
        if isinstance(outcome, Grown) and mark == self._final:
            self._final = outcome.graph.outputs[0]
        return outcome

    def record(self, key: Key, outcome: Done[Any] | Grown, then: Then) -> None:
        """Make a result durable, unless it is one that is not to be recorded."""
        match outcome:
            case Ended(Stored() as value, written=False) if key in self._kept:
                self._record(partial(self._write_kept, self._kept[key], value, outcome), then)
            case Ended(Stored() as value, written=False):
                self._record(partial(self._write_value, key, value, outcome), then)
            case Continued(graph, span, link, written):
                tasks: list[Task] = [node.fn for node in graph.nodes.values()]
                if key == self._final:
                    self._final = tasks[-1].key
                if tasks[-1].recorded and not written:
                    heads = heads_of(self._vault, tasks)
                    self._record(partial(self._write_growth, link or key, tasks, heads, span), then)
                else:
                    self.expect(tasks)
                    then(None)
            case _:
                then(None)

    def expect(self, tasks: Sequence[Task]) -> None:
        """Hear of tasks that are not recorded before they have ended, and may have been in an earlier run."""
        self._kept.update({task.key: task for task in tasks if task.fingerprint})

    def commit(self, values: tuple[Any, ...], then: Then) -> None:
        """Note that the workflow has succeeded; recording the last value may have said so already."""
        if self._successful or self._final is None:
            then(None)
        else:
            self._post(self._succeed, then, fence=self.owner.with_output)

    # -------------------------------------------------------------------------------- other changes

    def begin(self, then: Then) -> None:
        """Note that a workflow runs which had to wait for that."""
        facts = {"status": WorkflowStatus.RUNNING.value, "started": self._store.clock.time()}

        def work(connection: Connection) -> None:
            _BEGIN(connection, {"of_number": self.owner.number, **facts})

        self._post(work, then, fence=self.owner.unfinished)

    def note(self, failure: Failure, *, again: bool) -> None:
        """Note that an attempt of a task has failed, whatever becomes of that; nobody waits for it.

        Parameters
        ----------
        again
            Whether another attempt follows.
        """
        error = self._vault.seal_small(pack_error(failure.error))
        now = self._store.clock.time()
        span = failure.span or Span(now, now, 1)

        def work(connection: Connection) -> None:
            if again:
                write_attempt(connection, self.owner.number, failure.key, error, span.attempts)
            else:
                write_error(connection, self.owner.number, failure.key, error, span)

        with suppress(StoreUnavailableError):  # then nothing else can be written either, and that is told
            self._post(work, lambda _: self.news(), self._of_tasks)

    def fail(self, key: Key | None, error: BaseException, failures: Sequence[Failure], then: Then) -> None:
        """Note that a task has failed, and with it the workflow; and why each failed that did.

        Parameters
        ----------
        key, error
            Of the first one; no key if it was none of the tasks.
        failures
            All that have failed.
        """
        sealed = self._vault.seal_small(pack_error(error))
        rows = [(each, self._vault.seal_small(pack_error(each.error))) for each in failures]

        def work(connection: Connection) -> None:
            now = self._store.clock.time()
            for each, packed in rows:
                span = each.span or Span(now, now, 1)
                write_error(connection, self.owner.number, each.key, packed, span)
            self._end(WorkflowStatus.FAILED, connection, failed=key, error=sealed)

        self._post(work, then, fence=self.owner.unfinished)

    def cancel(self, then: Then) -> None:
        """Note that the workflow is cancelled; nothing more of this run will be recorded."""
        done = partial(disown, number=self.owner.number, status=WorkflowStatus.CANCELED)
        self._post(done, then, fence=self.owner.unfinished, patience=0)  # somebody waits for this

    def release(
        self, status: WorkflowStatus, then: Then, *, reserved: bool = False, patience: float = 0
    ) -> None:
        """Let go of the workflow unfinished: RUNNING is to be resumed, PENDING goes to the queue.

        Parameters
        ----------
        reserved
            Whether it waits there for this executor alone, while it lives, and then to be resumed.
        patience
            Seconds of pauses in which this is tried again if the store is in trouble.
        """
        left = partial(shelve if reserved else disown, number=self.owner.number, status=status)
        self._post(left, then, fence=self.owner.unfinished, patience=patience)

    def is_at_fault(self, error: StoreUnavailableError) -> bool:
        """Tell whether it is these records that an error is about."""
        return self._store.is_told_by(error)

    def lost(self) -> WorkflowError | FencedError | None:
        """Say how the workflow was lost to this run; None if it was not."""
        asked = select(WORKFLOWS.c.status).where(WORKFLOWS.c.number == self.owner.number)
        with self._store.reading() as connection:
            if not self.owner.has_lost(connection):
                return None
            if connection.scalar(asked) == WorkflowStatus.CANCELED:
                return WorkflowCancellationError(self.owner.workflow_id)
            return self.owner.refused()

    # --------------------------------------------------------------------------------------- inside

    def _post(
        self,
        work: Callable[[Connection], None],
        then: Then,
        fence: Fence | None = None,
        patience: float | None = None,
        **given: bool,
    ) -> None:
        def gated(connection: Connection) -> None:
            work(connection)
            gate("journal.commit")

        Writing(
            self._store,
            gated,
            then,
            fence=fence or self.owner,
            later=self.later,
            patience=patience,
            **given,
        ).post()

    def _of_tasks(self, connection: Connection) -> None:
        # What goes on after the output is recorded, too; whether a part of the whole does is not known.
        late = self._successful or self._final is None
        (self.owner.afterwards if late else self.owner)(connection)

    def _record(self, work: Callable[[Connection], None], then: Then) -> None:
        def gated(error: BaseException | None) -> None:
            if isinstance(error, IntegrityError) and self._names is not None:
                # A chain that runs in place elsewhere has given out a task id meanwhile.
                self._names = None
                self._post(work, gated, self._of_tasks)
                return
            if error is None:
                gate("journal.recorded")
            then(error)
            self.news()

        # It may end the workflow, which its tasks may outlive: their fence stands all the same.
        self._post(work, gated, self._of_tasks, lasting=True, patient=self.busy())

    def _write_value(self, key: Key, value: Stored, ended: Ended, connection: Connection) -> None:
        if write_value(connection, self.owner.number, key, value, ended.span):
            if ended.also is not None:
                ended.also(connection)
        elif not has_result(connection, self.owner.number, key, value.digest):
            raise self._second(key)
        if key == self._final:  # nothing else can be needed: one commit says both
            self._succeed(connection)

    def _write_kept(self, task: Task, value: Stored, ended: Ended, connection: Connection) -> None:
        """Write a task that is recorded only now that it has ended, in place of what another call gave."""
        delete_task(connection, self.owner.number, task.key)
        self._names = self._names or read_names(connection, self.owner.number)
        made = replace(task, call=Stored(task.fingerprint))
        insert_tasks(connection, self.owner.number, [made], heads_of(self._vault, [made]), self._names)
        self._write_value(task.key, value, ended, connection)

    def _write_growth(
        self, key: Key, tasks: Sequence[Task], heads: list[bytes], span: Span, connection: Connection
    ) -> None:
        number = self.owner.number
        self._names = self._names or read_names(connection, number)
        written = write_growth(connection, number, key, tasks, heads, span, self._names)
        if not (written or has_result(connection, number, key, tasks[-1].key)):
            raise self._second(key)

    def _second(self, key: Key) -> FencedError:
        """Give the error of another result for a task; the same one may have been committed unheard of."""
        return FencedError(f"task {key} of workflow {self.owner.workflow_id!r}", self.owner.epoch)

    def _succeed(self, connection: Connection) -> None:
        self._end(WorkflowStatus.SUCCESSFUL, connection)
        self._successful = True

    def _end(
        self,
        status: WorkflowStatus,
        connection: Connection,
        *,
        failed: Key | None = None,
        error: bytes | None = None,
    ) -> None:
        ended = {"status": status.value, "ended": self._store.clock.time(), "failed": failed, "error": error}
        _END(connection, {"of_number": self.owner.number, **ended})


# Statements of the hot path are built once: to build one costs more than to execute it.
_SET: Final = [column.name for column in WORKFLOWS.c if column.name != "number"]
_UNSET: Final = dict.fromkeys(_SET)
_WORKFLOW: Final = Prepared(insert(WORKFLOWS).returning(WORKFLOWS.c.number), *_SET)
_MINE: Final = update(WORKFLOWS).where(WORKFLOWS.c.number == bindparam("of_number"))
_BEGIN: Final = Prepared(_MINE, "status", "started")
_END: Final = Prepared(_MINE, "status", "ended", "failed", "error")


def _insert(
    connection: Connection,
    store: Store,
    given: Submission,
    names: Names,
    status: WorkflowStatus,
    **owned: object,
) -> int:
    now = store.clock.time()
    row = {
        "id": given.id,
        "status": status.value,
        "entry": given.tasks[-1].key,
        "labels": ",".join(given.labels),
        "metadata": json.dumps(given.metadata),
        "shape": given.shape,
        "code": json.dumps(given.code),
        "python": PYTHON,
        "prunable": given.prunable,
        "requeue": given.requeue,
        "created": now,
        "deadline": None if given.timeout is None else now + given.timeout,
        "deaths": 0,
    }
    made = _WORKFLOW(connection, {**_UNSET, **row, **owned}).fetchone()
    assert made is not None
    number = int(made[0])
    insert_tasks(connection, number, given.tasks, given.heads, names)
    gate("journal.commit")
    return number

"""Named queues: what was declared of each, and who is let in.

The limits of a queue stand in the store, so that all executors obey the same ones. Who may run next is
decided in `_turns`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import Connection, delete, func, insert, select, update

from ..errors import QueueDeduplicatedError, QueueNotFoundError, WorkflowError
from ..store import Store
from ._status import ACTIVE, WorkflowStatus
from ._tables import QUEUES, STARTS, WORKFLOWS
from ._texts import checked_text

__all__ = ["Queue", "QueueLoad", "Queues", "Ticket", "admit", "queue_of"]

R = TypeVar("R")

Write: TypeAlias = Callable[[Callable[[Connection], R]], R]

_LOWEST: Final = 2**31 - 1  # whole numbers that any database keeps


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it was declared; see `alula.workflow.queue`.

    Attributes
    ----------
    name
        Its own.
    concurrency
        How many of its workflows run at once, on all executors together; None for no limit.
    concurrency_per_key
        How many of those with the same key; None if there are no keys.
    limit, period
        How many may start within so many seconds; None for no limit.
    """

    name: str
    concurrency: int | None = None
    concurrency_per_key: int | None = None
    limit: int | None = None
    period: float | None = None

    def __post_init__(self) -> None:
        checked_text("the name of a queue", self.name)
        for name in ("concurrency", "concurrency_per_key", "limit"):
            _check_count(name, getattr(self, name))
        if (self.limit is None) != (self.period is None):
            raise ValueError(f"limit and period are given together, not {self.limit!r} and {self.period!r}")
        if self.period is not None:
            _check_seconds("period", self.period)
            if not self.period:
                raise ValueError("period is more than 0 seconds")

    def __str__(self) -> str:
        said = {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        limits = [f"{name}={value:g}" for name, value in said.items() if value is not None]
        return ", ".join(limits) or "no limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a workflow is submitted to a queue with.

    Attributes
    ----------
    queue
        The name.
    key
        Of the group whose concurrency is limited, too.
    deduplication_id
        No other workflow that waits or runs in the queue has it.
    delay
        Seconds from the submission on for which it is kept back.
    priority
        Lower ones run first.
    """

    queue: str
    key: str | None = None
    deduplication_id: str | None = None
    delay: float = 0.0
    priority: int = 0

    def __post_init__(self) -> None:
        checked_text("the name of a queue", self.queue)
        for name in ("key", "deduplication_id"):
            if getattr(self, name) is not None:
                checked_text(name, getattr(self, name))
        _check_seconds("delay", self.delay)
        if isinstance(self.priority, bool) or not isinstance(self.priority, int):
            raise TypeError(f"priority is a whole number, not {self.priority!r}")
        if abs(self.priority) > _LOWEST:
            raise ValueError(f"priority is at most {_LOWEST}, and at least the negative of it")

    @classmethod
    def of(cls, queue: object, **given: Any) -> "Ticket | None":
        """Give a ticket, or None if no queue is named; `ValueError` if something is given that needs one."""
        said = {name: value for name, value in given.items() if value is not None}
        if queue is None:
            if said:
                raise ValueError(f"{', '.join(said)} can be given with a queue only: name one with queue=")
            return None
        return cls(queue=queue.name if isinstance(queue, Queue) else queue, **said)  # type: ignore[arg-type]  # looked at there

    def row(self, now: float) -> dict[str, object]:
        """Give the columns of a workflow that is submitted with this."""
        return {
            "queue": self.queue,
            "queue_key": self.key,
            "deduplication_id": self.deduplication_id,
            "priority": self.priority,
            "due": now + self.delay if self.delay else None,
        }


@dataclass(frozen=True, slots=True)
class QueueLoad:
    """What there is in a queue at one moment.

    Attributes
    ----------
    queue
        With its limits.
    waiting, running
        Workflows that wait for their turn, and that have begun and not ended.
    oldest
        Seconds since the first of those that wait was submitted; None if none does.
    """

    queue: Queue
    waiting: int
    running: int
    oldest: float | None


_WAITS, _RUNS = WorkflowStatus.PENDING.value, WorkflowStatus.RUNNING.value


class Queues:
    """The queues of one store.

    Parameters
    ----------
    store
        Theirs.
    write
        Does some work in a transaction that decides something, and gives its result.
    changed
        Called when limits have changed.
    """

    def __init__(self, store: Store, write: Write[Any], changed: Callable[[], None]) -> None:
        self._store, self._write, self._changed = store, write, changed

    def put(self, queue: Queue, *, replace: bool = False) -> None:
        """Declare a queue, or change it; see `alula.workflow.queue`."""
        said = {each.name: getattr(queue, each.name) for each in fields(queue)}

        def work(connection: Connection) -> None:
            known = _find(connection, queue.name)
            if known is None:
                connection.execute(insert(QUEUES).values(**said))
            elif known != queue and not replace:
                raise ValueError(
                    f"the queue {queue.name!r} has {known} already, and not {queue}: "
                    "say the same everywhere, or replace=True to change it for all"
                )
            elif known != queue:
                connection.execute(update(QUEUES).where(QUEUES.c.name == queue.name).values(**said))

        self._write(work)
        self._changed()

    def listed(self) -> list[Queue]:
        """Give all queues, by name."""
        with self._store.reading() as connection:
            return [queue_of(row) for row in connection.execute(select(QUEUES).order_by(QUEUES.c.name))]

    def loads(self) -> list[QueueLoad]:
        """Give what there is in each queue, by name."""
        c = WORKFLOWS.c
        asked = select(c.queue, c.status, func.count(), func.min(c.created))
        asked = asked.where(c.queue.is_not(None), c.status.in_(ACTIVE)).group_by(c.queue, c.status)
        with self._store.reading() as connection:
            queues = connection.execute(select(QUEUES).order_by(QUEUES.c.name)).all()
            found = {(name, status): rest for name, status, *rest in connection.execute(asked)}
        now = self._store.clock.time()
        loads = []
        for queue in map(queue_of, queues):
            waiting, first = found.get((queue.name, _WAITS), (0, now))
            running, _ = found.get((queue.name, _RUNS), (0, now))
            loads.append(QueueLoad(queue, waiting, running, max(0.0, now - first) if waiting else None))
        return loads

    def delete(self, name: str) -> None:
        """Forget a queue; see `alula.workflow.delete_queue`."""

        def work(connection: Connection) -> None:
            _get(connection, name)
            mine = (WORKFLOWS.c.queue == name) & WORKFLOWS.c.status.in_(ACTIVE)
            if left := connection.scalar(select(func.count()).select_from(WORKFLOWS).where(mine)):
                raise WorkflowError(
                    f"the queue {name!r} holds {left} workflows: wait for them, or cancel them first"
                )
            connection.execute(delete(STARTS).where(STARTS.c.queue == name))
            connection.execute(delete(QUEUES).where(QUEUES.c.name == name))

        self._write(work)


def admit(
    connection: Connection, workflow_id: str, queue: str, key: str | None, deduplication_id: str | None
) -> None:
    """Look whether a workflow may be put into a queue.

    Raises
    ------
    QueueNotFoundError
        If nobody has declared it.
    ValueError
        If there is a key, and the queue limits none; or none, and it does.
    QueueDeduplicatedError
        If another one there has the same deduplication id.
    """
    known = _get(connection, queue)
    if key is None and known.concurrency_per_key is not None:
        raise ValueError(f"the queue {queue!r} limits each key: say whose workflow this is with key=")
    if key is not None and known.concurrency_per_key is None:
        raise ValueError(f"the queue {queue!r} has no keys: declare it with concurrency_per_key=")
    if deduplication_id is None:
        return
    c = WORKFLOWS.c
    same = (c.queue == queue) & (c.deduplication_id == deduplication_id) & c.deduplication_id.is_not(None)
    asked = select(c.id).where(same, c.status.in_(ACTIVE), c.id != workflow_id)
    if (first := connection.scalar(asked)) is not None:
        raise QueueDeduplicatedError(queue, deduplication_id, first)


def queue_of(row: Any) -> Queue:
    """Give the queue of a row."""
    return Queue(**{each.name: getattr(row, each.name) for each in fields(Queue)})


def _find(connection: Connection, name: str) -> Queue | None:
    row = connection.execute(select(QUEUES).where(QUEUES.c.name == name)).one_or_none()
    return None if row is None else queue_of(row)


def _get(connection: Connection, name: str) -> Queue:
    queue = _find(connection, name)
    if queue is None:
        raise QueueNotFoundError(name, connection.execute(select(QUEUES.c.name)).scalars())
    return queue


def _check_count(what: str, given: object) -> None:
    if given is None:
        return
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"{what} is a whole number or None, not {given!r}")
    if not 1 <= given <= _LOWEST:
        raise ValueError(f"{what} is 1 or more, or None for no limit, not {given}")


def _check_seconds(what: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"{what} is a number of seconds, not {given!r}")
    if not (given >= 0 and isfinite(given)):
        raise ValueError(f"{what} is 0 or more seconds, not {given!r}")

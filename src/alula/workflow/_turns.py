"""Whose turn it is in named queues.

This is asked inside the transaction that then begins those workflows, so the limits of a queue hold exactly,
over all executors. What runs is counted in the records: a workflow keeps its slot when its executor dies, and
until it has ended or is back in the queue.
"""

import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter, itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, or_, select, update

from ..store import Lease
from ._journal import PYTHON
from ._queues import Queue, queue_of
from ._status import WorkflowStatus
from ._tables import QUEUES, STARTS, WORKFLOWS

__all__ = ["begin_turns", "let_due_in", "next_look", "places", "turns"]

_MOST_EXCLUDED: Final = 500  # keys in one statement, well below what any database allows

_c = WORKFLOWS.c
_QUEUED: Final = _c.queue.is_not(None) & _c.due.is_(None)
_WAITING: Final = _QUEUED & (_c.status == WorkflowStatus.PENDING.value)
_PLACE: Final = select(_c.queue, _c.labels).where(_WAITING).limit(1)
# In two steps: SQLite would look through all of a queue for what comes after a pair.
_NEXT_LABELS: Final = _PLACE.where(
    _c.queue == bindparam("of_queue"), _c.labels > bindparam("of_labels")
).order_by(_c.labels)
_NEXT_QUEUE: Final = _PLACE.where(_c.queue > bindparam("of_queue")).order_by(_c.queue, _c.labels)
_RUNNING: Final = (
    select(_c.queue_key, func.count())
    .where(_QUEUED, _c.status == WorkflowStatus.RUNNING.value, _c.queue == bindparam("of_queue"))
    .group_by(_c.queue_key)
)
_QUEUE: Final = select(QUEUES).where(QUEUES.c.name == bindparam("of_queue"))
_MINE: Final = (_c.executor == bindparam("of_executor")) & (_c.epoch == bindparam("of_epoch"))
_FIRST_DUE: Final = select(func.min(_c.due)).where(_c.due.is_not(None))


def places(connection: Connection) -> Iterator[tuple[str, str]]:
    """Give the queues in which somebody waits, each with the labels asked for, by few steps in an index."""
    row = connection.execute(_NEXT_QUEUE, {"of_queue": ""}).one_or_none()
    while row is not None:
        yield row.queue, row.labels
        given = {"of_queue": row.queue, "of_labels": row.labels}
        row = connection.execute(_NEXT_LABELS, given).one_or_none()
        row = row or connection.execute(_NEXT_QUEUE, {"of_queue": given["of_queue"]}).one_or_none()


def turns(
    connection: Connection,
    lease: Lease,
    taken_up: Sequence[tuple[str, str]],
    most: int,
    now: float,
    *,
    own: bool,
) -> list[list[Any]]:
    """Give, of each queue, the rows of workflows that an executor may begin, in their order.

    Parameters
    ----------
    taken_up
        The `places`.
    most
        How many of each queue at most.
    own
        Whether only those count that wait for this executor alone.
    """
    fitting = [place for place in taken_up if set(place[1].split(",")) <= set(lease.labels)]
    theirs = _MINE if own else or_(_c.executor.is_(None), _MINE)
    asked = select(WORKFLOWS).where(_WAITING, theirs, _c.python == PYTHON)
    asked = asked.params(of_executor=lease.name, of_epoch=lease.epoch)
    found = []
    for name, group in groupby(fitting, itemgetter(0)):
        queue = queue_of(connection.execute(_QUEUE, {"of_queue": name}).one())
        found.append(_of_queue(connection, queue, asked, [labels for _, labels in group], most, now))
    return found


def begin_turns(connection: Connection, rows: Sequence[Any], now: float) -> None:
    """Note that workflows begin, where only so many may in some time."""
    names = {row.queue for row in rows if row.queue is not None}
    if not names:
        return
    found = connection.execute(select(QUEUES).where(QUEUES.c.name.in_(names), QUEUES.c.limit.is_not(None)))
    for queue in [queue_of(row) for row in found]:
        mine, at, period = STARTS.c.queue == queue.name, STARTS.c.at, _period(queue)
        # What is far ahead was written before somebody set the clock back.
        connection.execute(delete(STARTS).where(mine, (at + period <= now) | (at > now + period)))
        starts = [{"queue": queue.name, "at": now} for row in rows if row.queue == queue.name]
        connection.execute(insert(STARTS), starts)


def let_due_in(connection: Connection, now: float) -> None:
    """Let those wait for their turn whose delay is over."""
    connection.execute(update(WORKFLOWS).where(_c.due.is_not(None), _c.due <= now).values(due=None))


def next_look(connection: Connection, taken_up: Sequence[tuple[str, str]], now: float) -> float | None:
    """Say when, by the store's clock, there may be more to begin though nothing else happens."""
    times = [connection.scalar(_FIRST_DUE)]
    for name, _ in groupby(taken_up, itemgetter(0)):
        queue = queue_of(connection.execute(_QUEUE, {"of_queue": name}).one())
        if queue.limit is not None and len(starts := _starts(connection, queue, now)) >= queue.limit:
            times.append(min(starts[-queue.limit], now) + _period(queue))
    return min([time for time in times if time is not None], default=None)


def _of_queue(
    connection: Connection,
    queue: Queue,
    asked: Select[Any],
    labels: Sequence[str],
    most: int,
    now: float,
) -> list[Any]:
    counted = connection.execute(_RUNNING, {"of_queue": queue.name})
    running: Counter[str | None] = Counter({row[0]: row[1] for row in counted})
    room = min(most, _room(connection, queue, running.total(), now))
    if room <= 0:
        return []
    full = [key for key, count in running.items() if key is not None and count >= _per_key(queue)]
    if full:
        asked = asked.where(or_(_c.queue_key.is_(None), _c.queue_key.not_in(full[:_MOST_EXCLUDED])))
    asked = asked.where(_c.queue == queue.name).order_by(_c.priority, _c.number)
    with ExitStack() as reading:
        each = [
            reading.enter_context(closing(_lazily(connection, asked.where(_c.labels == text))))
            for text in labels
        ]
        in_order = merge(*each, key=attrgetter("priority", "number"))
        return list(islice(_within(queue, in_order, running), room))


def _within(queue: Queue, rows: Iterable[Any], running: Counter[str | None]) -> Iterator[Any]:
    """Leave out what would be too many of one key."""
    for row in rows:
        if row.queue_key is None or running[row.queue_key] < _per_key(queue):
            running[row.queue_key] += 1
            yield row


def _room(connection: Connection, queue: Queue, running: int, now: float) -> int:
    slots = sys.maxsize if queue.concurrency is None else queue.concurrency - running
    starts = sys.maxsize if queue.limit is None else queue.limit - len(_starts(connection, queue, now))
    return min(slots, starts)


def _starts(connection: Connection, queue: Queue, now: float) -> Sequence[float]:
    """Give when workflows have begun within the period that ends now, the first ones first."""
    at, period = STARTS.c.at, _period(queue)
    recent = select(at).where(STARTS.c.queue == queue.name, at + period > now, at <= now + period)
    return connection.execute(recent.order_by(at)).scalars().all()


def _period(queue: Queue) -> float:
    return queue.period or 0.0


def _per_key(queue: Queue) -> int:
    return sys.maxsize if queue.concurrency_per_key is None else queue.concurrency_per_key


def _lazily(connection: Connection, asked: Select[Any]) -> Generator[Any, None, None]:
    with connection.execute(asked, execution_options={"yield_per": 100}) as rows:
        yield from rows

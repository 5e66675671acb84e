"""The queue: workflows that nobody owns, and that wait for an executor with their labels.

Who may take what is looked for by reading first: an executor with nothing to do keeps nobody from writing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, and_, select, update

from ..store import Lease
from ._deaths import MOST_DEATHS, deaths_of, give_up
from ._journal import PYTHON
from ._owner import disown, shelve
from ._records import WorkflowRow
from ._status import WorkflowStatus
from ._tables import WORKFLOWS
from ._turns import begin_turns, let_due_in, next_look, places, turns
from ._vault import Vault

__all__ = ["QUEUE", "Look", "look", "pick", "reclaim", "reserved_for"]

QUEUE: Final = "workflow-queue"
"""The topic of the store's doorbell that is rung when there is something to claim."""

Lives: TypeAlias = Callable[[str, int], bool]
_Condition: TypeAlias = ColumnElement[bool]

_c = WORKFLOWS.c
_RUNNING: Final = _c.status == WorkflowStatus.RUNNING.value
_PENDING: Final = _c.status == WorkflowStatus.PENDING.value
_OWNERS: Final = select(_c.executor, _c.epoch).distinct()
_IN_QUEUE: Final = _c.queue.is_not(None)
_RUN: Final = and_(_RUNNING, _c.requeue)
_RUN_FROM_QUEUE: Final = and_(_RUN, _IN_QUEUE)
_RESERVED: Final = and_(_PENDING, _IN_QUEUE, _c.executor.is_not(None))
_PLAIN: Final = and_(_PENDING, _c.executor.is_(None), _c.queue.is_(None))


@dataclass(frozen=True, slots=True)
class Look:
    """What an executor found when it looked for something to claim.

    Attributes
    ----------
    rows
        Of the workflows that it may begin.
    pressing
        Whether there is anything to write, those or others.
    next
        When, by the store's clock, there may be more though nothing else happens.
    """

    rows: Sequence[WorkflowRow]
    pressing: bool
    next: float | None


def look(
    connection: Connection, lease: Lease, lives: Lives, most: int, now: float, *, own: bool = False
) -> Look:
    """Look, as often as one likes.

    Parameters
    ----------
    lives
        Tells whether an executor does.
    most
        How many workflows are wanted.
    own
        Whether only those are that wait in named queues for this executor alone.
    """
    taken_up = list(places(connection))
    rows = _first(connection, lease, taken_up, most, now, own=own)
    next_ = next_look(connection, taken_up, now)
    due = next_ is not None and next_ <= now
    return Look(rows, bool(rows) or due or bool(list(_orphaned(connection, lives, own=own))), next_)


def pick(
    connection: Connection,
    lease: Lease,
    lives: Lives,
    vault: Vault,
    most: int,
    now: float,
    *,
    own: bool = False,
) -> Sequence[WorkflowRow]:
    """Give the workflows that an executor begins in this very transaction; as `look` otherwise."""
    reclaim(connection, lives, vault, now, own=own)
    rows = _first(connection, lease, list(places(connection)), most, now, own=own)
    begin_turns(connection, rows, now)
    return rows


def reclaim(connection: Connection, lives: Lives, vault: Vault, now: float, *, own: bool = False) -> None:
    """Return to the queue what dead executors were at work on, if that is where it came from.

    One that has outlived `MOST_DEATHS` executors fails instead. What was kept back and is due comes in.

    Parameters
    ----------
    own
        Whether the one who asks takes only what waits for it alone. Then what belongs to a named queue waits
        there to be resumed, and its slot is free for others.
    """
    for kind, owner in list(_orphaned(connection, lives, own=own)):
        if kind is _RESERVED:  # these may be very many
            free = {"executor": None, "epoch": None, "attempt": _c.attempt + 1}
            connection.execute(update(WORKFLOWS).where(kind, owner).values(**free))
            continue
        rows = connection.execute(select(WORKFLOWS).where(kind, owner)).all()
        counted = deaths_of(connection, rows)
        for row in rows:
            deaths = counted[row.number]
            if deaths >= MOST_DEATHS:
                give_up(connection, row, deaths, vault, now)
            elif own:
                shelve(connection, row.number, status=WorkflowStatus.PENDING, deaths=deaths)
            else:
                disown(connection, row.number, status=WorkflowStatus.PENDING, deaths=deaths)
    let_due_in(connection, now)


def reserved_for(lease: Lease) -> Select[tuple[str]]:
    """Select the ids of those that wait in named queues for one executor alone."""
    mine = and_(_RESERVED, _c.executor == lease.name, _c.epoch == lease.epoch)
    return select(_c.id).where(mine).order_by(_c.number)


def _first(
    connection: Connection,
    lease: Lease,
    taken_up: Sequence[tuple[str, str]],
    most: int,
    now: float,
    *,
    own: bool,
) -> Sequence[WorkflowRow]:
    plain = [] if own else [_plain(connection, lease.labels, most)]
    queues = turns(connection, lease, taken_up, most, now, own=own)
    # One queue does not keep the others waiting: of the first in each, that goes first which came first.
    return list(islice(merge(*plain, *queues, key=attrgetter("number")), most))


def _plain(connection: Connection, labels: Sequence[str], most: int) -> Sequence[Any]:
    # Few different combinations of labels wait at a time, so this asks for those and not row by row.
    wanted = connection.execute(select(_c.labels).where(_PLAIN).distinct()).scalars()
    fitting = [text for text in wanted if set(text.split(",")) <= set(labels)]
    asked = select(WORKFLOWS).where(_PLAIN, _c.labels.in_(fitting), _c.python == PYTHON)
    return connection.execute(asked.order_by(_c.number).limit(most)).all() if fitting else ()


def _orphaned(connection: Connection, lives: Lives, *, own: bool) -> Iterator[tuple[_Condition, _Condition]]:
    """Give what selects the workflows of each dead executor that go back to the queue."""
    for kind in (_RUN_FROM_QUEUE,) if own else (_RUN, _RESERVED):
        for executor, epoch in connection.execute(_OWNERS.where(kind)).all():
            if executor is None or not lives(executor, epoch):
                # By its epoch, too: the one of that name who came after it may live.
                yield kind, and_(_c.executor == executor, _c.epoch == epoch)

"""The pulse of a store: what its executors run, what waits for which labels, and how fast tasks end.

However much there is in the store, it costs the same: it looks at indexes, and at the newest workflows alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Integer, cast, func, select

from ..store import ExecutorInfo, Executors, Store
from ._status import WorkflowStatus
from ._tables import TASKS, WORKFLOWS, ensure_tables

__all__ = ["Pulse", "Waiting", "pulse"]

_W, _T = WORKFLOWS.c, TASKS.c
_RUNNING: Final = _W.status == WorkflowStatus.RUNNING.value
_PENDING: Final = _W.status == WorkflowStatus.PENDING.value
_NEWEST: Final = 2000  # workflows, among whose tasks those are counted that ended lately


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for executors with certain labels, outside of named queues.

    Attributes
    ----------
    labels
        What its executor must be able to do.
    count
        How many workflows.
    oldest
        Seconds since the first of them was submitted.
    takers
        Names of the living executors that take such work.
    """

    labels: tuple[str, ...]
    count: int
    oldest: float
    takers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pulse:
    """What goes on in a store at one moment.

    Attributes
    ----------
    executors
        Those that live, by name.
    running
        How many workflows each of them runs; none is left out.
    waiting
        What waits, by its labels.
    ended
        How many tasks ended in each step of time, the oldest step first.
    step
        Seconds of such a step.
    since
        UNIX time at which the first step begins. It is later than what was asked for, if so many workflows
        were submitted meanwhile that only the newest are looked at.
    now
        UNIX time of the look, by the clock of the store.
    """

    executors: tuple[ExecutorInfo, ...]
    running: Mapping[str, int]
    waiting: tuple[Waiting, ...]
    ended: tuple[int, ...]
    step: float
    since: float
    now: float

    @property
    def rate(self) -> float:
        """Tasks that ended in a second, over all steps."""
        return sum(self.ended) / max(self.now - self.since, 1e-9)


def pulse(store: Store, *, window: float = 300.0, steps: int = 60) -> Pulse:
    """Feel the pulse of a store.

    Parameters
    ----------
    window
        Seconds back from now for which tasks are counted.
    steps
        Into how many parts that time is divided.
    """
    ensure_tables(store)
    alive = tuple(sorted(Executors(store).alive(), key=lambda info: info.name))
    now = store.clock.time()
    taken = select(_W.executor, func.count()).where(_RUNNING).group_by(_W.executor)
    waits = select(_W.labels, func.count(), func.min(_W.created)).where(
        _PENDING, _W.queue.is_(None), _W.executor.is_(None)
    )
    with store.reading() as connection:
        running = {row[0]: row[1] for row in connection.execute(taken)}
        waiting = connection.execute(waits.group_by(_W.labels)).all()
        since, found = _ended(connection, now, window, steps)
    step = (now - since) / steps
    return Pulse(
        executors=alive,
        running={info.name: running.get(info.name, 0) for info in alive},
        waiting=tuple(_waiting(row, alive, now) for row in waiting),
        ended=tuple(found.get(i, 0) for i in range(steps)),
        step=step,
        since=since,
        now=now,
    )


def _ended(connection: Any, now: float, window: float, steps: int) -> tuple[float, dict[int, int]]:
    newest = select(_W.number).where(_W.created <= now).order_by(_W.created.desc(), _W.number.desc())
    last = connection.scalar(select(_W.created).order_by(_W.created.desc()).offset(_NEWEST).limit(1))
    since = max(now - window, min(now - 1, last or 0.0))
    places = cast(func.floor((_T.ended - since) / ((now - since) / steps)), Integer).label("place")
    among = newest.limit(_NEWEST).subquery()
    older = select(_W.number).where(_RUNNING).limit(_NEWEST).subquery()
    numbers = select(among.c.number).union(select(older.c.number))
    asked = select(places, func.count()).where(_T.workflow.in_(numbers), _T.ended >= since, _T.ended < now)
    return since, dict(connection.execute(asked.group_by(places)).all())


def _waiting(row: Any, alive: tuple[ExecutorInfo, ...], now: float) -> Waiting:
    labels = tuple(row[0].split(","))
    takers = tuple(info.name for info in alive if info.claims and set(labels) <= set(info.labels))
    return Waiting(labels, row[1], max(0.0, now - row[2]), takers)

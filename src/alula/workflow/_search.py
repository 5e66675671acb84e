"""Searching the workflows of a store: which of them, in what order, how many at once.

What can be said in SQL is, so that a page of a large store costs no more than the page. Only whether the
owner of an unfinished workflow lives cannot; where that matters, rows are read until the page is full.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, tuple_

from ..errors import WorkflowNotFoundError
from ._status import ACTIVE, WorkflowStatus
from ._tables import WORKFLOWS
from ._texts import is_storable

__all__ = ["EVERY", "STATUSES", "Search", "statuses_of"]

STATUSES: Final = frozenset(WorkflowStatus) - {WorkflowStatus.NONE}
"""Those that a workflow can have."""

_AT_ONCE: Final = 200  # rows fetched at a time while it is not known how many it takes
_LAST: Final = "\U0010ffff"  # no character comes after it, and no text uses it
_LIVENESS: Final = frozenset((*ACTIVE, WorkflowStatus.RESUMABLE))

_TYPES: Final[Sequence[tuple[str, type | tuple[type, ...], str]]] = (
    ("id_prefix", str, "text"),
    ("queue", str, "the name of a queue"),
    ("created_after", (int, float), "a time in UNIX seconds"),
    ("created_before", (int, float), "a time in UNIX seconds"),
    ("after", str, "the id of a workflow"),
    ("limit", int, "a whole number"),
)

Derive: TypeAlias = Callable[[Any], WorkflowStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which workflows are wanted; the attributes are the parameters of `alula.workflow.list_all`."""

    statuses: frozenset[WorkflowStatus] = STATUSES
    id_prefix: str = ""
    labels: tuple[str, ...] = ()
    queue: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    newest_first: bool = False
    after: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        for name, kinds, what in _TYPES:
            given = getattr(self, name)
            if given is not None and (not isinstance(given, kinds) or isinstance(given, bool)):
                raise TypeError(f"{name} is {what}, not {given!r}")
        for text in (self.id_prefix, self.after or "", *self.labels):
            if isinstance(text, str) and not is_storable(text):
                raise ValueError(f"no workflow has {text!r} in its id or labels, and none can have")
        if self.limit is not None and self.limit < 0:
            raise ValueError(f"limit is 0 or more, not {self.limit}")
        if any(not isinstance(label, str) for label in self.labels):
            raise TypeError(f"labels are texts, not {self.labels!r}")

    def page(self, connection: Connection, derive: Derive) -> list[tuple[str, WorkflowStatus]]:
        """Give ids and statuses.

        Parameters
        ----------
        derive
            Gives the status of a row, whose owner may be dead.
        """
        return list(islice(self._found(connection, derive), self.limit))

    def _found(self, connection: Connection, derive: Derive) -> Iterator[tuple[str, WorkflowStatus]]:
        asked = self._asked(connection)
        # All of those that may turn out to be one another are wanted, or none is.
        if len(self.statuses & _LIVENESS) in (0, len(_LIVENESS)):
            asked = asked.limit(self.limit)
        for row in self._rows(connection, asked):
            status = derive(row)
            if status in self.statuses:
                yield str(row.id), status

    def _rows(self, connection: Connection, asked: Select[Any]) -> Iterator[Any]:
        """Read rows in their order, no more of them than are taken."""
        if not self.labels:
            yield from _lazily(connection, asked)
            return
        # There are few combinations of labels; the workflows of each stand in order in an index.
        fitting = [text for text in _labels(connection) if set(self.labels) <= set(text.split(","))]
        found = [_lazily(connection, asked.where(WORKFLOWS.c.labels == text)) for text in fitting]
        yield from merge(*found, key=lambda row: (row.created, row.number), reverse=self.newest_first)

    def _asked(self, connection: Connection) -> Select[Any]:
        c = WORKFLOWS.c
        place = tuple_(c.created, c.number)
        columns = (c.id, c.status, c.executor, c.epoch, c.queue, c.created, c.number)
        asked = select(*columns).where(*self._conditions())
        if self.after is not None:
            start = _place(connection, self.after)
            asked = asked.where(place < start if self.newest_first else place > start)
        if self.newest_first:
            return asked.order_by(c.created.desc(), c.number.desc())
        return asked.order_by(c.created, c.number)

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        c = WORKFLOWS.c
        if self.statuses != STATUSES:
            yield c.status.in_(self._stored())
        if self.id_prefix:  # a LIKE would take a for A on some databases
            yield c.id.between(self.id_prefix, self.id_prefix + _LAST)
        if self.queue is not None:
            yield c.queue == self.queue
        if self.created_after is not None:
            yield c.created >= self.created_after
        if self.created_before is not None:
            yield c.created < self.created_before

    def _stored(self) -> list[str]:
        stored = self.statuses - {WorkflowStatus.RESUMABLE}
        if WorkflowStatus.RESUMABLE in self.statuses:
            stored = stored.union(ACTIVE)
        return sorted(stored)


EVERY: Final = Search()


def statuses_of(given: object) -> frozenset[WorkflowStatus]:
    """Read a filter as people give it: a status, its name, or a set of those; None stands for all."""
    if given is None:
        return STATUSES
    if isinstance(given, str):
        return frozenset([_status(given)])
    if isinstance(given, (set, frozenset)):
        return frozenset(map(_status, given))
    raise TypeError(f"status_filter is a status or a set of them, not {type(given).__name__}")


def _status(given: object) -> WorkflowStatus:
    try:
        return WorkflowStatus(cast("str", given))
    except ValueError:
        known = ", ".join([each for each in WorkflowStatus if each in STATUSES])
        raise ValueError(f"there is no status {given!r}; there are {known}") from None


def _lazily(connection: Connection, asked: Select[Any]) -> Iterator[Any]:
    with connection.execute(asked, execution_options={"yield_per": _AT_ONCE}) as rows:  # not all are taken
        yield from rows


def _labels(connection: Connection) -> Iterator[str]:
    """Give the combinations of labels that there are, with one step in an index for each."""
    least = select(func.min(WORKFLOWS.c.labels))
    text: str | None = connection.scalar(least)
    while text is not None:
        yield text
        text = connection.scalar(least.where(WORKFLOWS.c.labels > text))


def _place(connection: Connection, workflow_id: str) -> Any:
    c = WORKFLOWS.c
    row = connection.execute(select(c.created, c.number).where(c.id == workflow_id)).one_or_none()
    if row is None:
        raise WorkflowNotFoundError(workflow_id)
    return tuple_(literal(row.created), literal(row.number))

"""The history of a workflow: its tasks as they stand in the records, dynamic ones included.

No value and no arguments are read, and options only of what has failed. So the history of a workflow may be
read where its code is unknown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any, Final

from sqlalchemy import Connection, Result, Row, case, select

from ..graph import Edge, State
from ._failures import error_of, failed_in
from ._logical import CALL, DUE
from ._status import WorkflowStatus
from ._tables import TASKS
from ._vault import Vault

__all__ = ["Event", "History", "read_history"]

# Some calls make two logical tasks, the second of which reads the first; people know of one.
_HELPERS: Final = {DUE: ("sleep", "signal"), "event": ("acknowledge",)}
_OVER: Final = (WorkflowStatus.SUCCESSFUL, WorkflowStatus.FAILED, WorkflowStatus.CANCELED)
_FACTS: Final = ("key", "creator", "kind", "name", "task_id", "inputs", "checkpoint", "inplace")
_RESULTS: Final = ("started", "ended", "attempts")
_COLUMNS: Final = tuple([TASKS.c[name] for name in (*_FACTS, *_RESULTS, "error")])
_HEAD: Final = case((TASKS.c.error.is_not(None), TASKS.c.head)).label("head")
_ENDED: Final = (TASKS.c.digest.is_not(None) | TASKS.c.pointer.is_not(None)).label("settled")


@dataclass(frozen=True, slots=True)
class Event:
    """What is known of one task.

    Attributes
    ----------
    key, task_id, name, kind
        As in `Task`; `kind` is "event" for the whole of a wait for one.
    durable
        Whether its result is recorded.
    inplace
        Whether it runs in the process of the task that made it.
    state
        Where it stands.
    ready
        When it could begin, in UNIX seconds: the last of its inputs had ended, or it was made.
    started, ended
        When its last attempt began and ended; None for what is not known or has not happened.
    attempts
        How many there were.
    error
        What ended the last attempt that has failed; None if none has, or that is not known.
    """

    key: str
    task_id: str
    name: str
    kind: str
    durable: bool
    inplace: bool
    state: State
    ready: float
    started: float | None
    ended: float | None
    attempts: int
    error: BaseException | None = None

    @property
    def is_logical(self) -> bool:
        """Whether it waits for something, and runs nowhere."""
        return self.kind != CALL


@dataclass(frozen=True)
class History:
    """The tasks of a workflow and what joins them.

    Attributes
    ----------
    id, status
        Of the workflow.
    began, until
        When it was first run, or submitted if it was not yet; and when it ended, or now.
    events
        By key, each after all that it had to wait for.
    edges
        Source and reader of each value. Of a chain of continuations it is the last task that is read.
    grown
        A task and what it made that waits for nothing else.
    """

    id: str
    status: WorkflowStatus
    began: float
    until: float
    events: dict[str, Event]
    edges: tuple[Edge, ...]
    grown: frozenset[Edge]

    @cached_property
    def inputs(self) -> dict[str, list[str]]:
        """What each task had to wait for."""
        found: dict[str, list[str]] = {key: [] for key in self.events}
        for source, reader in self.edges:
            found[reader].append(source)
        return found


def read_history(
    connection: Connection, vault: Vault, workflow: Row[Any], status: WorkflowStatus, now: float
) -> History:
    """Read the history of a workflow.

    Parameters
    ----------
    vault
        Opens errors.
    workflow, status
        Its row, and the status that it really has.
    now
        By the clock of the store.
    """
    asked = select(*_COLUMNS, _HEAD, _ENDED).where(TASKS.c.workflow == workflow.number)
    rows: Result[Any] = connection.execute(asked.order_by(TASKS.c.creator, TASKS.c.position))
    web = _Web(rows.all())
    over = status in _OVER and workflow.ended is not None
    began = workflow.started or workflow.created
    events = _Teller(web, vault, workflow.started, status, began).tell()
    history = History(
        id=workflow.id,
        status=status,
        began=min([began, *(e.started for e in events.values() if e.started)]),
        until=workflow.ended if over else now,
        events=events,
        edges=tuple(web.edges()),
        grown=frozenset(web.grown),
    )
    return _without_helpers(history)


class _Web:
    """Rows and what joins them.

    Attributes
    ----------
    rows
        By key, each after its inputs.
    inputs
        For each, what it had to wait for, without repetition.
    grown
        A task and what it made that waits for nothing else.
    """

    def __init__(self, rows: Sequence[Row[Any]]) -> None:
        by_key = {row.key: row for row in rows}
        self._last = {row.creator: row.key for row in rows}  # rows come in the order of position
        self._ends: dict[str, str] = {}
        self.grown: set[Edge] = set()
        found = {row.key: self._sources(row, by_key) for row in rows}
        order = TopologicalSorter(found).static_order()
        self.rows = {key: by_key[key] for key in order}
        self.inputs = {key: found[key] for key in self.rows}

    def edges(self) -> Iterator[Edge]:
        return ((source, key) for key, sources in self.inputs.items() for source in sources)

    def _sources(self, row: Row[Any], rows: dict[str, Row[Any]]) -> list[str]:
        keys = [key for key in row.inputs.split(",") if key in rows]
        sources = list(dict.fromkeys([self._end(key) for key in keys]))
        if row.creator in rows and not any(rows[key].creator == row.creator for key in keys):
            self.grown.add((row.creator, row.key))
            sources = [row.creator, *(source for source in sources if source != row.creator)]
        return sources

    def _end(self, key: str) -> str:
        """Give the task at the end of a chain of continuations, in one walk for all that ask."""
        end = key
        while end in self._last:
            end = self._ends.get(end) or self._last[end]
        self._ends[key] = end
        return end


class _Teller:
    """Tells the state of each task from what is recorded, and from who has gone on with its value."""

    def __init__(
        self, web: _Web, vault: Vault, started: float | None, status: WorkflowStatus, began: float
    ) -> None:
        self._web, self._vault, self._status = web, vault, status
        self._started, self._began = started, began
        self._done: dict[str, bool] = {}
        self._ended: dict[str, float] = {}

    def tell(self) -> dict[str, Event]:
        rows, inputs = self._web.rows, self._web.inputs
        used: set[str] = set()
        for key in reversed(rows):
            self._done[key] = self._is_done(rows[key], key in used)
            if self._done[key]:
                used.update(inputs[key])
        return {key: self._event(row, inputs[key]) for key, row in rows.items()}

    def _is_done(self, row: Row[Any], used: bool) -> bool:
        if row.settled or row.checkpoint:
            return bool(row.settled)
        # Its value was not to be recorded: only what came of it tells.
        return used or self._status is WorkflowStatus.SUCCESSFUL

    def _event(self, row: Row[Any], sources: list[str]) -> Event:
        ready = max([self._began, *(self._ended[source] for source in sources)])
        done = self._done[row.key]
        started = row.started or None  # one whose process died has no known beginning
        self._ended[row.key] = (row.ended or ready) if done else ready
        state: State = "done" if done else self._unfinished(row, sources)
        return Event(
            key=row.key,
            task_id=row.task_id,
            name=row.name,
            kind=row.kind,
            durable=row.checkpoint,
            inplace=row.inplace,
            state=state,
            ready=min(ready, started or ready),
            started=started,
            ended=(row.ended or None) if state in ("done", "failed") else None,
            attempts=row.attempts or 0,
            error=error_of(self._vault, row),
        )

    def _unfinished(self, row: Row[Any], sources: list[str]) -> State:
        ready = all(self._done[source] for source in sources)
        if self._status is WorkflowStatus.RUNNING:
            if failed_in(self._vault, row, self._started):
                return "failed"
            return "running" if ready else "waiting"
        if self._status in _OVER and row.error is not None:
            return "failed"
        if self._status in _OVER:
            return "cancelled" if ready else "skipped"
        return "waiting"


def _without_helpers(history: History) -> History:
    """Join the two tasks of what people know as one."""
    events, into = dict(history.events), dict[str, str]()
    for source, reader in history.edges:
        helper, main = events.get(source), events.get(reader)
        if helper and main and main.kind in _HELPERS.get(helper.kind, ()):
            into[source] = reader
            events[reader] = _joined(helper, main)
    for key in into:
        del events[key]
    given = [((into.get(a, a), into.get(b, b)), (a, b) in history.grown) for a, b in history.edges]
    edges = {edge: grown for edge, grown in given if edge[0] != edge[1]}
    grown = frozenset([edge for edge, is_grown in edges.items() if is_grown])
    return replace(history, events=events, edges=tuple(edges), grown=grown)


def _joined(helper: Event, main: Event) -> Event:
    return replace(
        main,
        kind="event" if main.kind == "acknowledge" else main.kind,
        state=main.state if helper.state == "done" else helper.state,
        ready=helper.ready,
        started=helper.started or main.started,
        attempts=max(helper.attempts, main.attempts),
    )

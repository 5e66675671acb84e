"""Experiments page by page: runs in a table, metrics in charts, what happened in a list.

Whatever an experiment holds, an answer costs what it shows. The last value of a metric is one step into the
index, the keys of a run are found by leaping from one to the next, and of a long metric as many rows are
looked at as a chart has room for, spread evenly.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    bindparam,
    exists,
    func,
    literal,
    select,
)

from ...errors import NameNotFoundError, suggest
from ...store import Prepared, Store
from ._ledger import Run
from ._search import Expression, own_facts, parse
from ._tables import ROWS, RUNS
from ._thinning import Points, thinned

__all__ = ["Board", "Event", "RunKeys", "RunRow", "RunsPage", "Series"]

SeriesEvent = Literal["metric", "profile"]

_LOOKED_AT: Final = 1000  # rows of a metric in a run
_MANY: Final = 50  # charts are unreadable before
_FEW: Final = 500  # keys of a run that are told
_NUMBERED: Final = ("metric", "param", "profile", "system")  # events that have places of their own


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the table.

    Attributes
    ----------
    run
        The run.
    values
        By ``metrics.KEY`` and ``params.KEY``; metrics as they were logged last.
    """

    run: Run
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage:
    """Some of the runs of an experiment.

    Attributes
    ----------
    rows
        In the order that was asked for.
    columns
        The ``metrics.KEY`` and ``params.KEY`` that these runs have; values are told of those asked for.
    matched, total
        How many runs pass the search, and how many there are.
    """

    rows: tuple[RunRow, ...]
    columns: tuple[str, ...]
    matched: int
    total: int


@dataclass(frozen=True, slots=True)
class RunKeys:
    """The keys that a run has logged, in order, by what they are; not more than some hundreds."""

    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A metric of one run, thinned to what a chart can show.

    Attributes
    ----------
    run
        Its number.
    points
        Pairs of where and how much, as many as were asked for at most; the highest and the lowest of each
        stretch are among them. Where: the step, or if rows have none, their count; or seconds since the start
        of the run.
    whole
        Whether all that was logged was looked at; else rows were picked evenly, and a spike may be missed.
    """

    run: int
    points: Points
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that was logged.

    Attributes
    ----------
    id
        Grows with time in a run.
    at
        UNIX time in seconds.
    event, key, value, step, task, node
        As in `Experiment.data`.
    """

    id: int
    at: float
    event: str
    key: str
    value: Any
    step: int | None
    task: str | None
    node: str


class Board:
    """Reads one experiment for people who look at it; safe to use from any thread.

    Attributes
    ----------
    name, provider
        Of the experiment.
    """

    def __init__(self, name: str, provider: str, experiment: int, store: Store) -> None:
        """Make one; people get it from ``runtime.experiments``.

        Parameters
        ----------
        experiment
            The id of its row.
        """
        self.name, self.provider = name, provider
        self._experiment, self._store = experiment, store

    def page(
        self,
        where: str = "",
        *,
        sort: str = "-run",
        columns: Sequence[str] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> RunsPage:
        """Give some of the runs, with values of metrics and parameters beside them.

        Parameters
        ----------
        where
            As for `Experiment.search`; all runs if it is empty.
        sort
            ``run``, ``status``, ``started``, ``seconds``, ``metrics.KEY`` or ``params.KEY``; from the highest
            with a ``-`` before it. Runs that have no such value come last.
        columns
            Whose values to tell; by default all that these runs have.
        limit, offset
            How many, and from which on.

        Raises
        ------
        ValueError
            If `where` cannot be read, or there is nothing like `sort` or one of the `columns`.
        """
        test = parse(where) if where.strip() else None
        key, descending = sort.removeprefix("-"), sort.startswith("-")
        for each in (key, *(columns or ())):
            _check_column(each)
        with self._store.reading() as connection:
            total = int(connection.scalar(select(func.count()).select_from(RUNS).where(self._mine())) or 0)
            if test is None and not key.startswith("params."):
                matched = total
                shown = self._read(connection, _order_by(key, descending=descending), limit, offset)
            else:
                found = self._passing(connection, self._read(connection, [RUNS.c.number]), test)
                matched = len(found)
                shown = self._sorted(connection, found, key, descending=descending)[offset : offset + limit]
            there = _columns(connection, [run.id for run in shown])
            asked = there if columns is None else [each for each in columns if each in there]
            rows = self._beside(connection, shown, asked)
        return RunsPage(rows=rows, columns=tuple(there), matched=matched, total=total)

    def rows(self, *numbers: int) -> tuple[RunRow, ...]:
        """Give some runs, in this order, with all their values.

        Raises
        ------
        NameNotFoundError
            If there is no run of one of these numbers.
        """
        with self._store.reading() as connection:
            found = self._named(connection, numbers)
            for number in numbers:
                if number not in found:
                    last = connection.scalar(select(func.max(RUNS.c.number)).where(self._mine()))
                    where = f"experiments/{self.name} run"
                    raise NameNotFoundError(f"{where} {number}", [f"{where} {last}"] if last else [])
            runs = [found[number] for number in numbers]
            return self._beside(connection, runs, _columns(connection, [run.id for run in runs]))

    def keys(self, *numbers: int) -> RunKeys:
        """Give the keys of metrics, parameters and figures of the machine that runs have."""
        with self._store.reading() as connection:
            found = _keys(connection, [run.id for run in self._named(connection, numbers).values()])
        told = {event: [key for key, events in found.items() if event in events] for event in _KINDS}
        return RunKeys(*(tuple(sorted(told[event])) for event in _KINDS))

    def series(
        self,
        key: str,
        runs: Iterable[int],
        *,
        x: Literal["step", "time"] = "step",
        points: int = 400,
        event: SeriesEvent = "metric",
    ) -> list[Series]:
        """Give a metric of some runs as lines of a chart, by run; runs that have none are left away.

        Parameters
        ----------
        runs
            Their numbers; of more than 50 the first 50.
        x
            What lies below: ``"step"``, or ``"time"``, seconds since the start of the run.
        points
            How many of each run at most; 4 at least.
        event
            ``"profile"`` for figures of the machine.

        Raises
        ------
        ValueError
            If `x` is neither, or there are to be too few points.
        """
        if x not in ("step", "time"):
            raise ValueError(f"x={x!r} is none; {suggest(x, ('step', 'time'))}")
        if points < 4:
            raise ValueError(f"points={points}: a line of at most so many shows nothing, give 4 or more")
        with self._store.reading() as connection:
            found = self._named(connection, list(runs)[:_MANY]).values()
            read = [(run, *_looked_at(connection, run.id, key, event)) for run in found]
        return [
            Series(run=run.number, points=thinned(_placed(rows, x, run.started, whole), points), whole=whole)
            for run, rows, whole in read
            if rows
        ]

    def events(self, run: int, *, event: str | None = None, after: int = 0, limit: int = 100) -> list[Event]:
        """Give what happened in a run, in order.

        Parameters
        ----------
        event
            One of them; by default all but metrics, parameters and figures of the machine.
        after
            The `id` of one: only what comes after it.
        limit
            How many at most.
        """
        kind = ROWS.c.event.not_in(_NUMBERED) if event is None else ROWS.c.event == event
        columns = [ROWS.c[name] for name in ("id", "dt", "event", "key", "value", "step", "task", "node")]
        with self._store.reading() as connection:
            ids = [each.id for each in self._named(connection, [run]).values()]
            asked = select(*columns).where(ROWS.c.run.in_(ids), kind, ROWS.c.id > after)
            return [_event(row) for row in connection.execute(asked.order_by(ROWS.c.id).limit(limit))]

    # ------------------------------------------------------------------------------------- inside

    def _mine(self) -> ColumnElement[bool]:
        return RUNS.c.experiment == self._experiment

    def _read(
        self,
        connection: Connection,
        order: Sequence[ColumnElement[Any]],
        limit: int | None = None,
        offset: int | None = None,
        *where: ColumnElement[bool],
    ) -> list[Run]:
        asked = select(*_RUN).where(self._mine(), *where).order_by(*order).limit(limit).offset(offset)
        names = [column.name for column in _RUN]
        return [Run(**dict(zip(names, row, strict=True))) for row in connection.execute(asked)]

    def _named(self, connection: Connection, numbers: Iterable[int]) -> dict[int, Run]:
        """Give runs by their numbers, in this order."""
        wanted = list(numbers)
        some = self._read(connection, [RUNS.c.number], None, None, RUNS.c.number.in_(wanted))
        by_number = {run.number: run for run in some}
        return {number: by_number[number] for number in wanted if number in by_number}

    def _passing(self, connection: Connection, known: list[Run], test: Expression | None) -> list[Run]:
        if test is None:
            return known
        values = self._values(connection, sorted(test.fields), None)
        return [run for run in known if test.test({**own_facts(run), **values.get(run.id, {})})]

    def _sorted(self, connection: Connection, found: list[Run], key: str, *, descending: bool) -> list[Run]:
        if key in _OWN:
            told = {run.id: _OWN[key](run) for run in found}
        else:
            told = {i: each.get(key) for i, each in self._values(connection, [key], None).items()}
        having = [run for run in found if told.get(run.id) is not None]
        having.sort(key=lambda run: (_order(told[run.id]), run.number), reverse=descending)
        without = [run for run in found if told.get(run.id) is None]
        return having + (without[::-1] if descending else without)

    def _beside(
        self, connection: Connection, runs: Sequence[Run], columns: Sequence[str]
    ) -> tuple[RunRow, ...]:
        values = self._values(connection, columns, [run.id for run in runs])
        return tuple(RunRow(run, values.get(run.id, {})) for run in runs)

    def _values(
        self, connection: Connection, columns: Sequence[str], ids: Sequence[int] | None
    ) -> dict[int, dict[str, Any]]:
        """Give the last value in some columns by the ids of runs, of all runs by default."""
        found: dict[int, dict[str, Any]] = {}
        mine = self._mine() if ids is None else RUNS.c.id.in_(ids)
        for column in columns:
            for run, text in connection.execute(select(RUNS.c.id, _last(column, ROWS.c.value)).where(mine)):
                if text is not None:
                    found.setdefault(run, {})[column] = json.loads(text)
        return found


_RUN: Final = [column for column in RUNS.columns if column.name != "experiment"]
_KINDS: Final = ("metric", "param", "profile")
_GROUPS: Final = {"metric": "metrics", "param": "params"}
_OWN: Final[dict[str, Callable[[Run], Any]]] = {
    "run": lambda run: run.number,
    "started": lambda run: run.started,
    "status": lambda run: run.status,
    "seconds": lambda run: None if run.ended is None else run.ended - run.started,
}


def _check_column(name: str) -> None:
    group, _, key = name.partition(".")
    if name not in _OWN and not (group in _GROUPS.values() and key):
        known = [*_OWN, "metrics.KEY", "params.KEY"]
        raise ValueError(f"there is no column {name!r}; {suggest(name, known)}")


def _order(value: Any) -> tuple[int, Any]:
    """Let numbers stand before texts, and texts before all else."""
    if isinstance(value, (bool, int, float)):
        return (0, value) if value == value else (-1, 0)
    return (1, value) if isinstance(value, str) else (2, json.dumps(value))


def _mine(run: Any, key: Any, event: Any) -> tuple[ColumnElement[bool], ...]:
    return ROWS.c.run == run, ROWS.c.key == key, ROWS.c.event == event


def _last(column: str, what: ColumnElement[Any]) -> ColumnElement[Any]:
    """Give what stands in the last row of a metric or parameter of each run: one step into the index."""
    group, _, key = column.partition(".")
    mine = _mine(RUNS.c.id, key, "metric" if group == "metrics" else "param")
    return select(what).where(*mine).order_by(ROWS.c.id.desc()).limit(1).correlate(RUNS).scalar_subquery()


def _order_by(key: str, *, descending: bool) -> list[ColumnElement[Any]]:
    """Sort by what the database can compare: what is not there comes last, and the number decides a tie."""
    by = {"run": RUNS.c.number, "seconds": RUNS.c.ended - RUNS.c.started}.get(key)
    if by is None:
        by = RUNS.c[key] if key in _OWN else _last(key, ROWS.c.number)
    ordered = [by, RUNS.c.number]
    return [by.is_(None), *(each.desc() if descending else each for each in ordered)]


def _columns(connection: Connection, ids: Sequence[int]) -> list[str]:
    found = _keys(connection, ids)
    return [
        f"{name}.{key}" for event, name in _GROUPS.items() for key in sorted(found) if event in found[key]
    ]


def _keys(connection: Connection, ids: Sequence[int]) -> dict[str, set[str]]:
    """Give the keys of some runs, and as what they were logged, without a look at what lies between them."""
    first = select(func.min(ROWS.c.key)).where(ROWS.c.run == RUNS.c.id).correlate(RUNS).scalar_subquery()
    keys = select(RUNS.c.id.label("run"), first.label("key")).where(RUNS.c.id.in_(ids)).cte(recursive=True)
    later = (ROWS.c.run == keys.c.run, ROWS.c.key > keys.c.key)
    following = select(func.min(ROWS.c.key)).where(*later).correlate(keys).scalar_subquery()
    keys = keys.union_all(select(keys.c.run, following).where(keys.c.key.is_not(None)))
    logged_as = [exists().where(*_mine(keys.c.run, keys.c.key, event)) for event in _KINDS]
    asked = select(keys.c.key, *logged_as).where(keys.c.key.is_not(None)).limit(_FEW * max(1, len(ids)))
    found: dict[str, set[str]] = {}
    for key, *flags in connection.execute(asked):
        found.setdefault(key, set()).update(e for e, flag in zip(_KINDS, flags, strict=True) if flag)
    return found


_SERIES: Final = Prepared(
    select(ROWS.c.step, ROWS.c.number, ROWS.c.dt)
    .where(*_mine(bindparam("run"), bindparam("key"), bindparam("event")))
    .order_by(ROWS.c.id)
    .limit(bindparam("most"))
)


def _looked_at(connection: Connection, run: int, key: str, event: str) -> tuple[list[Any], bool]:
    """Give all rows of a metric in a run, or some of many that lie evenly; and whether it is all."""
    given = {"run": run, "key": key, "event": event, "most": _LOOKED_AT + 1}
    some = _SERIES(connection, given).fetchall()
    if len(some) <= _LOOKED_AT:
        return some, True
    ids = list(connection.scalars(_spread(connection, _mine(run, key, event))))
    asked = select(ROWS.c.step, ROWS.c.number, ROWS.c.dt).where(ROWS.c.id.in_(ids)).order_by(ROWS.c.id)
    return [tuple(row) for row in connection.execute(asked)], False


def _spread(connection: Connection, mine: tuple[ColumnElement[bool], ...]) -> Select[Any]:
    """Ask for ids that lie evenly between the first and the last, both included."""

    def end(order: Any) -> int:
        return int(connection.scalar(select(ROWS.c.id).where(*mine).order_by(order).limit(1)) or 0)

    first, last = end(ROWS.c.id), end(ROWS.c.id.desc())
    count = select(literal(0, Integer).label("n")).cte(recursive=True)
    count = count.union_all(select(count.c.n + 1).where(count.c.n < _LOOKED_AT - 1))
    place = first + count.c.n * (last - first) // (_LOOKED_AT - 1)
    at_or_after = select(ROWS.c.id).where(*mine, place <= ROWS.c.id).order_by(ROWS.c.id).limit(1)
    return select(at_or_after.correlate(count).scalar_subquery()).select_from(count).distinct()


def _placed(rows: Sequence[tuple[Any, ...]], x: str, started: float, whole: bool) -> Points:
    by_time = x == "time" or (not whole and any(step is None for step, _, _ in rows))
    return [
        (dt - started if by_time else n if step is None else step, float("nan") if much is None else much)
        for n, (step, much, dt) in enumerate(rows)
    ]


def _event(row: Row[Any]) -> Event:
    value = json.loads(row.value)
    return Event(
        id=row.id,
        at=row.dt,
        event=row.event,
        key=row.key,
        value=value,
        step=row.step,
        task=row.task,
        node=row.node,
    )

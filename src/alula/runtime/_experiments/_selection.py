"""Which rows are asked for: runs, keys and times in the words of people, and the statement they become."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select

from ...store import Store
from ._ledger import Run
from ._tables import ROWS, RUNS

__all__ = ["Rows", "Runs", "Selection", "pick_runs"]

Runs = int | str | slice | Iterable[int] | None
"""A number, from the end if it is negative; several; ``"*"`` or ``"all"``."""

_PAGE: Final = 50_000  # rows that are read at once, so that nobody waits for a long reading
_MANY: Final = 500  # values in one condition, well below what any database allows


def pick_runs(given: Runs, known: Sequence[Run], current: int | None) -> list[Run]:
    """Give the runs that are meant.

    Parameters
    ----------
    given
        None is `current`, or else the latest; -1 is the latest, and what lies before the first is the first;
        a slice has numbers, the end excluded.

    Raises
    ------
    ValueError
        If it is a text that means nothing.
    TypeError
        If it is nothing of the kind.
    """
    by_number = {run.number: run for run in known}
    match given:
        case None:
            found = by_number.get(current or 0)
            return [found] if found is not None else list(known[-1:])
        case "*" | "all":
            return list(known)
        case bool() | str():
            raise ValueError(f"run={given!r} is no run: give a number, a list of numbers, a slice, or '*'")
        case int():
            return [run for run in [_numbered(given, by_number, known)] if run is not None]
        case slice():
            numbers = set(range(*given.indices(known[-1].number + 1 if known else 0)))
            return [run for run in known if run.number in numbers]
        case Iterable():
            picked = {run.number for each in given for run in pick_runs(each, known, current)}
            return [run for run in known if run.number in picked]
        case _:
            raise TypeError(f"run={given!r} is no run: give a number, a list of numbers, a slice, or '*'")


def _numbered(number: int, by_number: Mapping[int, Run], known: Sequence[Run]) -> Run | None:
    if number >= 0 or not known:
        return by_number.get(number)
    return known[max(number, -len(known))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is asked for.

    Attributes
    ----------
    experiment
        The id of its row.
    runs
        Numbers; None for all.
    event, key, step
        One of these; None for any.
    since, until
        UNIX seconds, both included.
    task
        The id of a task; one of these; None for any.
    extra
        Values of extra columns; a list stands for one of them.
    part
        Of the rows that are left, in their order.
    """

    experiment: int
    runs: Sequence[int] | None
    event: Any = None
    key: Any = None
    step: Any = None
    since: float | None = None
    until: float | None = None
    task: Any = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    part: slice | None = None

    def statement(self) -> Select[Any]:
        """Give the statement that reads the rows, by time."""
        columns = [column for column in ROWS.columns if column.name not in ("id", "run")]
        asked = select(ROWS.c.id, RUNS.c.number.label("run"), *columns)
        asked = asked.join(RUNS, RUNS.c.id == ROWS.c.run).where(*self.conditions())
        return asked.order_by(ROWS.c.dt, ROWS.c.id)

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Give what each row has to fulfil."""
        yield RUNS.c.experiment == self.experiment
        if (numbers := self.runs) is not None:
            parts = range(0, max(1, len(numbers)), _MANY)
            yield or_(*(RUNS.c.number.in_(numbers[i : i + _MANY]) for i in parts))
        columns = {"event": self.event, "key": self.key, "step": self.step, "task": self.task}
        for name, wanted in columns.items():
            if wanted is not None:
                yield ROWS.c[name].in_(_several(wanted))
        if self.since is not None:
            yield ROWS.c.dt >= self.since
        if self.until is not None:
            yield ROWS.c.dt <= self.until


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of an experiment, read when they are iterated over, some thousands at a time."""

    store: Store
    experiment: str
    selection: Selection

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self.selection.runs is not None and not self.selection.runs:
            return
        part, at = self.selection.part or slice(None), 0
        for row in self._pages():
            told = self._told(row)
            if told is None:
                continue
            if part.stop is not None and at >= part.stop:
                return
            if at >= (part.start or 0) and (at - (part.start or 0)) % (part.step or 1) == 0:
                yield told
            at += 1

    def _pages(self) -> Iterator[Row[Any]]:
        asked = self.selection.statement().limit(_PAGE)
        page = asked
        while True:
            with self.store.reading() as connection:
                found = connection.execute(page).all()
            yield from found
            if len(found) < _PAGE:
                return
            last = found[-1]
            after = or_(ROWS.c.dt > last.dt, and_(ROWS.c.dt == last.dt, ROWS.c.id > last.id))
            page = asked.where(after)

    def _told(self, row: Row[Any]) -> dict[str, Any] | None:
        """Give a row as it is shown; None if its extra columns are others than those asked for."""
        _, run, step, event, key, value, number, dt, node, userid, task, more = tuple(row)
        extra = {} if more is None else json.loads(more)
        for name, wanted in self.selection.extra.items():
            if name not in extra or extra[name] not in _several(wanted):
                return None
        told = {
            "experiment": self.experiment,
            "run": run,
            "step": step,
            "event": event,
            "key": key,
            "value": number if number is not None and not number.is_integer() else json.loads(value),
            "dt": dt,
            "node": node,
            "userid": userid,
        }
        if task is not None:
            told["taskid"] = task
        return told | extra


def _several(wanted: Any) -> Sequence[Any]:
    return list(wanted) if isinstance(wanted, (list, tuple, set, frozenset, range)) else [wanted]

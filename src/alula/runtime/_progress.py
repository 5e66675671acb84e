"""Progress: how far a task says it is, written by its worker, read by any process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from sqlalchemy import Column, Double, MetaData, String, Table, delete, insert, select

from ..store import Store

__all__ = ["Progress", "Progresses", "Reporter"]

_METADATA = MetaData()
_PROGRESS = Table(
    "runtime_progress",
    _METADATA,
    Column("task", String(255), primary_key=True),
    Column("done", Double, nullable=False),
    Column("total", Double),
    Column("text", String(255)),
    Column("time", Double, nullable=False),
)
_PAUSE: Final = 0.2  # seconds between two writes, so that a busy loop may report each of its rounds
_CHUNK: Final = 500  # tasks in one query, well below what any database allows
_LONGEST: Final = 255  # characters of a text


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is.

    Attributes
    ----------
    done
        In whatever unit the task counts.
    total
        In the end; None if nobody knows.
    text
        A line for people.
    time
        When the task said so: UNIX time in seconds.
    """

    done: float
    total: float | None = None
    text: str | None = None
    time: float = 0.0

    @property
    def fraction(self) -> float | None:
        """The share that is done, from 0 to 1; None if nobody knows."""
        return self.done / self.total if self.total else None

    def __str__(self) -> str:
        share = f"{self.done:g}" if self.total is None else f"{self.done:g}/{self.total:g}"
        return share if self.text is None else f"{share} {self.text}"


class Progresses:
    """The progress of the tasks of one store; safe to use from any thread and process."""

    def __init__(self, store: Store) -> None:
        store.ensure("progress", 1, _METADATA)
        self._store = store

    def last(self, task: str) -> Progress | None:
        """Give what a task last said, or None if it has said nothing."""
        c = _PROGRESS.c
        with self._store.reading() as connection:
            asked = select(c.done, c.total, c.text, c.time).where(c.task == task)
            row = connection.execute(asked).one_or_none()
        return None if row is None else Progress(*row)

    def forget(self, tasks: Sequence[str]) -> None:
        """Remove what is kept of tasks that are gone."""
        with self._store.transaction() as connection:
            for i in range(0, len(tasks), _CHUNK):
                connection.execute(delete(_PROGRESS).where(_PROGRESS.c.task.in_(tasks[i : i + _CHUNK])))

    def put(self, task: str, progress: Progress) -> None:
        """Take the place of what was said before."""
        c = _PROGRESS.c
        with self._store.transaction() as connection:
            connection.execute(delete(_PROGRESS).where(c.task == task))
            connection.execute(
                insert(_PROGRESS).values(
                    task=task,
                    done=progress.done,
                    total=progress.total,
                    text=progress.text,
                    time=progress.time,
                )
            )


class Reporter:
    """Takes what one attempt says of its progress, and writes the last of it now and then."""

    def __init__(self, store: Store, task: str) -> None:
        self._store, self._task = store, task
        self._lock = Lock()
        self._written = -_PAUSE
        self._waiting: Progress | None = None

    def __call__(self, done: float, total: float | None, text: str | None) -> None:
        """Take one report; `TypeError` if its numbers are none."""
        for number in (done, 0 if total is None else total):
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise TypeError(f"progress(done, total) takes numbers, not {number!r}")
        line = None if text is None else str(text)[:_LONGEST]
        with self._lock:
            self._waiting = Progress(done, total, line, self._store.clock.time())
            if time.monotonic() - self._written >= _PAUSE:
                self._write()

    def flush(self) -> None:
        """Write what was said last, if that is still to be done."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._waiting is not None:
            Progresses(self._store).put(self._task, self._waiting)
            self._waiting, self._written = None, time.monotonic()

"""The log of a bucket: records are committed as they are logged, the oldest go, and who listens is woken.

What a call has returned from is written. What is captured of a task is handed to the store's writer
instead, which commits it together with whatever else is waiting; the task waits for that at its end.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from threading import Condition
from time import monotonic
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...store import Prepared, Store
from .._secrets import MASK, masked
from .._whereabouts import host, user
from ._levels import SYSTEM
from ._tables import COLUMNS, KEEPING, LOGS, TABLES, VERSION

__all__ = ["Asked", "Keeping", "LogStore", "Record", "Stream"]

_ADD: Final = Prepared(insert(LOGS), *COLUMNS)
_KEPT: Final = Prepared(select(KEEPING.c.masks).where(KEEPING.c.bucket == bindparam("b")))
_SIZE: Final = 64 << 20  # characters of one bucket, unless somebody says otherwise
_AGE: Final = 90 * 86_400.0  # seconds
_SHARE: Final = 16  # the part of the size after which a process looks for what is too old
_LONGEST: Final = 1 << 16  # characters of one record
_WAITING: Final = 10_000  # records that a task may be ahead of the store
_RING: Final = 0.1  # seconds between two rings while records come one after the other
_LATE: Final = 500  # records that may overtake one whose transaction is slow
_PAGE: Final = _LATE + 1000  # records that are read at once by those who follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of the log.

    Attributes
    ----------
    level, levelno
        Such as ``INFO`` and 20.
    logger
        Its name.
    msg
        What was said.
    text
        The same with time, level and logger before it, and a traceback after it if there is one.
    hostname, userid
        Where, and as whom.
    created
        UNIX time in seconds.
    taskid
        Of the task that said it, if it was one.
    id
        Grows with each record of the store.
    """

    id: int = 0
    level: str
    levelno: int
    logger: str
    msg: str
    text: str
    hostname: str
    created: float
    userid: str
    taskid: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept of a log.

    Attributes
    ----------
    size
        Characters; the oldest records go.
    age
        Seconds; None for any.
    masks
        Regular expressions: what they find is hidden.
    """

    size: int = _SIZE
    age: float | None = _AGE
    masks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which records are asked for; what is None does not matter.

    Attributes
    ----------
    levelno
        This, or higher.
    logger
        Its name, or that of one above it.
    task
        Its id.
    since
        UNIX time in seconds.
    after
        Records whose id is larger.
    """

    levelno: int | None = None
    logger: str | None = None
    task: str | None = None
    since: float | None = None
    after: int | None = None


class LogStore:
    """The log of one bucket; safe to use from any thread and process.

    Attributes
    ----------
    topic
        Rung after each change.
    """

    def __init__(self, store: Store, bucket: str) -> None:
        store.ensure("logs", VERSION, TABLES)
        self.store, self.bucket = store, bucket
        self.topic = f"logs/{bucket}"
        self._begun = False
        self._written = 0

    def make(
        self, level: str, levelno: int, logger: str, msg: str, task: str | None, more: str = ""
    ) -> dict[str, Any]:
        """Make a row of what is said now; `more` stands below its text."""
        self._begin()  # so that nothing is older than the log
        now = self.store.clock.time()
        at = datetime.fromtimestamp(now, UTC).isoformat(" ", "milliseconds")
        said = msg if len(msg) <= _LONGEST else f"{msg[:_LONGEST]}..."
        head = f"{at.removesuffix('+00:00')} {level} {logger}: "
        text = head + said + (f"\n{more[-_LONGEST:]}" if more else "")
        found = {"level": level, "levelno": levelno, "logger": logger, "msg": said, "text": text}
        found |= {"hostname": host(), "created": now, "userid": user(), "task": task}
        return {"bucket": self.bucket, "size": len(said) + len(text), **found}

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write records, and wake who listens."""
        with self.store.transaction(_beside) as connection:
            self.put(connection, rows)
        self._noted(rows)
        self.store.ring(self.topic)

    def put(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Write records in somebody's transaction; secrets are hidden before they are written."""
        kept = _KEPT(connection, {"b": self.bucket}).fetchone()
        patterns = () if kept is None else _compiled(kept[0])
        for row in rows:
            hidden = {name: _masked(row[name], patterns) for name in ("msg", "text")}
            _ADD(connection, {**row, **hidden})

    def mask(self) -> Callable[[str], str]:
        """Give what hides the secrets of a text as they are hidden in this log."""
        with self.store.reading() as connection:
            kept = _KEPT(connection, {"b": self.bucket}).fetchone()
        return partial(_masked, patterns=() if kept is None else _compiled(kept[0]))

    def stream(self) -> "Stream":
        """Give a way to write many records without waiting for each."""
        return Stream(self)

    def read(self, asked: Asked, last: int | None = None) -> list[Record]:
        """Give records in order; the last so many of them, if that is said."""
        found = self._asked(asked)
        found = (
            found.order_by(LOGS.c.id.desc()).limit(last) if last is not None else found.order_by(LOGS.c.id)
        )
        with self.store.reading() as connection:
            rows = [_record(row) for row in connection.execute(found)]
        # Of one process in the order in which it said them, though some are written by its writer.
        return sorted(rows, key=lambda record: (record.created, record.id))

    def follow(self, asked: Asked, over: Callable[[], bool] = lambda: False) -> Iterator[Record]:
        """Give records as they come, those that are there first; ends when `over` says so and all are read.

        `over` is asked after each ring, and once a second, for the end of a task rings elsewhere.
        """
        news = Condition()
        rung = [True]

        def heard() -> None:
            with news:
                rung[0] = True
                news.notify()

        stop = self.store.listen(self.topic, heard)
        seen = _Seen(asked.after or 0)
        try:
            while True:
                ended = over()
                while page := seen.new(self._page(asked, seen.since)):
                    yield from page
                if ended:
                    return
                with news:
                    news.wait_for(lambda: rung[0], 1.0)
                    rung[0] = False
        finally:
            stop()

    def keeping(self) -> Keeping:
        """Say what is kept."""
        with self.store.reading() as connection:
            row = connection.execute(select(KEEPING).where(KEEPING.c.bucket == self.bucket)).one_or_none()
        if row is None:
            return Keeping()
        return Keeping(size=row.size, age=row.age, masks=tuple(json.loads(row.masks)))

    def keep(self, keeping: Keeping) -> None:
        """Change what is kept; what is too much goes at once."""
        self._begin()
        values = {"size": keeping.size, "age": keeping.age, "masks": json.dumps(keeping.masks)}
        with self.store.transaction() as connection:
            connection.execute(update(KEEPING).where(KEEPING.c.bucket == self.bucket).values(values))
        self.trim()

    def trim(self) -> None:
        """Remove what is too old, or too much."""
        keeping = self.keeping()
        mine = LOGS.c.bucket == self.bucket
        sizes = func.sum(LOGS.c.size).over(order_by=LOGS.c.id.desc()).label("sizes")
        summed = select(LOGS.c.id, sizes).where(mine).subquery()
        last = select(func.max(summed.c.id)).where(summed.c.sizes > keeping.size)
        with self.store.reading() as connection:
            beyond = connection.scalar(last)
        with self.store.transaction(_beside) as connection:
            if beyond is not None:
                connection.execute(delete(LOGS).where(mine, LOGS.c.id <= beyond))
            if keeping.age is not None:
                old = self.store.clock.time() - keeping.age
                connection.execute(delete(LOGS).where(mine, LOGS.c.created < old))

    def reset(self) -> None:
        """Remove all records, and begin anew."""
        self._begin()
        with self.store.transaction() as connection:
            connection.execute(delete(LOGS).where(LOGS.c.bucket == self.bucket))
            self._open(connection)
        self.store.ring(self.topic)

    # ------------------------------------------------------------------------------------- inside

    def _asked(self, asked: Asked) -> Select[Any]:
        c = LOGS.c
        found = select(*(column for column in c if column.name not in ("bucket", "size")))
        found = found.where(c.bucket == self.bucket)
        if asked.levelno is not None:
            found = found.where(c.levelno >= asked.levelno)
        if asked.logger is not None:
            found = found.where(
                (c.logger == asked.logger) | c.logger.startswith(f"{asked.logger}.", autoescape=True)
            )
        if asked.task is not None:
            found = found.where(c.task == asked.task)
        if asked.since is not None:
            found = found.where(c.created >= asked.since)
        return found if asked.after is None else found.where(c.id > asked.after)

    def _page(self, asked: Asked, after: int) -> list[Record]:
        found = self._asked(asked).where(LOGS.c.id > after).order_by(LOGS.c.id).limit(_PAGE)
        with self.store.reading() as connection:
            return [_record(row) for row in connection.execute(found)]

    def _begin(self) -> None:
        """Write the first record of a log."""
        if self._begun:
            return
        with self.store.reading() as connection:
            there = _KEPT(connection, {"b": self.bucket}).fetchone() is not None
        if not there:
            first = {"bucket": self.bucket, "size": _SIZE, "age": _AGE, "masks": "[]"}
            try:
                with self.store.transaction() as connection:
                    connection.execute(insert(KEEPING).values(first))
                    self._open(connection)
            except IntegrityError:
                pass  # another process has written it since
        self._begun = True

    def _open(self, connection: Connection) -> None:
        self._begun = True
        _ADD(connection, self.make(SYSTEM, 0, "system", "log init", None))

    def _noted(self, rows: Sequence[dict[str, Any]]) -> None:
        """Look now and then for what is too much; `_SHARE` says how much may come before."""
        first, self._written = self._written == 0, self._written + sum(row["size"] for row in rows)
        if first or self._written > _SIZE // _SHARE:
            self.trim()
            self._written = 1


class _Seen:
    """The records that were given already; those of others may be committed out of order, a little late."""

    def __init__(self, after: int) -> None:
        self._first, self._last, self._ids = after, after, set[int]()

    @property
    def since(self) -> int:
        """Look at records after this one."""
        return max(self._first, self._last - _LATE)

    def new(self, records: Sequence[Record]) -> list[Record]:
        """Give those that were not given."""
        found = [record for record in records if record.id not in self._ids]
        self._last = max([self._last, *(record.id for record in found)])
        self._ids = {i for i in self._ids if i > self.since} | {record.id for record in found}
        return found


class Stream:
    """Writes records one after the other in the background; `close` returns when all are written."""

    def __init__(self, log: LogStore) -> None:
        self._log = log
        self._ready = Condition()
        self._waiting, self._rung = 0, 0.0
        self._size = 0
        self._error: BaseException | None = None

    def add(self, row: dict[str, Any]) -> None:
        """Write a record soon; waits only if very many are waiting."""
        with self._ready:
            self._ready.wait_for(lambda: self._waiting < _WAITING)
            self._waiting += 1
            self._size += row["size"]
        self._log.store.post(lambda connection: self._log.put(connection, [row]), self._then, fence=_beside)

    def close(self) -> None:
        """Wait until all is written.

        Raises
        ------
        StoreUnavailableError
            If something could not be written.
        """
        with self._ready:
            self._ready.wait_for(lambda: not self._waiting)
        if self._size:
            self._log._noted([{"size": self._size}])
        if self._error is not None:
            raise self._error

    def _then(self, _: None, error: BaseException | None) -> None:
        with self._ready:
            self._waiting -= 1
            self._error = self._error or error
            self._ready.notify_all()
            rings = not self._waiting or monotonic() - self._rung > _RING
            if rings:
                self._rung = monotonic()
        if rings:
            self._log.store.ring(self._log.topic)


def _beside(connection: Connection) -> None:
    """Let others write at the same time: records that are added are in nobody's way."""


def _record(row: Row[Any]) -> Record:
    facts = row._asdict()
    return Record(taskid=facts.pop("task"), **facts)


@lru_cache(maxsize=64)
def _compiled(masks: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(mask) for mask in json.loads(masks))


def _masked(text: str, patterns: Sequence[re.Pattern[str]]) -> str:
    shown = masked(text)
    for pattern in patterns:
        shown = pattern.sub(MASK, shown)
    return shown

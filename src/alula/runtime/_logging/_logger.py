"""The logger of a bucket, for whoever works there: models, scripts, notebooks and programs alike."""

import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Final, Literal, overload

from ..._core._extras import imported
from .._secrets import Hook, hooks
from ._levels import level_number
from ._store import Asked, LogStore, Record

__all__ = ["LogDataset", "LogHandler", "Logger"]

_ROOT: Final = "alula.logger"
_COLUMNS: Final = ("level", "levelno", "logger", "msg", "text", "hostname", "created", "userid", "taskid")


class LogDataset:
    """The records of a bucket's log, to be read and followed."""

    def __init__(self, log: LogStore) -> None:
        self._log = log

    @overload
    def get(
        self,
        level: str | None = ...,
        logger: str | None = ...,
        task: str | None = ...,
        tail: int | None = ...,
        raw: Literal[False] = ...,
        **where: Any,
    ) -> Any: ...
    @overload
    def get(
        self,
        level: str | None = ...,
        logger: str | None = ...,
        task: str | None = ...,
        tail: int | None = ...,
        *,
        raw: Literal[True],
        **where: Any,
    ) -> list[Record]: ...
    def get(
        self,
        level: str | None = None,
        logger: str | None = None,
        task: str | None = None,
        tail: int | None = None,
        raw: bool = False,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the word that programs know
        **where: Any,
    ) -> Any:
        """Give records, the oldest first.

        Parameters
        ----------
        level
            This, and what is more severe.
        logger
            Its name; loggers below it are meant too.
        task
            The id of a task.
        tail
            The last so many.
        raw
            Give a list of `Record` rather than a frame, for which pandas is not needed.
        filter, where
            Values of columns, such as ``hostname="a"``.

        Returns
        -------
        DataFrame
            Indexed by ``created`` (UTC), with level, levelno, logger, msg, text, hostname, created, userid
            and taskid; without rows if there are none.

        Raises
        ------
        ValueError
            If there is no such level or column.
        MissingExtraError
            If pandas is not installed, and `raw` was not asked for.
        """
        asked = Asked(levelno=None if level is None else level_number(level), logger=logger, task=task)
        wanted = {**(filter or {}), **where}
        _check(wanted)
        # What is filtered here is filtered before the last ones are counted.
        records = self._log.read(asked, None if wanted else tail)
        found = [each for each in records if all(getattr(each, k) == v for k, v in wanted.items())]
        last = found if tail is None else found[max(0, len(found) - tail) :]
        return last if raw else _framed(last)

    def tail(
        self,
        wait: bool = False,
        level: str | None = None,
        task: str | None = None,
        latest: int = 20,
        print: Callable[[str], Any] = print,  # noqa: A002 - what it does by default
    ) -> None:
        """Print the last records.

        Parameters
        ----------
        wait
            Whether to go on with what comes, until Ctrl-C.
        level, task
            As for `get`.
        latest
            How many to begin with.
        print
            What to do with each text.
        """
        records = self.get(level=level, task=task, tail=latest, raw=True)
        for record in records:
            print(record.text)
        if wait:
            last = records[-1].id if records else 0
            for record in self.follow(level=level, task=task, after=last):
                print(record.text)

    def follow(
        self,
        level: str | None = None,
        logger: str | None = None,
        task: str | None = None,
        after: int = 0,
        over: Callable[[], bool] = lambda: False,
    ) -> Iterator[Record]:
        """Give records as they come, from wherever they come; those that are there first.

        Parameters
        ----------
        level, logger, task
            As for `get`.
        after
            The `id` of a record: only those after it.
        over
            Asked now and then: whether to end, once all is read.
        """
        levelno = None if level is None else level_number(level)
        return self._log.follow(Asked(levelno=levelno, logger=logger, task=task, after=after), over)


class LogHandler(logging.Handler):
    """A handler for Python's logging that writes to the log of a bucket."""

    def __init__(self, logger: "Logger", level: int = logging.NOTSET) -> None:
        """Make one.

        Parameters
        ----------
        logger
            Where to write: such as ``alula.logger``.
        level
            What is less severe is left away.
        """
        super().__init__(level)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, under the name of the logger from which it comes."""
        try:
            more = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
            self._logger.write(record.levelname, record.levelno, record.name, record.getMessage(), more)
        except Exception:  # as Python's handlers do: who logs must not fail for it
            self.handleError(record)


class Logger:
    """Writes to the log of a bucket. Each call returns when the record is committed.

    Attributes
    ----------
    name
        Under which it writes; may be set.
    dataset
        The records.
    """

    def __init__(self, log: LogStore, task: Callable[[], str | None], name: str = _ROOT) -> None:
        """Make one; people get it as ``alula.logger``, or from `getLogger`.

        Parameters
        ----------
        task
            Gives the id of the task in which it is called, or None.
        """
        self.name, self.dataset = name, LogDataset(log)
        self._log, self._task = log, task
        self._level = level_number("INFO")

    def debug(self, msg: object, *args: object) -> None:
        """Log something at the level DEBUG; `args` are put into it as Python's logging does."""
        self._say("DEBUG", msg, args)

    def info(self, msg: object, *args: object) -> None:
        """Log something at the level INFO; see `debug`."""
        self._say("INFO", msg, args)

    def warning(self, msg: object, *args: object) -> None:
        """Log something at the level WARNING; see `debug`."""
        self._say("WARNING", msg, args)

    def error(self, msg: object, *args: object) -> None:
        """Log something at the level ERROR; see `debug`."""
        self._say("ERROR", msg, args)

    def critical(self, msg: object, *args: object) -> None:
        """Log something at the level CRITICAL; see `debug`."""
        self._say("CRITICAL", msg, args)

    def exception(self, msg: object, *args: object) -> None:
        """Log something at the level ERROR, with the traceback of the exception that is handled."""
        self._say("ERROR", msg, args, "".join(traceback.format_exception(*sys.exc_info())))

    def setLevel(self, level: str) -> None:
        """Let pass QUIET, CRITICAL, ERROR, WARNING, INFO or DEBUG: that, and what is more severe.

        Raises
        ------
        ValueError
            If there is no such level.
        """
        self._level = level_number(level)

    def getLogger(self, name: str) -> "Logger":
        """Give a logger of another name on the same log, which begins with the level of this one."""
        other = Logger(self._log, self._task, name)
        other._level = self._level
        return other

    def handler(self, level: str | int = logging.NOTSET) -> LogHandler:
        """Give a handler for Python's logging that writes here."""
        return LogHandler(self, level_number(level))

    @contextmanager
    def capture(self, logger: logging.Logger | str, level: str | int | None = None) -> Iterator[None]:
        """Have what a logger of Python logs, and all below it, written here as well, inside the block.

        Parameters
        ----------
        logger
            The logger, or its name.
        level
            To be set meanwhile; the logger's own by default.
        """
        source = logging.getLogger(logger) if isinstance(logger, str) else logger
        before, handler = source.level, self.handler()
        if level is not None:
            source.setLevel(level_number(level))
        source.addHandler(handler)
        try:
            yield
        finally:
            source.removeHandler(handler)
            source.setLevel(before)

    def mask(self, *patterns: str, hook: Hook | None = None) -> None:
        """Hide secrets: passwords in URLs and values of telling names are hidden in any case.

        Parameters
        ----------
        patterns
            Regular expressions. What they find is hidden in all that is logged to this bucket from now on, by
            any process.
        hook
            Is given each text that this process logs, and gives what is to be written.

        Raises
        ------
        ValueError
            If a pattern is none.
        """
        _check_patterns(patterns)
        if hook is not None:
            hooks.append(hook)
        if patterns:
            keeping = self._log.keeping()
            self._log.keep(replace(keeping, masks=tuple(dict.fromkeys((*keeping.masks, *patterns)))))

    def retain(self, size: int | None = None, age: float | None = None) -> None:
        """Say how much of the log is kept; the oldest records go.

        Parameters
        ----------
        size
            Characters, 64 million by default; None leaves it as it is.
        age
            Seconds, 90 days by default; None leaves it as it is.

        Raises
        ------
        ValueError
            If one is not above zero.
        """
        given = {name: value for name, value in {"size": size, "age": age}.items() if value is not None}
        for name, value in given.items():
            if value <= 0:
                raise ValueError(f"{name}={value!r} would keep nothing: reset() empties the log")
        self._log.keep(replace(self._log.keeping(), **given))  # type: ignore[arg-type]  # a name each

    def show(self, latest: int = 20) -> None:
        """Print the last records."""
        self.dataset.tail(latest=latest)

    def reset(self) -> None:
        """Empty the log."""
        self._log.reset()

    def write(self, level: str, levelno: int, name: str, msg: str, more: str = "") -> None:
        """Write a record as somebody else's.

        Parameters
        ----------
        level, levelno
            Name and number.
        name
            Of the logger that it comes from.
        msg, more
            The message, and what stands below it, such as a traceback.
        """
        self._log.add([self._log.make(level, levelno, name, msg, self._task(), more)])

    def __repr__(self) -> str:
        return f"<logger {self.name} of {self._log.bucket}>"

    def _say(self, level: str, msg: object, args: Sequence[object], more: str = "") -> None:
        number = level_number(level)
        if number >= self._level:
            text = str(msg)
            self.write(level, number, self.name, text % args if args else text, more)


def _check(wanted: dict[str, Any]) -> None:
    for name in wanted:
        if name not in _COLUMNS:
            raise ValueError(f"{name!r} is no column of logs; there are {', '.join(_COLUMNS)}")


def _check_patterns(patterns: Sequence[str]) -> None:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"the pattern {pattern!r} is none: {error}") from error


def _framed(records: Sequence[Record]) -> Any:
    pandas = imported("pandas", "lab", "tables of logs")
    frame = pandas.DataFrame([asdict(record) for record in records], columns=list(_COLUMNS))
    frame["created"] = pandas.to_datetime(frame["created"].astype("float64"), unit="s", utc=True)
    return frame.set_index("created", drop=False)

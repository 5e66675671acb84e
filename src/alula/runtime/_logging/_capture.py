"""Capture: what a task prints and logs through Python goes to the log, if its call asked for that."""

import io
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Lock
from typing import Any, Final, TextIO

from .._current import TaskContext
from ._levels import Capture
from ._store import LogStore, Stream

__all__ = ["capturing"]

_LINE: Final = 1 << 16  # characters after which a line without an end is written as it is
_OWN: Final = ("sqlalchemy.", "alula.store")  # what writing a record may itself log
_PRINTED: Final = {"stdout": ("INFO", logging.INFO), "stderr": ("WARNING", logging.WARNING)}


@contextmanager
def capturing(context: TaskContext) -> Iterator[None]:
    """Write to the log what a task says, and at the end whether it has failed."""
    capture = context.order.logging
    if capture is None:
        yield
        return
    log = LogStore(context.objects.store, context.bucket)
    task = _Task(log, context.id, capture)
    with task.heard():
        try:
            yield
        except BaseException as error:  # whatever ends a task, an interrupt included
            task.failed(context.order.title, error)
            raise


class _Task:
    """What is captured of one task."""

    def __init__(self, log: LogStore, task: str, capture: Capture) -> None:
        self._log, self._id, self._capture = log, task, capture
        self._stream: Stream = log.stream()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Capture, inside the block; when it ends, all is written."""
        logger = logging.getLogger(self._capture.logger)
        handler = _Handler(self.say, self._capture.level)
        before = logger.level
        with ExitStack() as stack:
            stack.callback(self._stream.close)
            for name, (level, number) in _PRINTED.items():
                if number >= self._capture.level:
                    stack.enter_context(_tee(name, partial(self.say, level, number, name)))
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)
            if logger.getEffectiveLevel() > self._capture.level:
                logger.setLevel(self._capture.level)
                stack.callback(logger.setLevel, before)
            yield

    def say(self, level: str, number: int, logger: str, msg: str, more: str = "") -> None:
        """Write a record."""
        self._stream.add(self._log.make(level, number, logger, msg, self._id, more))

    def failed(self, title: str, error: BaseException) -> None:
        """Write that the task has failed; with the traceback, where everything is captured."""
        whole = self._capture.level <= logging.DEBUG
        more = "".join(traceback.format_exception(error)) if whole else ""
        said = "".join(traceback.format_exception_only(error)).strip()
        self.say("ERROR", logging.ERROR, "alula.task", f"{title} failed: {said}", more)


class _Handler(logging.Handler):
    def __init__(self, say: Callable[..., None], level: int) -> None:
        super().__init__(level)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_OWN):
            return
        try:
            more = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
            self._say(record.levelname, record.levelno, record.name, record.getMessage(), more)
        except Exception:  # as Python's handlers do: who logs must not fail for it
            self.handleError(record)


@contextmanager
def _tee(name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Have whole lines that are printed to a stream of this process also said."""
    before: TextIO = getattr(sys, name)
    tee = _Tee(before, say)
    setattr(sys, name, tee)
    try:
        yield
    finally:
        setattr(sys, name, before)
        tee.end()


class _Tee(io.TextIOBase):
    """A stream that passes on what is written to it, and says each line."""

    def __init__(self, stream: TextIO, say: Callable[[str], None]) -> None:
        self._stream, self._say = stream, say
        self._lock, self._rest = Lock(), ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            if len(self._rest) > _LINE:
                lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            if line:
                self._say(line)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def writable(self) -> bool:
        return True

    def end(self) -> None:
        """Say what is left of the last line."""
        with self._lock:
            rest, self._rest = self._rest, ""
        if rest:
            self._say(rest)

    def __getattr__(self, name: str) -> Any:  # encoding, fileno, isatty and the like
        return getattr(self._stream, name)

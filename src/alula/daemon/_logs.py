"""Logs of programs that run for long: a line for each thing that happens, for people or for programs.

What belongs to an event beside its text is given to `logging` as `extra`: it becomes fields of the JSON line.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

__all__ = ["LogFormat", "log_to"]

LogFormat: TypeAlias = Literal["text", "json", "redis"]
"""How lines look: for people, one JSON object each, or as redis-server writes them."""

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "verbose": logging.DEBUG,
    "notice": logging.INFO,
    "warning": logging.WARNING,
}
_GIVEN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def log_to(path: str, form: LogFormat, *, level: str = "notice") -> logging.Handler:
    """Write what Alula logs from now on.

    Parameters
    ----------
    path
        The file, which is appended to; empty for standard error, or for standard output in Redis' form.
    form
        How lines look.
    level
        In Redis' words: ``debug``, ``verbose``, ``notice`` or ``warning``.

    Returns
    -------
    logging.Handler
        What was installed; `logging.getLogger("alula").removeHandler` takes it away again.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    stream = sys.stdout if form == "redis" else sys.stderr
    handler = logging.FileHandler(path) if path else logging.StreamHandler(stream)
    handler.setFormatter(_FORMS[form]())
    logger = logging.getLogger("alula")
    logger.addHandler(handler)
    logger.setLevel(_LEVELS[level])
    logger.propagate = False
    return handler


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": "log",
            "message": record.getMessage(),
            "process": record.process,
        }
        # What begins with a line below is another library's, which has told `logging` to note it.
        extra = {name: value for name, value in vars(record).items() if not name.startswith("_")}
        facts |= {name: value for name, value in extra.items() if name not in _GIVEN}
        if record.exc_info:
            facts["error"] = self.formatException(record.exc_info)
        return json.dumps(facts, default=str)


class _Redis(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created)
        mark = "#" if record.levelno >= logging.WARNING else "*"
        text = (
            f"{record.process}:M {when:%d %b %Y %H:%M:%S}.{record.msecs:03.0f} {mark} {record.getMessage()}"
        )
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


_FORMS: Final[dict[LogFormat, type[logging.Formatter]]] = {"text": _Text, "json": _Json, "redis": _Redis}

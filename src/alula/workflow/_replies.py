"""Replies: what a worker answers when an attempt of a task has ended."""

import pickle
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._core._ids import Key
from ._tasks import Span, Task
from ._vault import Stored

__all__ = ["Fault", "Raised", "Reply"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A later link of a chain that ran in place has failed, and the chain with it.

    Attributes
    ----------
    key
        Of that link.
    error
        Packed.
    """

    key: Key
    error: bytes


@dataclass(frozen=True, slots=True)
class Raised:
    """A body to which the worker had gone ahead has raised.

    Attributes
    ----------
    error
        Packed.
    started
        When the body began, in UNIX seconds.
    """

    error: bytes
    started: float

    def plain(self) -> tuple[object, ...]:
        """Give it in built-in types."""
        return "raised", self.error, self.started


Result: TypeAlias = Stored | tuple[Task, ...] | Fault | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a worker answers.

    Attributes
    ----------
    result
        The stored value; the tasks of a continuation; how a chain failed; or None for a value that is not
        to be stored, which is then the second reference of the engine's task.
    started, ended
        When the body began and ended, in UNIX seconds.
    link
        Key of the task whose result this is, if a chain has run on in place and is recorded up to there.
    written
        Whether nothing is left to be recorded: the worker has done so, or it is not to be.
    later
        Tasks to which the worker has gone ahead, in their order, and what it answers for each.
    """

    result: Result
    started: float
    ended: float
    link: Key | None = None
    written: bool = False
    later: "tuple[tuple[Key, Reply | Raised], ...]" = ()

    @classmethod
    def made(cls, result: Result, span: Span) -> "Reply":
        """Make the reply of a task that did not run on in place."""
        return cls(result=result, started=span.started, ended=span.ended)

    def plain(self) -> tuple[object, ...]:
        """Give the reply in built-in types, as far as it goes, for the engine's faster pickler."""
        parts: object
        match self.result:
            case Stored(digest, data):
                kind, parts = "value", (digest, data)
            case Fault(key, error):
                kind, parts = "fault", (key, error)
            case tasks:
                kind, parts = "tasks", tasks
        return kind, parts, self.started, self.ended, self.link, self.written, self._later()

    @classmethod
    def of(cls, plain: Any) -> "Reply":
        """Rebuild a reply."""
        kind, parts, started, ended, link, written, given = plain
        match kind:
            case "value":
                parts = Stored(*parts)
            case "fault":
                parts = Fault(*parts)
        if isinstance(given, bytes):
            given = pickle.loads(given)
        later = tuple([(key, Raised(*p[1:]) if p[0] == "raised" else cls.of(p)) for key, p in given])
        return cls(result=parts, started=started, ended=ended, link=link, written=written, later=later)

    def _later(self) -> object:
        if not self.later:
            return ()
        # Many small things together may hold code of the user's, for all that the engine's pickler sees.
        later = [(key, reply.plain()) for key, reply in self.later]
        return later if any(plain[0] == "tasks" for _, plain in later) else pickle.dumps(later, 5)

"""What a worker is asked to do, and the results that are on their way to whoever asked."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ...errors import ActorDiedError
from .._engine import ActorExit
from .._remote import ActorType
from ._peers import Peer
from ._producers import Yields
from ._values import Blob
from ._wire import Descriptor, Message

__all__ = ["BUFFER", "InputError", "Results", "Work", "explained", "split", "stillborn"]

BUFFER: Final = 0.001
"""s for which finished results may wait for others."""

_MOST_FDS = 100  # descriptors that may wait with them


@dataclass(slots=True, eq=False)
class Work:
    """A task, or a call of the actor's method, that somebody asked for."""

    peer: Peer
    number: int
    what: Any  # definition of the function, or name of the method
    returns: int
    args: Blob
    name: str
    run: Callable[["Work"], list[Blob]]
    is_task: bool
    group: str | None = None  # the concurrency group of an actor's call
    cancelled: bool = False  # somebody has asked it to end
    started: float = 0.0  # when it began beside others, on the monotonic clock; 0 if it has not
    stream: Yields | None = None  # what takes the values, if the function has to yield them

    def fail(self, blob: Blob) -> list[Blob]:
        """Give an error in place of all values."""
        return [blob] * max(1, self.returns)


@dataclass(slots=True)
class Results:
    """Results on their way to one peer."""

    since: float
    items: list[tuple[int, list[Message]]]
    fds: list[Descriptor]
    bursts: list[tuple[int, int, int, list[Message]]]
    seconds: float = 0.0

    def is_young(self, now: float) -> bool:
        """Whether they may wait for others."""
        return now - self.since < BUFFER and len(self.fds) <= _MOST_FDS


def split(value: Any, work: Work) -> list[Any]:
    """Give the values of a work that gives several; `ValueError` if they are not as many as it said."""
    values = list(value) if inspect.isgenerator(value) or isinstance(value, (tuple, list)) else None
    if values is None or len(values) != work.returns:
        found = f"{len(values)} values" if values is not None else f"a {type(value).__name__}"
        raise ValueError(f"{work.name} has num_returns={work.returns} and returned {found}")
    return values


class InputError(Exception):
    """An input of a work could not be computed."""

    def __init__(self, blob: Blob) -> None:
        super().__init__()
        self.blob = blob


def stillborn(cls: ActorType, raised: BaseException) -> ActorDiedError:
    """Give the error of an actor whose making has failed."""
    if isinstance(raised, ActorExit):
        return ActorDiedError(cls.name, "it left by exit_actor() in its __init__")
    error = ActorDiedError(cls.name, f"its __init__ raised {type(raised).__name__}: {raised}")
    error.__cause__ = raised if isinstance(raised, Exception) else None
    return error


def explained(error: BaseException) -> BaseException:
    """Say of an error of a task what does not go without saying."""
    if isinstance(error, SystemExit):
        error.add_note("the task called sys.exit(); a task ends by returning")
    return error

"""How a command is declared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .._client import Client
from .._later import Later
from .._resp import Reply

__all__ = ["Command", "Handler"]

Handler: TypeAlias = Callable[[Client, list[bytes]], Reply | Later]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command and what is known of it before it runs.

    Attributes
    ----------
    name
        In upper case.
    run
        What carries it out, given all its words; an error is raised as `CommandError`.
    least, most
        How many words it takes, its name counted; None is without limit.
    flags
        As COMMAND lists them.
    keys
        Positions of the first and last key, and the step between them.
    """

    name: str
    run: Handler
    least: int = 1
    most: int | None = None
    flags: tuple[str, ...] = ()
    keys: tuple[int, int, int] = (0, 0, 0)

    @property
    def arity(self) -> int:
        """The number of words, in Redis' way: below zero it is the least."""
        return self.least if self.least == self.most else -self.least

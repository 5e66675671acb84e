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
    find
        Gives the keys among the words, where positions do not say which they are.
    blocks
        Whether it may take long, so that transactions and scripts cannot have it.
    group
        What it is about, as COMMAND DOCS says.
    parts
        Its subcommands, each with its own name and all words counted: ``CLIENT|ID`` has two.
    """

    name: str
    run: Handler
    least: int = 1
    most: int | None = None
    flags: tuple[str, ...] = ()
    keys: tuple[int, int, int] = (0, 0, 0)
    find: Callable[[list[bytes]], list[bytes]] | None = None
    blocks: bool = False
    group: str = "server"
    parts: "tuple[Command, ...]" = ()

    @property
    def arity(self) -> int:
        """The number of words, in Redis' way: below zero it is the least."""
        return self.least if self.least == self.most else -self.least

    def takes(self, count: int) -> bool:
        """Tell whether a command of so many words is one of these."""
        return count >= self.least and (self.most is None or count <= self.most)

    def keys_of(self, words: list[bytes]) -> list[bytes]:
        """Give the keys that a command names, in the order of its words; of a wrong one, the first few."""
        if self.find is not None:
            return self.find(words)
        first, last, step = self.keys
        return words[first : last + 1 if last >= 0 else len(words) + last + 1 : step] if first else []

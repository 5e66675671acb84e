"""How a command is declared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from ...errors import CommandError
from .._client import Client
from .._later import Later
from .._resp import Reply
from .._words import shown

__all__ = ["OOM", "Command", "Handler", "container", "plain"]

OOM: Final = "OOM command not allowed when used memory > 'maxmemory'."
"""What commands answer that would hold more memory, when all that may be held is."""

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
        Its subcommands by name, each with all words counted: ``CLIENT|ID`` has two. See `container`.
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
    parts: "Mapping[bytes, Command]" = field(default_factory=dict)

    @property
    def arity(self) -> int:
        """The number of words, in Redis' way: below zero it is the least."""
        return self.least if self.least == self.most else -self.least

    @property
    def grows(self) -> bool:
        """Whether it may need more memory; modules spell that flag otherwise than Redis does."""
        return "denyoom" in self.flags or "deny-oom" in self.flags

    def takes(self, count: int) -> bool:
        """Tell whether a command of so many words is one of these."""
        return count >= self.least and (self.most is None or count <= self.most)

    def keys_of(self, words: list[bytes]) -> list[bytes]:
        """Give the keys that a command names, in the order of its words; of a wrong one, the first few."""
        if self.find is not None:
            return self.find(words)
        first, last, step = self.keys
        return words[first : last + 1 if last >= 0 else len(words) + last + 1 : step] if first else []

    def part(self, words: list[bytes]) -> "Command":
        """Give the subcommand that some words call, or the command itself where there is none.

        Raises
        ------
        CommandError
            If there is no such subcommand, or not with so many words.
        """
        if not self.parts or len(words) == 1:
            return self
        part = self.parts.get(words[1].upper())
        if part is None:
            raise CommandError(f"ERR unknown subcommand '{shown(words[1][:128])}'. Try {self.name} HELP.")
        if not part.takes(len(words)):
            raise CommandError(f"ERR wrong number of arguments for '{part.name.lower()}' command")
        return part


def container(
    name: str,
    *parts: Command,
    group: str = "server",
    flags: tuple[str, ...] = (),
    alone: Handler | None = None,
) -> Command:
    """Make a command out of its subcommands, which are declared with names of their own alone.

    Parameters
    ----------
    name
        In upper case.
    parts
        All but HELP.
    group, flags
        See `Command`.
    alone
        What carries it out without a subcommand; None if it needs one.
    """
    named = {part.name.encode(): _inside(part, name, group) for part in parts}
    lines: list[Reply] = [f"{name} <subcommand> [<argument> ...], where <subcommand> is:"]
    lines += sorted(part.decode() for part in named)
    helps = Command(name="HELP", run=lambda client, words: lines, least=2, most=2, flags=("loading", "stale"))
    named[b"HELP"] = _inside(helps, name, group)

    def run(client: Client, words: list[bytes]) -> Reply | Later:
        if alone is not None and len(words) == 1:
            return alone(client, words)
        return command.part(words).run(client, words)

    least = 2 if alone is None else 1
    command = Command(name=name, run=run, least=least, flags=flags, group=group, parts=named)
    return command


def _inside(part: Command, name: str, group: str) -> Command:
    return replace(part, name=f"{name}|{part.name}", group=group)


def plain(
    group: str,
    name: str,
    run: Callable[[Client, list[bytes]], Reply],
    least: int,
    most: int | None,
    flags: tuple[str, ...],
    keys: tuple[int, int, int] = (1, 1, 1),
) -> Command:
    """Declare a command of one of Redis' groups; by default its key is the word behind its name."""
    return Command(name=name, run=run, least=least, most=most, flags=flags, keys=keys, group=group)

"""Commands that write, of whatever clients: those that are there at one time go to Redis together.

A convoy watches all keys that its commands name, looks at them, has the commands carried out in their
order on one view of what was found, and sends all that they change in one MULTI. Where nothing changes
meanwhile these are two ways to Redis and back for all of them, and the second one is also the first of
the next convoy. There is one at a time, so commands of this server are never in each other's way.

What cannot be carried out together is carried out alone: when somebody else has changed one of the keys,
or Redis refuses, and it has to be found out whose command that was.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from ...errors import CommandError
from ._link import Link, LostError
from ._pool import Pool
from ._replies import Answer
from ._survey import survey
from ._view import Changes, Found, View

__all__ = ["Convoy", "Errand"]

_MOST: Final = 128  # errands of one convoy

_Part = tuple["Errand", Changes | CommandError, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What goes along with others.

    Attributes
    ----------
    reads
        Keys whose values it wants to see; of models and scripts, the type alone.
    types
        Keys of which it wants to know the type.
    play
        Carries it out on a view that has these, and gives what it changes, or why it cannot be.
    ended
        Told that this has happened, or the error because of which it has not.
    alone
        Carries it out without others.
    """

    reads: Sequence[bytes]
    types: Sequence[bytes]
    play: Callable[[View], Changes | CommandError]
    ended: Callable[[CommandError | None], None]
    alone: Callable[[], None]


class Convoy:
    """Takes errands to Redis.

    Parameters
    ----------
    pool
        Gives the link.
    view
        Makes a view of what was found.
    commands
        Gives the commands that make changes happen.
    """

    def __init__(
        self,
        pool: Pool,
        view: Callable[[Found], View],
        commands: Callable[[Changes], list[tuple[bytes, ...]]],
    ) -> None:
        self._pool, self._view, self._commands = pool, view, commands
        self._waiting: list[Errand] = []
        self._link: Link | None = None  # while anything is on its way
        self._busy = False  # errands that come now are taken along by and by
        self._flying = 0  # transactions that have no answer yet

    def join(self, errand: Errand) -> None:
        """Take an errand along."""
        self._waiting.append(errand)
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        link = self._link
        if link is not None and link.lost is None:
            self._depart(link)
            return
        if link is not None:
            self._pool.give(link)
        self._pool.take(self._depart)

    def _depart(self, link: Link) -> None:
        """See what is under the keys of those that wait."""
        self._link = link
        errands, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        reads = dict.fromkeys(key for errand in errands for key in errand.reads)
        types = dict.fromkeys(key for errand in errands for key in errand.types if key not in reads)
        survey(link, list(reads), list(types), partial(self._surveyed, link, errands))

    def _surveyed(self, link: Link, errands: list[Errand], found: Found | CommandError) -> None:
        """Carry out the errands, and send what they change."""
        if isinstance(found, CommandError):
            link.send((b"UNWATCH",), _nothing)
            self._next(link)
            _apart(errands, found)
            return
        view, parts, sent = self._view(found), list[_Part](), list[tuple[bytes, ...]]()
        for errand in errands:
            changes = errand.play(view)
            start = len(sent)
            if not isinstance(changes, CommandError):
                sent += self._commands(changes)
            parts.append((errand, changes, slice(start, len(sent))))
        if sent:
            self._flying += 1
            executed = partial(self._executed, link, parts)
            link.send_all([(b"MULTI",), *sent, (b"EXEC",)], executed)
            self._next(link)
        else:
            link.send((b"UNWATCH",), _nothing)
            self._next(link)
            _end(parts, [])

    def _next(self, link: Link) -> None:
        """Have those that have come meanwhile follow at once."""
        self._busy = bool(self._waiting)
        if self._busy:
            self._begin()
        else:
            self._rest(link)

    def _rest(self, link: Link) -> None:
        """Give the link back if there is nothing more on its way."""
        if not (self._busy or self._flying):
            self._link = None
            self._pool.give(link)

    def _executed(self, link: Link, parts: list[_Part], answers: list[Answer] | LostError) -> None:
        self._flying -= 1
        if self._link is link:
            self._rest(link)
        last = answers[-1] if isinstance(answers, list) else answers
        if isinstance(last, list):
            _end(parts, last)
        else:
            _apart([errand for errand, _, _ in parts], last if isinstance(last, LostError) else None)


def _nothing(_: object) -> None:
    pass


def _end(parts: list[_Part], answers: list[Answer]) -> None:
    """Tell each errand what came of it."""
    for errand, changes, place in parts:
        if isinstance(changes, CommandError):
            errand.ended(changes)
        else:
            errors = [answer for answer in answers[place] if isinstance(answer, CommandError)]
            errand.ended(errors[0] if errors else None)


def _apart(errands: list[Errand], error: CommandError | None) -> None:
    """Carry out each by itself, unless Redis is away."""
    for errand in errands:
        if isinstance(error, LostError):
            errand.ended(error)
        else:
            errand.alone()

"""Commands on keys that a Redis has: fetch, call the handler, send what it has changed, then reply.

What is ours (``AI.*``) is carried out here, everything else is handed on as it is. A reply leaves when
Redis has acknowledged what it tells of; all that a command writes is one MULTI and EXEC.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from ...errors import CommandError
from ...graph import Recorded
from .._client import Client
from .._commands._table import Command
from .._failures import as_error
from .._keyspace import Value
from .._later import Later
from .._models import Model
from .._resp import Reply
from .._scripts import Script
from ._convoy import Convoy, Errand
from ._fetch import Fetcher
from ._link import Link
from ._pool import Pool
from ._replies import Answer
from ._survey import survey
from ._view import Changes, Found, ScanNeeded, Unfetched, View

__all__ = ["SMALL", "TYPE_ONLY", "Carrier", "is_ours", "run"]

_TRIES: Final = 100  # of a write that others are faster than

TYPE_ONLY: Final = {
    *("AI.TENSORSET", "AI.MODELSTORE", "AI.MODELSET", "AI.SCRIPTSTORE", "AI.SCRIPTSET"),
    *("AI.MODELDEL", "AI.SCRIPTDEL", "RESTORE"),
}
"""Commands whose handlers look at the type of their key only, or at whether there is one."""


SMALL: Final = 64 << 10
"""Bytes that a command may have to go along with others; a larger one would keep them waiting."""


def is_ours(handler: Command, words: list[bytes]) -> bool:
    """Tell whether a command is carried out here; if not, Redis knows what to do with it."""
    if handler.name == "RESTORE":
        return words[3][:1] == b"\x07"  # a value of a module, which Redis does not have
    return handler.name.startswith("AI.")


class Carrier:
    """Carries out commands.

    Parameters
    ----------
    pool, fetcher
        How Redis is reached.
    publish
        Gives the commands by which events are told.
    tell
        Tells of changes here, when they are there.
    """

    def __init__(
        self,
        pool: Pool,
        fetcher: Fetcher,
        publish: Callable[[Changes], list[tuple[bytes, ...]]],
        tell: Callable[[Changes], None],
    ) -> None:
        self.pool, self.fetcher = pool, fetcher
        self._publish, self._tell = publish, tell
        self.convoy = Convoy(pool, self.view, self.commands)

    def view(self, found: Found, everything: list[tuple[bytes, Value]] | None = None) -> View:
        """Make what commands see of what was found."""
        return View(found, everything, self.send)

    def carry_out(self, client: Client, handler: Command, words: list[bytes]) -> Reply | Later:
        """Give the reply of a command, or what it will come by."""
        later = Later()
        if handler.name in TYPE_ONLY:
            _Typed(self, client, handler, words, later).begin()
        else:
            _Fetched(self, client, handler, words, later).begin()
        return later.reply if later.settled else later

    def send(self, changes: Changes, then: Recorded) -> None:
        """Make changes happen, all or none, and tell when Redis has acknowledged them."""
        if sum(len(word) for words in changes.commands for word in words) > SMALL:
            self._send(changes, then, _TRIES)
            return

        def play(view: View) -> Changes | CommandError:
            return view.admit(changes) or changes

        def ended(error: CommandError | None) -> None:
            if error is None:
                self.told(changes)
            then(error)

        alone = partial(self._send, changes, then, _TRIES)
        self.convoy.join(Errand(reads=(), types=list(changes.types), play=play, ended=ended, alone=alone))

    def _send(self, changes: Changes, then: Recorded, tries: int) -> None:
        self.pool.take(partial(self._send_on, changes, then, tries))

    def _send_on(self, changes: Changes, then: Recorded, tries: int, link: Link) -> None:
        def probed(found: Found | CommandError) -> None:
            error = found if isinstance(found, CommandError) else _mismatch(found, changes)
            if error is not None:
                self.pool.give(link, watching=True)
                then(error)
            else:
                self.commit(link, changes, committed)

        def committed(error: CommandError | None, again: bool) -> None:
            if again and tries:
                self._send(changes, then, tries - 1)
            else:
                then(error)

        if changes.types:
            survey(link, (), list(changes.types), probed)
        else:
            probed({})

    def commit(self, link: Link, changes: Changes, then: Callable[[CommandError | None, bool], None]) -> None:
        """Send changes at once, and give the link back; tell the error, and whether to try again."""

        def ended(answers: list[Answer] | CommandError | None) -> None:
            self.pool.give(link)
            if isinstance(answers, list):
                self.told(changes)
                then(None, False)
            elif answers is None:
                then(CommandError("ERR others have changed the same keys again and again"), True)
            else:
                then(answers, False)

        self.pool.at_once(link, self.commands(changes), ended)

    def commands(self, changes: Changes) -> list[tuple[bytes, ...]]:
        """Give what makes changes happen, and tells of them at once."""
        return [*changes.commands, *self._publish(changes)]

    def told(self, changes: Changes) -> None:
        """Take note that changes have happened."""
        for words in changes.commands:
            value = changes.values.get(words[1])
            if isinstance(value, Model | Script):
                self.fetcher.keep(words[1], words[2], value)
        self._tell(changes)


def _mismatch(found: Found, changes: Changes) -> CommandError | None:
    for key, kind in changes.types.items():
        if found[key] is not None and type(found[key]) is not kind:
            return CommandError.wrongtype()
    return None


def run(client: Client, handler: Command, words: list[bytes]) -> Reply | Later:
    """Call a handler; an error is a reply too."""
    try:
        return handler.run(client, words)
    except CommandError as error:
        return error
    except Exception as error:  # a fault of ours costs one reply, not the server
        return as_error(error)


class _Carried:
    """One command on its way."""

    def __init__(
        self, carrier: Carrier, client: Client, handler: Command, words: list[bytes], later: Later
    ) -> None:
        self.carrier, self.client, self.handler, self.words = carrier, client, handler, words
        self.later = later
        self.view: View

    def call(self, found: Found, everything: list[tuple[bytes, Value]] | None = None) -> Reply | Later:
        """Call the handler; an error is a reply too."""
        self.view = self.client.keyspace = self.carrier.view(found, everything)
        return run(self.client, self.handler, self.words)

    def end_later(self, reply: Later) -> None:
        """Go on when the handler's reply is there."""
        self.later.cancel = reply.cancel
        if reply.settled:
            self.end(reply.reply)
        else:
            reply.watch(self.end)

    def end(self, reply: Reply) -> None:
        """Send what the handler has changed, then settle."""
        changes = self.view.changes()
        if isinstance(reply, CommandError) or not changes.commands:
            self.later.settle(reply)
        else:
            self.carrier.send(changes, lambda error: self.later.settle(_reply(error, reply)))


def _reply(error: BaseException | None, reply: Reply) -> Reply:
    """Give the reply of a command whose changes were sent; a graph's has the error behind its operations."""
    if error is None:
        return reply
    return [*reply, as_error(error)] if isinstance(reply, list) else as_error(error)


class _Fetched(_Carried):
    """A command that reads, or whose run ends later."""

    def begin(self) -> None:
        """Fetch what it reads."""
        self._fetch(_reads(self.handler, self.words))

    def _fetch(self, keys: list[bytes]) -> None:
        self.carrier.fetcher.fetch(keys, partial(self._fetched, keys))

    def _fetched(self, keys: list[bytes], found: Found | CommandError) -> None:
        if isinstance(found, CommandError):
            self.later.settle(found)
            return
        try:
            reply = self.call(found)
        except Unfetched as missing:
            self._fetch([*keys, missing.key])
        except ScanNeeded:
            self.carrier.fetcher.scan(partial(self._scanned, found))
        else:
            self._called(reply)

    def _scanned(self, found: Found, everything: list[tuple[bytes, Value]] | CommandError) -> None:
        if isinstance(everything, CommandError):
            self.later.settle(everything)
        else:
            self._called(self.call(found, everything))

    def _called(self, reply: Reply | Later) -> None:
        if isinstance(reply, Later):
            self.end_later(reply)
        else:
            self.end(reply)


def _reads(handler: Command, words: list[bytes]) -> list[bytes]:
    """Give the keys to fetch: all that it names but those that it only writes, as far as that is plain.

    A key that is left out and read after all is fetched when the handler asks for it.
    """
    written = set[bytes]()
    for at, word in enumerate(words):
        if word.upper() == b"OUTPUTS":
            written.update(words[at + 1 :])
            break
    keys = dict.fromkeys(handler.keys_of(words))
    before = set(words[: at + 1]) if written else set()
    return [key for key in keys if key not in written or key in before]


class _Typed(_Carried):
    """A command that writes one key and looks at its type only: all in one transaction that watches it."""

    tries = _TRIES

    def begin(self) -> None:
        """Watch the key, and see what type it has."""
        self.carrier.pool.take(self._probe)

    def _probe(self, link: Link) -> None:
        keys = list(dict.fromkeys(self.handler.keys_of(self.words)))
        survey(link, (), keys, partial(self._probed, link))

    def _probed(self, link: Link, found: Found | CommandError) -> None:
        if isinstance(found, CommandError):
            self.carrier.pool.give(link, watching=True)
            self.later.settle(found)
            return
        reply = self.call(found)
        if isinstance(reply, Later):
            self.carrier.pool.give(link, watching=True)
            self.end_later(reply)
            return
        changes = self.view.changes()
        if isinstance(reply, CommandError) or not changes.commands:
            self.carrier.pool.give(link, watching=True)
            self.later.settle(reply)
        else:
            self.carrier.commit(link, changes, partial(self._committed, reply))

    def _committed(self, reply: Reply, error: CommandError | None, again: bool) -> None:
        self.tries -= 1
        if again and self.tries:
            self.begin()
        else:
            self.later.settle(_reply(error, reply))

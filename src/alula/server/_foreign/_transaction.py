"""EXEC of a client, where a Redis has the keys: its commands and what ours write, in one MULTI of Redis'.

What ours read is watched before they are carried out, so it is still there when everything happens. A
command of Redis' own is handed on at its place in the order. A key that one of those has changed
cannot be read by ours behind it in the same transaction, and says so.
"""

from functools import partial
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._commands._table import Command
from .._commands._transactions import carry_out
from .._later import Later
from .._resp import NO_ARRAY, Raw, Reply
from ._carrier import Carrier, is_ours
from ._link import Link, LostError
from ._replies import split
from ._view import Changes, Found, ScanNeeded, Unfetched, View

__all__ = ["Execution"]

_TRIES: Final = 100


class Execution:
    """One EXEC on its way.

    Parameters
    ----------
    carrier
        Who sends changes.
    client
        Whose it is.
    queued
        The commands, with their words.
    link
        On which the client watches keys; None if it does not.
    """

    def __init__(
        self, carrier: Carrier, client: Client, queued: list[tuple[Command, list[bytes]]], link: Link | None
    ) -> None:
        self._carrier, self._client, self._queued = carrier, client, queued
        self._watching, self._own = link is not None, link is None
        self._link = link
        self._tries = _TRIES
        self._view: View
        self.later = Later()

    def begin(self) -> None:
        """Watch and fetch what ours read."""
        if self._link is None:
            self._carrier.pool.take(self._fetch, self._client.protocol)
        else:
            self._fetch(self._link)

    def _fetch(self, link: Link) -> None:
        self._link = link
        ours = [each for each in self._queued if is_ours(*each)]
        keys = dict.fromkeys(key for command, words in ours for key in command.keys_of(words))
        self._carrier.fetcher.watch(link, list(keys), self._fetched)

    def _fetched(self, found: Found | CommandError) -> None:
        if isinstance(found, CommandError):
            self._end(found)
            return
        self._view = self._client.keyspace = View(found, None, self._carrier.send)
        sent: list[tuple[bytes, ...]] = []
        replies: list[Reply | _Place] = []
        parts: list[Changes] = []
        for command, words in self._queued:
            if is_ours(command, words):
                replies.append(self._call(command, words))
                changes = self._view.changes()
                self._view.begin_anew()
                sent += self._carrier.commands(changes)
                parts.append(changes)
            else:
                replies.append(_Place(len(sent)))
                sent.append(tuple(words))
                self._view.forget(command.keys_of(words))
        self._send(sent, replies, parts)

    def _call(self, command: Command, words: list[bytes]) -> Reply:
        self._client.atomic = True
        try:
            return carry_out(self._client, command, words)
        except Unfetched:
            return CommandError("ERR a key that was changed in this transaction before cannot be read in it")
        except ScanNeeded:
            return CommandError("ERR all keys cannot be looked at in a transaction")
        finally:
            self._client.atomic = False

    def _send(
        self, sent: list[tuple[bytes, ...]], replies: "list[Reply | _Place]", parts: list[Changes]
    ) -> None:
        """Have Redis do all of it."""
        link, errors = self._link, list[bytes]()
        assert link is not None

        def queued(reply: bytes | LostError) -> None:
            if isinstance(reply, bytes) and reply.startswith(b"-"):
                errors.append(reply)

        link.send((b"MULTI",), queued)
        for words in sent:
            link.send(words, queued)
        link.send((b"EXEC",), partial(self._executed, replies, parts, errors))

    def _executed(
        self,
        replies: "list[Reply | _Place]",
        parts: list[Changes],
        errors: list[bytes],
        reply: bytes | LostError,
    ) -> None:
        if isinstance(reply, LostError):
            self._end(reply)
            return
        items = split(reply)
        if items is not None:
            for changes in parts:
                self._carrier.told(changes)
            self._end([Raw(items[each.at]) if isinstance(each, _Place) else each for each in replies])
        elif reply.startswith(b"-"):
            self._end(Raw(errors[0] if errors else reply))  # which says more than that it was discarded
        elif self._watching or not self._tries:
            self._end(NO_ARRAY)
        else:
            self._tries -= 1
            self.begin()

    def _end(self, reply: Reply) -> None:
        assert self._link is not None
        if self._own:
            self._carrier.pool.give(self._link, watching=isinstance(reply, CommandError))
        else:
            self._carrier.pool.drop(self._link)
        self.later.settle(reply)


class _Place:
    """Where among Redis' answers a reply stands."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        self.at = at

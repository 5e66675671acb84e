"""Commands of one client that are carried out together, and along with those of others."""

from collections.abc import Sequence
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._commands._table import Command
from .._later import Later, when
from .._resp import Reply, Several
from ._carrier import SMALL, TYPE_ONLY, Carrier, run
from ._convoy import Errand
from ._view import Changes, Found, View

__all__ = ["Together", "is_quick"]

# Their handlers look at nothing but tensors and types, and never take longer than a step.
_QUICK: Final = {"AI.TENSORSET", "AI.TENSORGET", "AI.MODELDEL", "AI.SCRIPTDEL"}


def is_quick(handler: Command, words: list[bytes]) -> bool:
    """Tell whether a command can be carried out together with others."""
    return handler.name in _QUICK and sum(map(len, words)) <= SMALL


class Together:
    """Quick commands of one client, in their order, along with those of others."""

    def __init__(self, carrier: Carrier, client: Client, calls: list[tuple[Command, list[bytes]]]) -> None:
        self._carrier, self._client, self._calls = carrier, client, calls
        self._changes: Changes
        self._replies: list[Reply] = []
        self._later = Later()

    def begin(self) -> Later:
        """Send for what they have to know; give what the replies will come by."""
        reads, types = list[bytes](), list[bytes]()
        for handler, words in self._calls:
            keys = types if handler.name in TYPE_ONLY else reads
            keys += handler.keys_of(words)
        if types:
            errand = Errand(reads=reads, types=types, play=self._play, ended=self._ended, alone=self._alone)
            self._carrier.convoy.join(errand)
        else:
            self._carrier.fetcher.fetch(reads, self._fetched, moment=False)
        return self._later

    def _fetched(self, found: Found | CommandError) -> None:
        if isinstance(found, CommandError):
            self._alone() if len(self._calls) > 1 else self._ended(found)
        else:
            self._play(self._carrier.view(found))
            self._ended(None)

    def _play(self, view: View) -> Changes:
        self._client.keyspace = view
        self._replies = []
        for handler, words in self._calls:
            reply = run(self._client, handler, words)
            assert not isinstance(reply, Later)
            self._replies.append(reply)
        self._client.keyspace = self._client.services.keyspace  # an idle client keeps nobody's tensors
        self._changes = view.changes()
        view.begin_anew()
        return self._changes

    def _ended(self, error: CommandError | None) -> None:
        if error is None:
            self._carrier.told(self._changes)
        self._settle([error] * len(self._calls) if error is not None else self._replies)

    def _settle(self, replies: Sequence[Reply]) -> None:
        self._later.settle(replies[0] if len(replies) == 1 else Several(tuple(replies)))

    def _alone(self) -> None:
        """Carry them out one after the other."""
        self._replies = []
        self._go_on()

    def _go_on(self) -> None:
        at = len(self._replies)
        if at == len(self._calls):
            self._settle(self._replies)
        else:
            when(self._carrier.carry_out(self._client, *self._calls[at]), self._one_ended)

    def _one_ended(self, reply: Reply) -> None:
        self._replies.append(reply)
        self._go_on()

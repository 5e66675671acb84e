"""Which requests of a client go to Redis in one row, and how."""

from collections.abc import Sequence

from .._client import Client
from .._commands import TABLE, dispatch
from .._commands._table import Command
from .._later import Later, when
from .._resp import Reply, Several
from ._carrier import Carrier, is_ours
from ._passing import ALONE, changes_what_it_reads
from ._pipeline import Row
from ._together import Together, is_quick

__all__ = ["Rows"]


class Rows:
    """Carries out rows.

    Parameters
    ----------
    carrier
        Carries out what is ours.
    special
        Names of commands that Redis does not get as they are, and that go alone.
    """

    def __init__(self, carrier: Carrier, special: frozenset[str]) -> None:
        self._carrier, self._special = carrier, special

    def of(self, client: Client, words: list[bytes], *, replica: bool) -> Row | None:
        """Tell who carries out a request along with others of its kind; None if it goes alone."""
        if not client.trusted or client.transaction is not None or client.listens_only:
            return None
        if client.muted or client.services.pause.on:
            return None
        command = TABLE.get(words[0].upper())
        if command is None:  # Redis may know it
            return None if words[0].upper().decode(errors="replace") in ALONE else self._handed_on
        if not command.takes(len(words)):
            return None
        if is_quick(command, words):
            return None if replica and "write" in command.flags else self._ours
        return None if self._is_alone(command, words) else self._handed_on

    def _is_alone(self, command: Command, words: list[bytes]) -> bool:
        if command.name in self._special or command.name in ALONE or is_ours(command, words):
            return True
        return changes_what_it_reads(command.name, words)

    def _ours(self, client: Client, requests: list[list[bytes]]) -> Later:
        """Carry out commands of ours on one view."""
        client.services.commands += len(requests)
        calls = [(TABLE[words[0].upper()], words) for words in requests]
        return Together(self._carrier, client, calls).begin()

    def _handed_on(self, client: Client, requests: list[list[bytes]]) -> Later:
        """Hand commands on over one connection."""
        return _all([dispatch(client, words) for words in requests])


def _all(replies: Sequence[Reply | Later]) -> Later:
    """Give replies as one, when all of them are there."""
    later, left = Later(), len(replies)

    def one(_: Reply) -> None:
        nonlocal left
        left -= 1
        if not left:
            later.settle(
                Several(tuple([each.reply if isinstance(each, Later) else each for each in replies]))
            )

    for each in replies:
        when(each, one)
    return later

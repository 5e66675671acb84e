"""MULTI and EXEC: commands that are carried out in one step, unless what they rest on has changed."""

from collections.abc import Sequence
from time import monotonic
from typing import Final

from ...errors import CommandError
from .._client import Client, Transaction
from .._failures import as_error
from .._later import Later
from .._resp import NO_ARRAY, Reply
from .._watch import Watch
from ._looked_at import run_looked_at
from ._table import Command

__all__ = ["AT_ONCE", "COMMANDS", "abandon", "carry_out", "forget"]

AT_ONCE: Final = {"MULTI", "EXEC", "DISCARD", "WATCH", "QUIT", "RESET"}
"""Commands that are carried out inside of a transaction, too, and not queued."""

_NOT_HERE: Final = "ERR Cannot run RedisAI command within a transaction or a LUA script"


def carry_out(client: Client, command: Command, words: list[bytes]) -> Reply:
    """Carry out a command of a transaction or a script, whose reply is there at once.

    Parameters
    ----------
    client
        Who is `Client.atomic`.
    command, words
        What has been found in the table, with a right number of words.

    Returns
    -------
    Reply
        The command's, an error as well; those that block have none but an error.
    """
    if command.blocks:
        return CommandError(_NOT_HERE)
    try:
        reply = run_looked_at(client, command, words)
    except CommandError as error:
        return error
    except Exception as error:  # a fault of ours costs one reply, not the transaction
        return as_error(error)
    if isinstance(reply, Later):
        reply.cancel()
        return CommandError(_NOT_HERE)
    return reply


def _multi(client: Client, words: list[bytes]) -> Reply:
    if client.transaction is not None:
        raise CommandError("ERR MULTI calls can not be nested")
    client.transaction = Transaction()
    client.update()
    return "OK"


def _exec(client: Client, words: list[bytes]) -> Reply:
    transaction = client.transaction
    if transaction is None:
        raise CommandError("ERR EXEC without MULTI")
    stale = client.watch is not None and client.watch.stale()
    forget(client)
    if transaction.broken:
        raise CommandError("EXECABORT Transaction discarded because of previous errors.")
    if stale:
        return NO_ARRAY
    client.atomic = True
    try:
        return [_timed(client, command, queued) for command, queued in transaction.queued]
    finally:
        client.atomic = False


def _timed(client: Client, command: Command, words: list[bytes]) -> Reply:
    """Carry out a command, and put it into the slow log if it belongs there."""
    begun = monotonic()
    reply = carry_out(client, command, words)
    client.services.slowlog.ended(client, words, monotonic() - begun)
    return reply


def _discard(client: Client, words: list[bytes]) -> Reply:
    if client.transaction is None:
        raise CommandError("ERR DISCARD without MULTI")
    forget(client)
    return "OK"


def forget(client: Client) -> None:
    """End a transaction, and the watch over its keys."""
    _unwatch(client, [])
    client.transaction = None
    client.update()


def abandon(client: Client, error: CommandError) -> CommandError:
    """End a transaction because of an error in the EXEC that was to carry it out; give the reply."""
    forget(client)
    text = error.text.removeprefix("ERR ")
    return CommandError(f"EXECABORT Transaction discarded because of: {text}")


# ----------------------------------------------------------------------------------------- WATCH


def _watch(client: Client, words: list[bytes]) -> Reply:
    if client.transaction is not None:
        raise CommandError("ERR WATCH inside MULTI is not allowed")
    if client.watch is None:
        client.watch = Watch(client.keyspace)
    client.watch.over(words[1:])
    return "OK"


def _unwatch(client: Client, words: Sequence[bytes]) -> Reply:
    if client.watch is not None:
        client.watch.end()
        client.watch = None
    return "OK"


_FLAGS: Final = ("noscript", "loading", "stale", "fast", "allow_busy")
_EXEC: Final = ("noscript", "loading", "stale", "skip_slowlog")
COMMANDS = (
    Command(name="MULTI", run=_multi, least=1, most=1, flags=_FLAGS, group="transactions"),
    Command(name="EXEC", run=_exec, least=1, most=1, flags=_EXEC, group="transactions"),
    Command(name="DISCARD", run=_discard, least=1, most=1, flags=_FLAGS, group="transactions"),
    Command(name="WATCH", run=_watch, least=2, flags=_FLAGS, keys=(1, -1, 1), group="transactions"),
    Command(name="UNWATCH", run=_unwatch, least=1, most=1, flags=_FLAGS, group="transactions"),
)

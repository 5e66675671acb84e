"""Commands that scripts call while they run."""

from collections.abc import Callable
from functools import partial

from ...errors import CommandError
from .._client import Client, Services
from .._resp import Reply
from ._all import TABLE
from ._table import OOM, Command
from ._transactions import carry_out

__all__ = ["call"]


def call(
    services: Services,
    ask: Callable[[Callable[[], Reply]], Reply],
    words: list[bytes],
    *,
    readonly: bool = False,
) -> Reply:
    """Carry out a command for a script; with its first two arguments given, this is `Services.call`.

    Parameters
    ----------
    services
        The server.
    ask
        Takes a step on the server's thread and gives what it gave.
    words, readonly
        See `Call`.
    """
    if services.foreign is not None:
        return services.foreign.call(words, readonly=readonly)
    command = _found(words)
    if readonly and "write" in command.flags:
        raise CommandError("ERR Write commands are not allowed from read-only scripts.")
    if "noscript" in command.flags:
        raise CommandError("ERR This Redis command is not allowed from script")
    reply = ask(partial(_step, services, command, words))
    if isinstance(reply, CommandError):
        raise reply
    return reply


def _found(words: list[bytes]) -> Command:
    command = TABLE.get(words[0].upper()) if words else None
    if command is None or not command.takes(len(words)):
        raise CommandError("Invalid argument")
    try:
        return command.part(words)
    except CommandError as error:
        raise CommandError("Invalid argument") from error


def _step(services: Services, command: Command, words: list[bytes]) -> Reply:
    services.commands += 1
    client = Client(services=services, number=0, trusted=True, atomic=True)
    if services.meter.full and command.grows:
        return CommandError(OOM)
    reply = carry_out(client, command, words)
    if client.keyspace.pending:
        return services.settlement.now() or reply
    return reply

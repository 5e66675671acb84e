"""All commands in one table, and the way from words to a reply."""

from collections.abc import Callable
from functools import partial
from typing import Final

from ...errors import CommandError
from .._client import Client, Services
from .._later import Later
from .._resp import Reply
from .._run import as_error
from .._words import said, shown
from . import _background, _connection, _keys, _models, _persistence, _runs, _tensors, _transactions
from ._table import Command

__all__ = ["TABLE", "call", "dispatch"]

_OPEN: Final = {"AUTH", "HELLO", "QUIT", "RESET"}  # to those who have not said the password

# A page that somebody visits may post to this port, and its text would be read as inline commands.
_BROWSERS: Final = {b"POST", b"HOST:"}


def dispatch(client: Client, words: list[bytes]) -> Reply | Later:
    """Carry out a command, whatever its words; an error is a reply too."""
    client.services.commands += 1
    try:
        command = _checked(client, words)
        return command.run(client, words) if client.free else _guarded(client, command, words)
    except CommandError as error:
        return error
    except Exception as error:  # a fault of ours costs one reply, not the server
        return as_error(error)


def _checked(client: Client, words: list[bytes]) -> Command:
    """Find the command, and see that it has as many words as it needs."""
    command = TABLE.get(words[0].upper())
    if command is None:
        client.leaving = words[0].upper() in _BROWSERS
        raise _refused(client, _unknown(words))
    if len(words) < command.least or (command.most is not None and len(words) > command.most):
        raise _refused(client, f"ERR wrong number of arguments for '{shown(words[0])}' command")
    return command


def _guarded(client: Client, command: Command, words: list[bytes]) -> Reply | Later:
    """Carry out a command for a client that may not do just anything, or has begun a transaction."""
    if not client.trusted and command.name not in _OPEN:
        raise _refused(client, "NOAUTH Authentication required.")
    if client.transaction is None or command.name in _transactions.AT_ONCE:
        return command.run(client, words)
    if "no_multi" in command.flags:
        raise _refused(client, "ERR Command not allowed inside a transaction")
    client.transaction.queued.append((command, words))
    return "QUEUED"


def _refused(client: Client, text: str) -> CommandError:
    """Give the error for a command that is not carried out; a transaction that it was for is not, either."""
    if client.transaction is not None:
        client.transaction.broken = True
    return CommandError(text)


def _unknown(words: list[bytes]) -> str:
    begin = ""
    for word in words[1:]:
        if len(begin) >= 128:
            break
        begin += f"'{shown(word[: 128 - len(begin)])}' "
    return f"ERR unknown command '{shown(words[0][:128])}', with args beginning with: {begin}"


# -------------------------------------------------------------------------------- calls of scripts


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
    command = TABLE.get(words[0].upper()) if words else None
    if command is None or not command.takes(len(words)):
        raise CommandError("Invalid argument")
    if readonly and "write" in command.flags:
        raise CommandError("ERR Write commands are not allowed from read-only scripts.")
    if "noscript" in command.flags:
        raise CommandError("ERR This Redis command is not allowed from script")
    reply = ask(partial(_step, services, command, words))
    if isinstance(reply, CommandError):
        raise reply
    return reply


def _step(services: Services, command: Command, words: list[bytes]) -> Reply:
    services.commands += 1
    client = Client(services=services, number=0, trusted=True, atomic=True)
    reply = _transactions.carry_out(client, command, words)
    if client.keyspace.pending:
        return services.settlement.now() or reply
    return reply


# --------------------------------------------------------------------------------------- COMMAND


def _command(client: Client, words: list[bytes]) -> Reply:
    match said(words, 1):
        case b"":
            return [_entry(command) for command in TABLE.values()]
        case b"COUNT":
            return len(TABLE)
        case b"INFO":
            names = words[2:] or list(TABLE)
            return [_entry(TABLE[name.upper()]) if name.upper() in TABLE else None for name in names]
        case b"GETKEYS" if len(words) > 2:
            return _keys_in(words[2:])
        case b"DOCS":
            return []
        case _:
            raise CommandError(f"ERR unknown subcommand '{shown(words[1])}'. Try COMMAND HELP.")


def _keys_in(words: list[bytes]) -> Reply:
    command = TABLE.get(words[0].upper())
    if command is None:
        raise CommandError("ERR Invalid command specified")
    if command.find is None and not command.keys[0]:
        raise CommandError("ERR The command has no key arguments")
    if not command.takes(len(words)):
        raise CommandError("ERR Invalid number of arguments specified for command")
    keys = command.keys_of(words)
    if not keys:
        raise CommandError("ERR The command has no key arguments")
    return list(keys)


def _entry(command: Command) -> Reply:
    return [command.name.lower().encode(), command.arity, list(command.flags), *command.keys]


TABLE: Final = {
    command.name.encode(): command
    for command in (
        *_connection.COMMANDS,
        *_keys.COMMANDS,
        *_tensors.COMMANDS,
        *_models.COMMANDS,
        *_runs.COMMANDS,
        *_persistence.COMMANDS,
        *_background.COMMANDS,
        *_transactions.COMMANDS,
        Command(name="COMMAND", run=_command),
    )
}
"""Every command by its name in upper case."""

"""All commands in one table, and the way from words to a reply."""

from typing import Final

from ...errors import CommandError
from .._client import Client
from .._later import Later
from .._resp import Reply
from .._run import as_error
from .._words import said, shown
from . import _connection, _keys, _models, _runs, _tensors
from ._table import Command

__all__ = ["TABLE", "dispatch"]

_OPEN: Final = {"AUTH", "HELLO", "QUIT"}  # to those who have not said the password

# A page that somebody visits may post to this port, and its text would be read as inline commands.
_BROWSERS: Final = {b"POST", b"HOST:"}


def dispatch(client: Client, words: list[bytes]) -> Reply | Later:
    """Carry out a command, whatever its words; an error is a reply too."""
    client.services.commands += 1
    try:
        return _checked(client, words).run(client, words)
    except CommandError as error:
        return error
    except Exception as error:  # a fault of ours costs one reply, not the server
        return as_error(error)


def _checked(client: Client, words: list[bytes]) -> Command:
    """Find the command, and see that it may run and has as many words as it needs."""
    command = TABLE.get(words[0].upper())
    if command is None:
        client.leaving = words[0].upper() in _BROWSERS
        raise CommandError(_unknown(words))
    if len(words) < command.least or (command.most is not None and len(words) > command.most):
        raise CommandError(f"ERR wrong number of arguments for '{shown(words[0])}' command")
    if not client.trusted and command.name not in _OPEN:
        raise CommandError("NOAUTH Authentication required.")
    return command


def _unknown(words: list[bytes]) -> str:
    begin = ""
    for word in words[1:]:
        if len(begin) >= 128:
            break
        begin += f"'{shown(word[: 128 - len(begin)])}' "
    return f"ERR unknown command '{shown(words[0][:128])}', with args beginning with: {begin}"


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
        case b"DOCS":
            return []
        case _:
            raise CommandError(f"ERR unknown subcommand '{shown(words[1])}'. Try COMMAND HELP.")


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
        Command(name="COMMAND", run=_command),
    )
}
"""Every command by its name in upper case."""

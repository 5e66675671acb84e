"""The way from a client's words to a reply."""

from typing import Final

from ...errors import CommandError
from .._client import Client, Transaction
from .._failures import as_error
from .._later import Later, follow
from .._resp import Reply, Several
from .._words import arity_error, shown
from ._all import TABLE
from ._looked_at import run_looked_at
from ._table import OOM, Command
from ._transactions import AT_ONCE, abandon, forget

__all__ = ["dispatch"]

_OPEN: Final = {"", "AUTH", "HELLO", "QUIT", "RESET"}  # to those who have not said the password

_MESSAGES: Final = {"PING", "PSUBSCRIBE", "PUNSUBSCRIBE", "QUIT", "RESET", "SUBSCRIBE", "UNSUBSCRIBE"}


def _hang_up(client: Client, words: list[bytes]) -> Reply:
    client.leaving = True
    return Several(())


# A page that somebody visits may post to this port, and its text would be read as inline commands.
_BROWSERS: Final = {name: Command(name="", run=_hang_up) for name in (b"POST", b"HOST:")}


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
    name = words[0].upper()
    command = TABLE.get(name) or _BROWSERS.get(name)
    if command is None and client.services.foreign is not None:
        return Command(name=shown(name), run=client.services.foreign.pass_on)
    if command is None:
        raise _refused(client, CommandError(_unknown(words)))
    if len(words) < command.least or (command.most is not None and len(words) > command.most):
        error = arity_error(words)
        raise abandon(client, error) if command.name == "EXEC" else _refused(client, error)
    return command


def _guarded(client: Client, command: Command, words: list[bytes]) -> Reply | Later:
    """Carry out a command for a client that may not do just anything, or has begun a transaction."""
    if not client.trusted and command.name not in _OPEN:
        raise _refused(client, CommandError("NOAUTH Authentication required."))
    if client.listens_only and command.name not in _MESSAGES:
        only = "(P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        raise _refused(client, CommandError(f"ERR Can't execute '{shown(words[0]).lower()}': only {only}"))
    if client.services.meter.full and command.grows:
        raise _refused(client, CommandError(OOM))
    if client.monitors and ("readonly" in command.flags or "write" in command.flags):
        raise _refused(client, CommandError("ERR Replica can't interact with the keyspace"))
    if client.services.pause.on and _is_paused(client, command):
        return _postponed(client, command, words)
    return _carried_out(client, command, words)


def _is_paused(client: Client, command: Command) -> bool:
    """Tell whether a command has to wait for the end of a pause."""
    if client.services.pause.everything or "write" in command.flags or command.name == "PUBLISH":
        return True
    queued = client.transaction.queued if command.name == "EXEC" and client.transaction else ()
    return any("write" in each.flags for each, _ in queued)


def _postponed(client: Client, command: Command, words: list[bytes]) -> Later:
    """Carry out a command when the pause is over."""
    later = Later()

    def go_on() -> None:
        if client.services.pause.on and _is_paused(client, command):  # there is another one already
            later.cancel = client.services.pause.wait(go_on)
            return
        later.cancel = lambda: None
        try:
            follow(later, _carried_out(client, command, words))
        except CommandError as error:
            later.settle(error)
        except Exception as error:  # a fault of ours costs one reply, not the server
            later.settle(as_error(error))

    later.cancel = client.services.pause.wait(go_on)
    return later


def _carried_out(client: Client, command: Command, words: list[bytes]) -> Reply | Later:
    """Carry out a command that nothing is in the way of, or queue it."""
    if client.services.foreign is not None:
        return client.services.foreign.carry_out(client, command, words)
    if client.transaction is None or command.name in AT_ONCE:
        return run_looked_at(client, command, words)
    try:
        command = command.part(words)
    except CommandError as error:
        raise _refused(client, error) from error
    if "no_multi" in command.flags:
        raise _refused(client, CommandError("ERR Command not allowed inside a transaction"))
    return _queued(client, client.transaction, command, words)


def _queued(client: Client, transaction: Transaction, command: Command, words: list[bytes]) -> Reply:
    """Keep a command for EXEC. All of them together are one request, and may be as large as one."""
    transaction.size += sum(map(len, words))
    if transaction.size > client.services.config.client_query_buffer_limit:
        forget(client)
        client.leaving = True
        raise CommandError("ERR Protocol error: request exceeds the query buffer limit")
    transaction.queued.append((command, words))
    return "QUEUED"


def _refused(client: Client, error: CommandError) -> CommandError:
    """Give the error of a command that is not carried out; a transaction that it was for is not, either."""
    if client.transaction is not None:
        client.transaction.broken = True
    return error


def _unknown(words: list[bytes]) -> str:
    begin = ""
    for word in words[1:]:
        if len(begin) >= 128:
            break
        begin += f"'{shown(word[: 128 - len(begin)])}' "
    return f"ERR unknown command '{shown(words[0][:128])}', with args beginning with: {begin}"

"""Commands about runs in the background: to start one, to ask after it, to cancel it."""

from typing import Final, cast

from ...errors import CommandError
from .._background import STATES, Record
from .._client import Client
from .._later import Later
from .._resp import Reply
from .._words import milliseconds, said
from ._find import keys_of_dag
from ._table import Command

__all__ = ["COMMANDS"]


_YEAR: Final = 365 * 86400.0  # seconds; loops know no much longer ones


def _start(client: Client, words: list[bytes]) -> Reply:
    services = client.services
    return services.background.submit(services.plans.bind(words, client.keyspace)) or "OK"


def _status(client: Client, words: list[bytes]) -> Reply | Later:
    record = client.services.background.find(words[1])
    at, replies = 2, True
    wait: int | None = None
    while at < len(words):
        match said(words, at):
            case b"WAIT":
                wait, at = milliseconds(words, at), at + 2
            case b"NOREPLIES":
                replies, at = False, at + 1
            case _:
                raise CommandError("ERR syntax error")
    if wait is None or record.over or client.atomic:
        return record.status(replies=replies)
    return _when_over(client, record, wait, replies=replies)


def _when_over(client: Client, record: Record, wait: int, *, replies: bool) -> Later:
    """Answer when the run ends, or when so many ms have passed; 0 is never."""
    ended, later = Later(), Later()
    loop = client.services.devices.loop
    alarm = loop.call_later(min(wait / 1000, _YEAR), ended.settle, None) if wait else None

    def leave() -> None:
        record.forget(ended)
        if alarm is not None:
            alarm.cancel()

    def answer(_: Reply) -> None:
        leave()
        later.settle(record.status(replies=replies))

    ended.watch(answer)
    later.cancel = leave
    record.wait(ended)
    return later


def _cancel(client: Client, words: list[bytes]) -> Reply:
    return int(client.services.background.find(words[1]).cancel())


def _list(client: Client, words: list[bytes]) -> Reply:
    states = [state.upper().encode() for state in STATES]
    if len(words) > 1 and (len(words) != 3 or said(words, 1) != b"STATE" or said(words, 2) not in states):
        raise CommandError("ERR syntax error")
    wanted = said(words, 2).decode().lower()
    return [
        cast("Reply", [record.id, record.state])
        for record in client.services.background
        if wanted in ("", record.state)
    ]


COMMANDS = (
    Command(
        name="AI.DAGRUNASYNC",
        run=_start,
        flags=("write", "deny-oom", "movablekeys"),
        find=keys_of_dag,
        group="module",
    ),
    Command(name="AI.DAGSTATUS", run=_status, least=2, flags=("readonly", "fast"), group="module"),
    Command(name="AI.DAGCANCEL", run=_cancel, least=2, most=2, flags=("write", "fast"), group="module"),
    Command(name="AI.DAGLIST", run=_list, least=1, most=3, flags=("readonly", "fast"), group="module"),
)

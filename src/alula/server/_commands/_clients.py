"""CLIENT: what connections there are, and what a client wants its own to be."""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._resp import Reply, Several, Verbatim
from .._words import integer, said, shown
from ._table import Command, container
from ._tracking import PARTS

__all__ = ["COMMANDS", "checked_name"]


def checked_name(name: bytes) -> bytes:
    """Give a name for a client, or refuse one that would not stand in one line without blanks."""
    if any(not 33 <= byte <= 126 for byte in name):
        raise CommandError("ERR Client names cannot contain spaces, newlines or special characters.")
    return name


def _setname(client: Client, words: list[bytes]) -> Reply:
    client.name = checked_name(words[2])
    return "OK"


def _setinfo(client: Client, words: list[bytes]) -> Reply:
    match said(words, 2):
        case b"LIB-NAME":
            client.library = _checked_info(words)
        case b"LIB-VER":
            client.library_version = _checked_info(words)
        case _:
            raise CommandError(f"ERR Unrecognized option '{shown(words[2])}'")
    return "OK"


def _checked_info(words: list[bytes]) -> bytes:
    if any(not 33 <= byte <= 126 for byte in words[3]):
        raise CommandError(
            f"ERR {shown(words[2]).lower()} cannot contain spaces, newlines or special characters."
        )
    return words[3]


def _switch(client: Client, words: list[bytes]) -> Reply:
    """Take NO-EVICT and NO-TOUCH: nothing is evicted here."""
    if said(words, 2) not in (b"ON", b"OFF"):
        raise CommandError("ERR syntax error")
    return "OK"


def _reply(client: Client, words: list[bytes]) -> Reply:
    match said(words, 2):
        case b"ON":
            client.muted = 0
        case b"OFF":
            client.muted = -1
        case b"SKIP":
            client.muted = 2 if client.muted >= 0 else -1  # this one's and the next
        case _:
            raise CommandError("ERR syntax error")
    return "OK"


# ---------------------------------------------------------------------------- PAUSE and MONITOR


def _pause(client: Client, words: list[bytes]) -> Reply:
    mode = said(words, 3)
    if len(words) > 4 or mode not in (b"", b"WRITE", b"ALL"):
        raise CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    milliseconds = integer(words[2])
    if milliseconds is None:
        raise CommandError("ERR timeout is not an integer or out of range")
    if milliseconds < 0:
        raise CommandError("ERR timeout is negative")
    client.services.pause.begin(milliseconds / 1000, everything=mode != b"WRITE")
    return "OK"


def _unpause(client: Client, words: list[bytes]) -> Reply:
    client.services.pause.end()
    return "OK"


def _monitor(client: Client, words: list[bytes]) -> Reply:
    if client.atomic:
        raise CommandError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    if client.monitors:
        return Several(())
    client.monitors = True
    client.services.monitors.add(client)
    client.services.update()
    return "OK"


# ---------------------------------------------------------------------------------- CLIENT LIST


def _info(client: Client, words: list[bytes]) -> Reply:
    return Verbatim(_line(client, client, "info"))


def _list(client: Client, words: list[bytes]) -> Reply:
    every = client.services.clients
    match said(words, 2), len(words):
        case b"", 2:
            found: Iterable[Client] = every.values()
        case b"TYPE", 4:
            found = _of_kind(client, words[3])
        case b"ID", count if count > 3:
            numbers = [integer(word) for word in words[3:]]
            if not all(number is not None and number > 0 for number in numbers):
                raise CommandError("ERR Invalid client ID")
            found = [every[number] for number in numbers if number in every]
        case _:
            raise CommandError("ERR syntax error")
    return Verbatim(b"".join(_line(client, each, "list") for each in found))


def _of_kind(client: Client, word: bytes) -> list[Client]:
    kind = word.lower()
    if kind not in (b"normal", b"master", b"slave", b"replica", b"pubsub"):
        raise CommandError(f"ERR Unknown client type '{shown(word)}'")
    return [each for each in client.services.clients.values() if _kind(each) == kind]


def _kind(client: Client) -> bytes:
    return b"pubsub" if client.subscriber is not None and client.subscriber.count else b"normal"


def _line(asking: Client, client: Client, part: str) -> bytes:
    """Describe a client as Redis does; what makes no sense here is 0."""
    link, subscriber, now = client.link, client.subscriber, monotonic()
    assert link is not None
    begun = -1 if client.transaction is None else len(client.transaction.queued)
    fields = {
        "id": client.number,
        "addr": link.address,
        "laddr": link.local,
        "fd": 0,
        "name": shown(client.name),
        "age": int(now - link.began),
        "idle": 0 if client is asking else int(now - link.since),
        "flags": _flags(client),
        "db": 0,
        "sub": len(subscriber.channels) if subscriber else 0,
        "psub": len(subscriber.patterns) if subscriber else 0,
        "ssub": 0,
        "multi": begun,
        "qbuf": 0,
        "qbuf-free": 0,
        "argv-mem": 0,
        "multi-mem": 0,
        "obl": 0,
        "oll": 0,
        "omem": link.unread,
        "tot-mem": link.unread,
        "events": "r",
        "cmd": shown(link.latest).lower() + (f"|{part}" if client is asking else ""),
        "user": "default",
        "redir": -1 if client.tracked is None else client.tracked.redirect,
        "resp": client.protocol,
        "lib-name": shown(client.library),
        "lib-ver": shown(client.library_version),
    }
    text = " ".join(f"{name}={value}" for name, value in fields.items())
    return text.encode(errors="surrogateescape") + b"\n"


def _flags(client: Client) -> str:
    tracked = client.tracked
    flags = {
        "O": client.monitors,
        "P": _kind(client) == b"pubsub",
        "x": client.transaction is not None,
        "t": tracked is not None,
        "R": tracked is not None and tracked.broken,
        "B": tracked is not None and tracked.bcast,
    }
    return "".join(letter for letter, is_so in flags.items() if is_so) or "N"


# ---------------------------------------------------------------------------------- CLIENT KILL


def _kill(client: Client, words: list[bytes]) -> Reply:
    if len(words) == 3:
        if not _end(client, [each for each in _all(client) if _at(each) == words[2]]):
            raise CommandError("ERR No such client")
        return "OK"
    if len(words) % 2:
        raise CommandError("ERR syntax error")
    found, skip = _all(client), True
    for at in range(2, len(words), 2):
        if said(words, at) == b"SKIPME":
            if said(words, at + 1) not in (b"YES", b"NO"):
                raise CommandError("ERR syntax error")
            skip = said(words, at + 1) == b"YES"
        else:
            matches = _filter(client, said(words, at), words[at + 1])
            found = [each for each in found if matches(each)]
    return _end(client, [each for each in found if not (skip and each is client)])


def _all(client: Client) -> list[Client]:
    return list(client.services.clients.values())


def _at(client: Client) -> bytes:
    return b"" if client.link is None else client.link.address.encode()


def _filter(client: Client, what: bytes, word: bytes) -> Callable[[Client], bool]:
    """Give the function that tells whether a client is one of those meant."""
    match what:
        case b"ID":
            wanted = integer(word)
            if wanted is None or wanted < 1:
                raise CommandError("ERR client-id should be greater than 0")
            return lambda each: each.number == wanted
        case b"ADDR":
            return lambda each: _at(each) == word
        case b"LADDR":
            return lambda each: each.link is not None and each.link.local.encode() == word
        case b"TYPE":
            kind = _of_kind(client, word)
            return lambda each: each in kind
        case b"USER":
            if word != b"default":
                raise CommandError(f"ERR No such user '{shown(word)}'")
            return lambda each: each.trusted
        case _:
            raise CommandError("ERR syntax error")


def _end(client: Client, others: list[Client]) -> int:
    """Close connections; one's own after the reply."""
    for each in others:
        if each is client:
            client.leaving = True
        elif each.link is not None:
            each.link.abort()
    return len(others)


_FLAGS: Final = ("noscript", "loading", "stale")
_ADMIN: Final = ("admin", "noscript", "loading", "stale")


def _part(
    name: str,
    run: Callable[[Client, list[bytes]], Reply],
    least: int,
    most: int | None = None,
    flags: tuple[str, ...] = _FLAGS,
) -> Command:
    return Command(name=name, run=run, least=least, most=most, flags=flags)


COMMANDS = (
    container(
        "CLIENT",
        _part("GETNAME", lambda client, words: client.name or None, 2, 2),
        _part("ID", lambda client, words: client.number, 2, 2),
        _part("INFO", _info, 2, 2),
        _part("KILL", _kill, 3, None, _ADMIN),
        _part("LIST", _list, 2, None, _ADMIN),
        _part("NO-EVICT", _switch, 3, 3, _ADMIN),
        _part("NO-TOUCH", _switch, 3, 3),
        _part("PAUSE", _pause, 3, None, _ADMIN),
        _part("REPLY", _reply, 3, 3),
        _part("SETINFO", _setinfo, 4, 4),
        _part("SETNAME", _setname, 3, 3),
        _part("UNPAUSE", _unpause, 2, 2, _ADMIN),
        *PARTS,
        group="connection",
    ),
    Command(name="MONITOR", run=_monitor, least=1, most=1, flags=_ADMIN),
)

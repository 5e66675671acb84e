"""Keys that expire: saying when, and asking for it."""

from collections.abc import Callable
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._resp import Reply
from .._words import number, shown
from ._table import Command

__all__ = ["COMMANDS", "expiry_at"]

_MAX: Final = (1 << 63) - 1
_UNITS: Final = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}


def expiry_at(client: Client, command: str, unit: bytes, word: bytes, *, positive: bool = True) -> int:
    """Read when a key is to expire.

    Parameters
    ----------
    client
        Whose server's clock counts.
    command
        In lower case, for the error's text.
    unit
        ``EX``, ``PX``, ``EXAT`` or ``PXAT``: seconds or milliseconds, from now or as a UNIX time.
    word
        The number.
    positive
        Whether it must be more than 0.

    Returns
    -------
    int
        A UNIX time in ms.

    Raises
    ------
    CommandError
        If it is no number, or not in range.
    """
    scale, absolute = _UNITS[unit]
    at = number(word) * scale
    invalid = CommandError(f"ERR invalid expire time in '{command}' command")
    if (positive and at <= 0) or not -_MAX - 1 <= at <= _MAX:
        raise invalid
    if not absolute:
        at += client.services.now()
        if at > _MAX:
            raise invalid
    return at


def _expirer(unit: bytes) -> Callable[[Client, list[bytes]], Reply]:
    """Make EXPIRE or one of its kin."""

    def run(client: Client, words: list[bytes]) -> Reply:
        when = _conditions(words[3:])
        at = expiry_at(client, words[0].decode().lower(), unit, words[2], positive=False)
        keyspace, key = client.keyspace, words[1]
        if keyspace.read(key) is None or not _holds(when, keyspace.expires(key), at):
            return 0
        if at <= client.services.now():
            keyspace.delete([key])
        else:
            keyspace.expire(key, at)
        return 1

    return run


def _conditions(words: list[bytes]) -> set[bytes]:
    when: set[bytes] = set()
    for word in words:
        if word.upper() not in (b"NX", b"XX", b"GT", b"LT"):
            raise CommandError(f"ERR Unsupported option {shown(word)}")
        when.add(word.upper())
    if b"NX" in when and len(when) > 1:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if when >= {b"GT", b"LT"}:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return when


def _holds(when: set[bytes], before: int | None, at: int) -> bool:
    """Tell whether an expiry may be set in place of the one before; a key that never expires does last."""
    if b"NX" in when:
        return before is None
    if b"XX" in when and before is None:
        return False
    if b"GT" in when and (before is None or at <= before):
        return False
    return not (b"LT" in when and before is not None and at >= before)


def _teller(scale: int, *, left: bool) -> Callable[[Client, list[bytes]], Reply]:
    """Make TTL or one of its kin: the time `left`, or the UNIX time; -1 is never, -2 no such key."""

    def run(client: Client, words: list[bytes]) -> Reply:
        keyspace, key = client.keyspace, words[1]
        if keyspace.read(key) is None:
            return -2
        at = keyspace.expires(key)
        if at is None:
            return -1
        time = max(0, at - client.services.now()) if left else at
        return (time + scale // 2) // scale

    return run


def _persist(client: Client, words: list[bytes]) -> Reply:
    if client.keyspace.expires(words[1]) is None:
        return 0
    client.keyspace.expire(words[1], None, event="persist")
    return 1


def _command(name: str, run: Callable[[Client, list[bytes]], Reply], least: int, *flags: str) -> Command:
    most = 2 if least == 2 else None
    return Command(name=name, run=run, least=least, most=most, flags=flags, keys=(1, 1, 1), group="generic")


COMMANDS = (
    _command("EXPIRE", _expirer(b"EX"), 3, "write", "fast"),
    _command("PEXPIRE", _expirer(b"PX"), 3, "write", "fast"),
    _command("EXPIREAT", _expirer(b"EXAT"), 3, "write", "fast"),
    _command("PEXPIREAT", _expirer(b"PXAT"), 3, "write", "fast"),
    _command("TTL", _teller(1000, left=True), 2, "readonly", "fast"),
    _command("PTTL", _teller(1, left=True), 2, "readonly", "fast"),
    _command("EXPIRETIME", _teller(1000, left=False), 2, "readonly", "fast"),
    _command("PEXPIRETIME", _teller(1, left=False), 2, "readonly", "fast"),
    _command("PERSIST", _persist, 2, "write", "fast"),
)

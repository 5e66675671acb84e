"""What DEBUG does apart from files."""

import asyncio
import math

from ...errors import CommandError
from .._client import Client
from .._keyspace import encoding_of
from .._later import Later
from .._resp import Reply
from .._words import shown

__all__ = ["asleep", "described"]


def asleep(client: Client, word: bytes) -> Reply | Later:
    """Answer after some seconds. Other clients go on; within a transaction nobody waits."""
    seconds = _seconds(word)
    if client.atomic or seconds == 0:
        return "OK"
    later = Later()
    later.cancel = asyncio.get_running_loop().call_later(seconds, later.settle, "OK").cancel
    return later


def _seconds(word: bytes) -> float:
    try:
        seconds = float(shown(word))
    except ValueError:
        seconds = 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def described(client: Client, key: bytes) -> Reply:
    """Say how a value is kept; the fields that clients read, without addresses."""
    value = client.keyspace.read(key)
    if value is None:
        raise CommandError("ERR no such key")
    kept = encoding_of(value).decode()
    return f"Value at:0x0 refcount:1 encoding:{kept} serializedlength:0 lru:0 lru_seconds_idle:0"

"""Commands that somebody looks at: monitors are told of them, and it is noted what keys a client has read."""

from .._client import Client
from .._later import Later
from .._resp import Reply
from .._tracking import Tracked
from ._table import Command

__all__ = ["run_looked_at"]


def run_looked_at(client: Client, command: Command, words: list[bytes]) -> Reply | Later:
    """Carry out a command, whoever looks at it."""
    services, tracked = client.services, client.tracked
    if not services.monitors and tracked is None:
        return command.run(client, words)
    part = command.parts.get(words[1].upper(), command) if command.parts and len(words) > 1 else command
    try:
        return _run_tracked(client, tracked, part, command, words) if tracked else command.run(client, words)
    finally:
        if services.monitors and "admin" not in part.flags:
            services.monitors.tell(client, words, services.now())


def _run_tracked(
    client: Client, tracked: Tracked, part: Command, command: Command, words: list[bytes]
) -> Reply | Later:
    """Carry out a command of a client that keeps copies of what it reads."""
    tracking = client.services.tracking
    tracking.acting = client
    try:
        if tracked.remembers and "readonly" in part.flags:
            tracking.remember(client, part.keys_of(words))
        return command.run(client, words)
    finally:
        tracking.acting = None
        if not (command.name == "CLIENT" or client.transaction or client.atomic):
            tracked.caching = False

"""INFO: what the server says of itself, in sections."""

import os
import resource
import sys
from collections.abc import Iterable
from typing import Final

from .._client import Client
from .._resp import Reply, Verbatim
from .._words import shown
from ._table import Command

__all__ = ["COMMANDS", "VERSION"]

VERSION: Final = "7.2.0"
"""The Redis version whose plain commands and texts these are."""


def _info(client: Client, words: list[bytes]) -> Reply:
    asked = {shown(word).lower() for word in words[1:]}
    wanted = not asked or bool(asked & {"all", "default", "everything"})
    texts = [
        f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in lines)
        for title, lines in _sections(client)
        if wanted or title.lower() in asked
    ]
    return Verbatim("\r\n".join(texts).encode())


def _sections(client: Client) -> Iterable[tuple[str, list[tuple[str, object]]]]:
    services = client.services
    yield (
        "Server",
        [
            ("redis_version", VERSION),
            ("redis_mode", "standalone"),
            ("server_name", "alula"),
            ("process_id", os.getpid()),
            ("tcp_port", services.port),
            ("uptime_in_seconds", int(services.uptime())),
        ],
    )
    yield "Clients", [("connected_clients", len(services.clients))]
    yield "Memory", [("used_memory_peak", _peak_memory()), ("mem_allocator", "libc")]
    yield (
        "Persistence",
        [
            ("loading", 0),
            ("rdb_bgsave_in_progress", 0),
            ("aof_rewrite_in_progress", 0),
            ("aof_rewrite_scheduled", 0),
        ],
    )
    yield "Stats", [("total_commands_processed", services.commands)]
    size = len(client.keyspace)
    yield "Keyspace", [("db0", f"keys={size},expires=0,avg_ttl=0")] if size else []


def _peak_memory() -> int:
    """Bytes of memory that the process has had at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


COMMANDS = (Command(name="INFO", run=_info, least=1, flags=("loading", "stale")),)

"""INFO: what the server says of itself, in sections."""

import os
import platform
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

from .._client import Client, Services
from .._modules import modules_text
from .._resp import Reply, Verbatim
from .._words import shown
from ._table import Command

__all__ = ["COMMANDS", "VERSION"]

VERSION: Final = "7.2.0"
"""The Redis version whose plain commands and texts these are."""

_Lines: TypeAlias = list[tuple[str, object]]


def _info(client: Client, words: list[bytes]) -> Reply:
    asked = {shown(word).lower() for word in words[1:]}
    wanted = not asked or bool(asked & {"all", "default", "everything"})
    texts = [
        f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in lines)
        for title, lines in _sections(client)
        if wanted or title.lower() in asked
    ]
    if asked & {"modules", "everything"}:
        texts.append(modules_text(client.services))
    return Verbatim("\r\n".join(texts).encode())


def _sections(client: Client) -> Iterable[tuple[str, _Lines]]:
    services = client.services
    yield "Server", _server(services)
    yield "Clients", _clients(services)
    yield "Memory", _memory(services)
    yield "Persistence", _persistence(client)
    yield "Stats", _stats(services)
    yield "Runs", _runs(services)
    yield "Replication", [("role", "master"), ("connected_slaves", 0)]
    yield "CPU", _cpu()
    yield "Cluster", [("cluster_enabled", 0)]
    size = len(client.keyspace)
    counts = f"keys={size},expires={client.keyspace.expiring},avg_ttl=0"
    yield "Keyspace", [("db0", counts)] if size else []


def _server(services: Services) -> _Lines:
    uptime = int(services.uptime())
    return [
        ("redis_version", VERSION),
        ("redis_mode", "standalone"),
        ("server_name", "alula"),
        ("os", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("arch_bits", 64 if sys.maxsize > 1 << 32 else 32),
        ("process_id", os.getpid()),
        ("tcp_port", services.port),
        ("server_time_usec", services.now() * 1000),
        ("uptime_in_seconds", uptime),
        ("uptime_in_days", uptime // 86400),
        ("config_file", ""),
    ]


def _runs(services: Services) -> _Lines:
    return [
        ("operations_waiting_for_a_batch", services.devices.parked),
        ("asynchronous_unfinished", services.background.unfinished),
        ("asynchronous_remembered", services.background.remembered),
    ]


def _clients(services: Services) -> _Lines:
    clients = services.clients.values()
    listening = sum(each.subscriber is not None and each.subscriber.count > 0 for each in clients)
    return [
        ("connected_clients", len(clients)),
        ("maxclients", services.config.maxclients),
        ("blocked_clients", sum(each.link is not None and each.link.busy for each in clients)),
        ("pubsub_clients", listening),
    ]


def _memory(services: Services) -> _Lines:
    now = _resident()
    return [
        ("used_memory", now if services.meter.used is None else services.meter.used),
        ("used_memory_rss", now),
        ("used_memory_peak", _peak_memory()),
        ("maxmemory", services.config.maxmemory),
        ("maxmemory_policy", services.config.maxmemory_policy),
        ("mem_allocator", "libc"),
    ]


def _resident() -> int:
    """Bytes of memory that the process has now; where that is not told, those that it has had at most."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # not Linux
        return _peak_memory()
    return pages * resource.getpagesize()


def _peak_memory() -> int:
    """Bytes of memory that the process has had at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _persistence(client: Client) -> _Lines:
    return [
        ("loading", 0),
        ("rdb_bgsave_in_progress", 0),
        ("rdb_last_save_time", int(client.keyspace.saved)),
        ("rdb_last_bgsave_status", "ok"),
        ("aof_enabled", int(client.services.config.appendonly)),
        ("aof_rewrite_in_progress", 0),
        ("aof_rewrite_scheduled", 0),
        ("aof_last_bgrewrite_status", "ok"),
        ("aof_last_write_status", "ok"),
    ]


def _stats(services: Services) -> _Lines:
    return [
        ("total_commands_processed", services.commands),
        ("pubsub_channels", len(services.pubsub.channels())),
        ("pubsub_patterns", services.pubsub.patterns),
    ]


def _cpu() -> _Lines:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [
        ("used_cpu_sys", f"{own.ru_stime:.6f}"),
        ("used_cpu_user", f"{own.ru_utime:.6f}"),
        ("used_cpu_sys_children", f"{children.ru_stime:.6f}"),
        ("used_cpu_user_children", f"{children.ru_utime:.6f}"),
    ]


COMMANDS = (Command(name="INFO", run=_info, least=1, flags=("loading", "stale")),)

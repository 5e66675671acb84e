"""AI.INFO and AI.CONFIG."""

from collections.abc import Callable
from functools import partial
from typing import Final

from ...errors import AlulaError, CommandError
from .._client import Client
from .._later import Later
from .._models import Backend, Model
from .._resp import Reply
from .._scripts import Script
from .._store import BACKENDS
from .._words import integer, said, shown
from ._loads import load
from ._table import Command

__all__ = ["COMMANDS"]


def _info(client: Client, words: list[bytes]) -> Reply:
    value = client.keyspace.read(words[1])
    if not isinstance(value, Model | Script):
        raise CommandError("ERR cannot find run info for key")
    counts = value.counts
    model = isinstance(value, Model)
    match said(words, 2):
        case b"RESETSTAT":
            counts.reset()
            return "OK"
        case b"HISTOGRAMS":
            return client.services.measure().told(words[1], "MODEL" if model else "SCRIPT")
    return [
        *(b"key", words[1]),
        *(b"type", b"MODEL" if model else b"SCRIPT"),
        *(b"backend", value.backend.encode() if isinstance(value, Model) else b"TORCH"),
        *(b"device", value.device),
        *(b"tag", value.tag),
        *(b"duration", round(counts.duration_at(client.services.devices.clock.monotonic()) * 1e6)),
        *(b"samples", counts.samples),
        *(b"calls", counts.calls),
        *(b"errors", counts.errors),
    ]


# ------------------------------------------------------------------------------------- AI.CONFIG


def _config(client: Client, words: list[bytes]) -> Reply | Later:
    handler = _SUBCOMMANDS.get(said(words, 1))
    if handler is None:
        raise CommandError("ERR unsupported subcommand")
    return handler(client, words)


def _get(client: Client, words: list[bytes]) -> Reply:
    match said(words, 2):
        case b"":
            raise _arity(words)
        case b"MODEL_CHUNK_SIZE":
            return client.services.chunk
        case b"BACKENDSPATH":
            return client.services.backends_path
        case _:
            return None


def _arity(words: list[bytes]) -> CommandError:
    return CommandError(f"ERR wrong number of arguments for '{shown(words[0])}' command")


def _set_chunk(client: Client, words: list[bytes]) -> Reply:
    if len(words) < 3:
        raise CommandError("ERR MODEL_CHUNK_SIZE: missing chunk size")
    size = integer(words[2])
    if size is None or size <= 0:
        raise CommandError("ERR MODEL_CHUNK_SIZE: invalid chunk size")
    client.services.chunk = size
    return "OK"


def _set_path(client: Client, words: list[bytes]) -> Reply:
    if len(words) < 3:
        raise CommandError("ERR BACKENDSPATH: missing path argument")
    client.services.backends_path = words[2]
    return "OK"


def _load_backend(client: Client, words: list[bytes]) -> Reply | Later:
    """Import a backend now. There is no file to load: a path that could be one of a module will do."""
    if len(words) < 4:
        raise _arity(words)
    name = shown(words[2]).upper()
    if name not in BACKENDS:
        raise CommandError("ERR unsupported backend")
    backend = client.services.backends.get(name)
    if backend is None or backend.facts() or not words[3].endswith(b".so"):
        raise _cannot_load()
    return load(client, partial(_open, backend), lambda nothing: "OK")


def _open(backend: Backend) -> None:
    try:
        backend.open()
    except AlulaError as error:
        raise _cannot_load() from error


def _cannot_load() -> CommandError:
    return CommandError("ERR error loading backend")


_SUBCOMMANDS: Final[dict[bytes, Callable[[Client, list[bytes]], Reply | Later]]] = {
    b"GET": _get,
    b"MODEL_CHUNK_SIZE": _set_chunk,
    b"BACKENDSPATH": _set_path,
    b"LOADBACKEND": _load_backend,
}

COMMANDS = (
    Command(name="AI.INFO", run=_info, least=2, most=3, flags=("readonly",), keys=(1, 1, 1), group="module"),
    Command(name="AI.CONFIG", run=_config, least=2, flags=("write",), group="module"),
)

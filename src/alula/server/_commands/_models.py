"""Storing, reading and removing models."""

from collections.abc import Mapping
from functools import partial

from .._client import Client
from .._keyspace import as_model
from .._later import Later
from .._models import Model, Session
from .._resp import Reply
from .._store import Given, read_set, read_store
from ._loads import load, stored
from ._table import Command

__all__ = ["COMMANDS", "tags"]


def _store(client: Client, words: list[bytes]) -> Reply | Later:
    return _load(client, words[1], read_store(words))


def _set(client: Client, words: list[bytes]) -> Reply | Later:
    return _load(client, words[1], read_set(words))


def _load(client: Client, key: bytes, given: Given) -> Reply | Later:
    return load(client, partial(given.load, client.services.backends), partial(_loaded, client, key, given))


def _loaded(client: Client, key: bytes, given: Given, session: Session) -> Reply:
    return stored(client, key, given.model(session))


# -------------------------------------------------------------------------------------- reading


def _get(client: Client, words: list[bytes]) -> Reply:
    services = client.services
    model = as_model(client.keyspace.read(words[1]))
    asked = {word.upper() for word in words[2:]} & {b"META", b"BLOB"}
    blob = _chunks(model.blob, services.chunk)
    if asked == {b"BLOB"}:
        return blob
    fields = _fields(model)
    return fields if asked == {b"META"} else [*fields, b"blob", blob]


def _fields(model: Model) -> list[Reply]:
    inputs: list[Reply] = [name.encode() for name in model.session.inputs]
    outputs: list[Reply] = [name.encode() for name in model.session.outputs]
    return [
        *(b"backend", model.backend.encode()),
        *(b"device", model.device),
        *(b"tag", model.tag),
        *(b"batchsize", model.batchsize),
        *(b"minbatchsize", model.minbatchsize),
        *(b"inputs", inputs),
        *(b"outputs", outputs),
        *(b"minbatchtimeout", model.minbatchtimeout),
    ]


def _chunks(blob: bytes, size: int) -> Reply:
    """Cut a blob into pieces; a blob of just so many whole pieces gets an empty one behind them."""
    if len(blob) < size:
        return blob
    view = memoryview(blob)
    return [view[at : at + size] for at in range(0, len(blob) + 1, size)]


def _delete(client: Client, words: list[bytes]) -> Reply:
    keyspace = client.keyspace
    as_model(keyspace.read(words[1]))
    keyspace.delete(words[1:])
    return "OK"


def _scan(client: Client, words: list[bytes]) -> Reply:
    return tags({key: value.tag for key, value in client.keyspace.scan() if isinstance(value, Model)})


def tags(found: Mapping[bytes, bytes]) -> Reply:
    """List keys with their tags."""
    # The longest key first: RedisAI's order is that of a hash, but its client's tests know this case.
    return [list(entry) for entry in sorted(found.items(), key=lambda entry: (-len(entry[0]), entry[0]))]


_WRITE = ("write", "deny-oom")
COMMANDS = (
    Command(name="AI.MODELSTORE", run=_store, least=6, flags=_WRITE, keys=(1, 1, 1), group="module"),
    Command(name="AI.MODELSET", run=_set, least=4, flags=_WRITE, keys=(1, 1, 1), group="module"),
    Command(
        name="AI.MODELGET", run=_get, least=2, most=4, flags=("readonly",), keys=(1, 1, 1), group="module"
    ),
    Command(
        name="AI.MODELDEL", run=_delete, least=2, most=2, flags=("write",), keys=(1, 1, 1), group="module"
    ),
    Command(name="AI._MODELSCAN", run=_scan, least=1, most=1, flags=("readonly",), group="module"),
    Command(name="AI.MODELSCAN", run=_scan, least=1, most=1, flags=("readonly",), group="module"),
)

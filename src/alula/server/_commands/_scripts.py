"""Storing, reading and removing scripts."""

from functools import partial

from ...errors import CommandError
from .._client import Client
from .._keyspace import as_script
from .._later import Later
from .._resp import Reply
from .._script_store import GivenScript, read_script_set, read_script_store
from .._scripts import Program, Script
from .._words import shown
from ._loads import load, stored
from ._models import tags
from ._table import Command

__all__ = ["COMMANDS"]


def _store(client: Client, words: list[bytes]) -> Reply | Later:
    return _load(client, words[1], read_script_store(words))


def _set(client: Client, words: list[bytes]) -> Reply | Later:
    if len(words) == 6:
        raise CommandError(f"ERR wrong number of arguments for '{shown(words[0])}' command")
    return _load(client, words[1], read_script_set(words))


def _load(client: Client, key: bytes, given: GivenScript) -> Reply | Later:
    return load(client, partial(given.load, client.services.backends), partial(_loaded, client, key, given))


def _loaded(client: Client, key: bytes, given: GivenScript, program: Program) -> Reply:
    return stored(client, key, given.script(program))


def _get(client: Client, words: list[bytes]) -> Reply:
    script = as_script(client.keyspace.read(words[1]))
    asked = {word.upper() for word in words[2:]} & {b"META", b"SOURCE"}
    if asked == {b"SOURCE"}:
        return script.source
    points: list[Reply] = list(script.entry_points)
    fields: list[Reply] = [b"device", script.device, b"tag", script.tag, b"Entry Points", points]
    return fields if asked == {b"META"} else [*fields, b"source", script.source]


def _delete(client: Client, words: list[bytes]) -> Reply:
    as_script(client.keyspace.read(words[1]))
    client.keyspace.delete(words[1:])
    return "OK"


def _scan(client: Client, words: list[bytes]) -> Reply:
    return tags({key: value.tag for key, value in client.keyspace.scan() if isinstance(value, Script)})


_WRITE = ("write", "deny-oom")
COMMANDS = (
    Command(name="AI.SCRIPTSTORE", run=_store, least=8, flags=_WRITE, keys=(1, 1, 1), group="module"),
    Command(name="AI.SCRIPTSET", run=_set, least=5, most=7, flags=_WRITE, keys=(1, 1, 1), group="module"),
    Command(
        name="AI.SCRIPTGET", run=_get, least=2, most=4, flags=("readonly",), keys=(1, 1, 1), group="module"
    ),
    Command(
        name="AI.SCRIPTDEL", run=_delete, least=2, most=2, flags=("write",), keys=(1, 1, 1), group="module"
    ),
    Command(name="AI._SCRIPTSCAN", run=_scan, least=1, most=1, flags=("readonly",), group="module"),
    Command(name="AI.SCRIPTSCAN", run=_scan, least=1, most=1, flags=("readonly",), group="module"),
)

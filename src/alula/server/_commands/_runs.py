"""The commands that run models. All of them are graphs: one operation is a graph of one node."""

import json
from collections.abc import Callable

from .._client import Client
from .._dag import FAMILIES
from .._later import Later
from .._picture import described
from .._resp import Reply
from .._run import run
from .._sketch import ANY, sketch_of
from ._find import keys_of_dag, keys_of_execute, keys_of_run, keys_of_script_execute, keys_of_script_run
from ._table import Command

__all__ = ["COMMANDS"]


def _run(client: Client, words: list[bytes]) -> Reply | Later:
    return run(client.services.plans.bind(words, client.keyspace), client.services.devices)


def _plan(client: Client, words: list[bytes]) -> Reply:
    """Say what a DAG command would do now, or which error it would answer with."""
    command, keyspace = words[1:], client.keyspace
    if command[0].upper() in FAMILIES:
        client.services.plans.bind(command, keyspace)  # all checks, in due order
    sketch = sketch_of(command, ANY)
    found = described(command, sketch, lambda key: getattr(keyspace.read(key), "queue", None))
    return json.dumps(found).encode()


def _command(
    name: str,
    keys: tuple[int, int, int],
    find: Callable[[list[bytes]], list[bytes]],
    *,
    readonly: bool = False,
) -> Command:
    flags = ("readonly", "movablekeys") if readonly else ("write", "deny-oom", "movablekeys")
    return Command(name=name, run=_run, flags=flags, keys=keys, find=find, blocks=True, group="module")


COMMANDS = (
    Command(
        name="AI.DAGPLAN",
        run=_plan,
        least=2,
        flags=("readonly", "movablekeys"),
        find=lambda words: keys_of_dag(words[1:]) if words[1].upper() in FAMILIES else [],
        group="module",
    ),
    _command("AI.MODELEXECUTE", (4, 4, 1), keys_of_execute),
    _command("AI.MODELRUN", (3, 3, 1), keys_of_run),
    _command("AI.SCRIPTEXECUTE", (5, 5, 1), keys_of_script_execute),
    _command("AI.SCRIPTRUN", (4, 4, 1), keys_of_script_run),
    _command("AI.DAGRUN", (3, 3, 1), keys_of_dag),
    _command("AI.DAGEXECUTE", (3, 3, 1), keys_of_dag),
    _command("AI.DAGRUN_RO", (3, 3, 1), keys_of_dag, readonly=True),
    _command("AI.DAGRUNRO", (3, 3, 1), keys_of_dag, readonly=True),
    _command("AI.DAGEXECUTE_RO", (3, 3, 1), keys_of_dag, readonly=True),
)

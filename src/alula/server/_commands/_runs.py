"""The commands that run models. All of them are graphs: one operation is a graph of one node."""

from .._client import Client
from .._later import Later
from .._resp import Reply
from .._run import run
from ._table import Command

__all__ = ["COMMANDS"]


def _run(client: Client, words: list[bytes]) -> Reply | Later:
    return run(client.services.plans.bind(words), client.services.devices)


_WRITE = ("write", "deny-oom", "movablekeys")
_READ = ("readonly", "movablekeys")
COMMANDS = (
    Command(name="AI.MODELEXECUTE", run=_run, flags=_WRITE, keys=(4, 4, 1)),
    Command(name="AI.MODELRUN", run=_run, flags=_WRITE, keys=(3, 3, 1)),
    Command(name="AI.DAGRUN", run=_run, flags=_WRITE, keys=(3, 3, 1)),
    Command(name="AI.DAGEXECUTE", run=_run, flags=_WRITE, keys=(3, 3, 1)),
    Command(name="AI.DAGRUN_RO", run=_run, flags=_READ, keys=(3, 3, 1)),
    Command(name="AI.DAGRUNRO", run=_run, flags=_READ, keys=(3, 3, 1)),
    Command(name="AI.DAGEXECUTE_RO", run=_run, flags=_READ, keys=(3, 3, 1)),
)

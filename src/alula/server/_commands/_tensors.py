"""AI.TENSORSET and AI.TENSORGET."""

from .._client import Client
from .._keyspace import as_tensor
from .._ops import read_get, read_set
from .._resp import Reply
from ._table import Command

__all__ = ["COMMANDS"]


def _set(client: Client, words: list[bytes]) -> Reply:
    keyspace = client.keyspace
    if (found := keyspace.read(words[1])) is not None:
        as_tensor(found)
    op = read_set(words)
    keyspace.write({op.key: op.layout.read(words[op.start :])})
    return "OK"


def _get(client: Client, words: list[bytes]) -> Reply:
    tensor = as_tensor(client.keyspace.read(words[1]))
    return read_get(words).format.reply(tensor)


COMMANDS = (
    Command(
        name="AI.TENSORSET", run=_set, least=4, flags=("write", "deny-oom"), keys=(1, 1, 1), group="module"
    ),
    Command(
        name="AI.TENSORGET", run=_get, least=2, most=4, flags=("readonly",), keys=(1, 1, 1), group="module"
    ),
)

"""What a compiled function may do, read from its graph before it ever runs."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ...errors import CommandError

__all__ = ["Traits", "inspect"]

_WRITES: Final = re.compile(r"Tensor\([^)]*!")
_UNSEEN: Final = {"prim::CallFunction", "prim::CallMethod", "prim::fork", "prim::awaitable"}
_FILES: Final = {"aten::from_file", "aten::save"}


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of some functions.

    Attributes
    ----------
    writes
        Whether one may write to a tensor that it was given.
    calls
        Whether one calls into the server.
    """

    writes: bool
    calls: bool


def inspect(graphs: Iterable[Any]) -> Traits:
    """Look through graphs, in which other functions' have been put in place of calls.

    Raises
    ------
    CommandError
        If one of them reads or writes files: whoever sends a script must not be able to name the
        server's.
    """
    writes = calls = False
    for node in _nodes(graphs):
        kind = node.kind()
        if kind in _FILES:
            raise CommandError(f"ERR {kind} is not allowed: it would open files of the server")
        writes = writes or kind in _UNSEEN or _WRITES.search(node.schema()) is not None
        calls = calls or kind.startswith(("redis::", "redisAI::"))
    return Traits(writes, calls)


def _nodes(graphs: Iterable[Any]) -> Iterator[Any]:
    """Give all nodes, those inside of branches and loops too."""
    blocks = list(graphs)
    while blocks:
        for node in blocks.pop().nodes():
            yield node
            blocks += node.blocks()
            if node.hasAttribute("Subgraph"):
                blocks.append(node.g("Subgraph"))

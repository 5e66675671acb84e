"""The one table through which the code may reach rightwards.

A node belongs to `graph`, the leftmost layer, but people expect ``node.execute()`` and ``node.run()``
on it, which live in `futures` and `workflow`, and a picture, which is of its graph. A running task of the
runtime is given the whole runtime, which stands on it. Those calls look their target up here, by name
and at the moment of the call. The layer test reads this table: nothing else reaches right.
"""

from importlib import import_module
from typing import Any, Final

__all__ = ["TABLE", "late"]

TABLE: Final = {
    "node.picture": ("alula.graph", "picture"),
    "node.execute": ("alula.futures", "execute"),
    "node.run": ("alula.workflow", "run"),
    "node.run_async": ("alula.workflow", "run_async"),
    "task.instance": ("alula.runtime", "instance_of"),
}


def late(name: str) -> Any:
    """Import and give what `TABLE` lists under `name`."""
    module, attribute = TABLE[name]
    return getattr(import_module(module), attribute)

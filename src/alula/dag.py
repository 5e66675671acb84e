"""Ray's address of what graphs are made of."""

from .futures import ClassMethodNode, ClassNode
from .graph import InputNode
from .graph import Node as DAGNode

__all__ = ["ClassMethodNode", "ClassNode", "DAGNode", "InputNode"]


def __getattr__(name: str) -> object:
    raise AttributeError(f"alula.dag has no {name!r}; it has {', '.join(__all__)}")

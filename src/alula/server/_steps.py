"""A plan's graph as a list of steps that know where their inputs are: for who runs one after the other."""

from typing import Any, Final, NamedTuple, TypeAlias

from .._core._ids import Key
from ..graph import Graph, InputItem, Name, Node
from ._work import Work

__all__ = ["Step", "Steps", "steps_of"]

_MOST: Final = 16  # operations of one command: others want a turn, too

_Source: TypeAlias = tuple[int, Any]
"""Where a value is: among the payloads, the keys or the nodes, and there under what."""

_PAYLOADS, _KEYS, _NODES = range(3)


class Step(NamedTuple):
    """One node of a plan's graph."""

    key: Key
    fn: Any
    inputs: tuple[_Source, ...]


Steps: TypeAlias = tuple[Step, ...]


def steps_of(graph: Graph) -> Steps | None:
    """Give the nodes of a plan's graph in an order in which they can be run.

    None if it is never run in one go: there are too many works, or one that may use the server.
    """
    works = [node.fn for node in graph.nodes.values() if isinstance(node.fn, Work)]
    if len(works) > _MOST or any(work.may_call for work in works):
        return None
    return tuple([_step(graph, key, node) for key, node in graph.nodes.items()])


def _step(graph: Graph, key: Key, node: Node[Any]) -> Step:
    return Step(key, node.fn, tuple([_source(graph, mark) for mark in node.args]))


def _source(graph: Graph, mark: Any) -> _Source:
    if isinstance(mark, InputItem):
        return _PAYLOADS, mark.path[-1]
    return (_KEYS, mark.name) if isinstance(mark, Name) else (_NODES, graph.key(mark))

"""A graph: nodes under keys, each after its inputs, checked before anything runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from .._core._ids import Key, derive
from ..errors import CycleError, UnknownNodeError
from ._draw import Look, mermaid, svg
from ._node import Mark, Node, Pending
from ._scan import fill, scan

__all__ = ["Call", "Graph", "picture"]

T = TypeVar("T")

_LOOSE: Final = frozenset({"catches", "idle"})


@dataclass(frozen=True, slots=True)
class Call:
    """A node whose arguments have become values: what a place is asked to start."""

    key: Key
    fn: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    options: Mapping[str, Any]


class Graph:
    """The nodes that some outputs need, under keys that are the same in every process.

    Attributes
    ----------
    nodes
        Every node by its key, inputs before their readers; among equals, in the order of arguments.
    outputs
        Keys of the nodes whose values are wanted.
    effects
        Keys of nodes that have to run though nobody wants their value.
    quorums
        Of nodes with the option ``quorum``: how many of their inputs have to end before they start.
    plain
        Whether each node starts when all its inputs are there, and reads only what stands in this graph.
    catches
        Whether the first output has the option ``catches``: no failure of a node goes past it.
    """

    __slots__ = (
        "_bare",
        "_inputs",
        "_keys",
        "_readers",
        "catches",
        "effects",
        "nodes",
        "outputs",
        "plain",
        "quorums",
    )

    def __init__(
        self,
        nodes: Mapping[Key, Node[Any]],
        outputs: tuple[Key, ...],
        effects: tuple[Key, ...] = (),
        *,
        marks: Mapping[Node[Any], Sequence[Mark]] | None = None,
    ) -> None:
        """Make a graph; `marks` are those in the arguments of each node, if they were looked for already."""
        self.nodes = nodes
        self.outputs = outputs
        self.effects = effects
        self._keys: dict[Node[Any], Key] = {node: key for key, node in nodes.items()}
        self._inputs: dict[Key, tuple[Key, ...]] = {}
        self._bare: set[Key] = set()
        readers: dict[Key, list[Key]] = {key: [] for key in nodes}
        for key, node in nodes.items():
            found = _marks_of(node) if marks is None else marks[node]
            if not found:
                self._bare.add(key)
            read = [mark for mark in found if isinstance(mark, (Node, Pending))]
            self._inputs[key] = tuple(dict.fromkeys(map(self.key, read)))
            for source in self._inputs[key]:
                readers.setdefault(source, []).append(key)
        self._readers = {key: tuple(keys) for key, keys in readers.items()}
        self.quorums: dict[Key, int] = {
            key: node.options["quorum"] for key, node in nodes.items() if "quorum" in node.options
        }
        self.plain: bool = not self.quorums and len(readers) == len(nodes)
        self.plain = self.plain and all(_LOOSE.isdisjoint(node.options) for node in nodes.values())
        self.catches: bool = bool(outputs) and nodes[outputs[0]].options.get("catches", False)

    @classmethod
    def of(cls, *outputs: Node[Any], effects: Iterable[Node[Any]] = (), creator: str = "") -> Self:
        """Collect what the outputs need, each node once.

        Parameters
        ----------
        outputs
            Nodes whose values are wanted.
        effects
            Nodes that have to run as well.
        creator
            Key of the node whose result this graph is, for a continuation. Keys derive from it and
            from the position in the graph, inputs first.

        Raises
        ------
        CycleError
            If a node needs itself; names the nodes on the way round.
        """
        wanted = tuple(effects)
        marks = _in_order((*outputs, *wanted))
        nodes = {derive(creator, i): node for i, node in enumerate(marks)}
        keys = {node: key for key, node in nodes.items()}
        return cls(nodes, tuple(keys[n] for n in outputs), tuple(keys[n] for n in wanted), marks=marks)

    def __len__(self) -> int:
        return len(self.nodes)

    def key(self, node: Node[Any] | Pending) -> Key:
        """Give the key of a node of this graph, or of one that is read here and stands in another."""
        if isinstance(node, Pending):
            return node.key
        try:
            return self._keys[node]
        except KeyError:
            raise UnknownNodeError(node.label) from None

    def inputs(self, key: Key) -> tuple[Key, ...]:
        """Give the keys that a node reads, each once, in the order in which they stand in its arguments."""
        return _find(self._inputs, key)

    def outside(self, key: Key) -> list[Key]:
        """Give the keys that a node reads and that stand in other graphs."""
        return [source for source in self.inputs(key) if source not in self.nodes]

    def readers(self, key: Key) -> tuple[Key, ...]:
        """Give the keys of the nodes that read this one."""
        return _find(self._readers, key)

    def is_bare(self, key: Key) -> bool:
        """Tell whether no mark of any kind stands in the arguments of a node."""
        return key in self._bare

    def call(self, key: Key, read: Callable[[Mark], Any]) -> Call:
        """Give the call of a node, its marks replaced by what `read` says."""
        node = _find(self.nodes, key)
        if key in self._bare:
            return Call(key, node.fn, node.args, {**node.kwargs}, node.options)
        return Call(
            key,
            node.fn,
            tuple([fill(arg, read) for arg in node.args]),
            {name: fill(arg, read) for name, arg in node.kwargs.items()} if node.kwargs else {},
            node.options,
        )

    def draw(self, look: Callable[[Key], Look] | None = None) -> str:
        """Draw the graph as SVG, self-contained, for light and dark pages.

        Parameters
        ----------
        look
            How a node is to look: its label, whether its value is durable, its state.
        """
        return svg(*self._picture(look))

    def mermaid(self, look: Callable[[Key], Look] | None = None) -> str:
        """Write the graph as a Mermaid flowchart, for Markdown pages."""
        return mermaid(*self._picture(look))

    _repr_html_ = draw

    def _picture(self, look: Callable[[Key], Look] | None) -> tuple[dict[str, Look], list[tuple[str, str]]]:
        looks: dict[str, Look] = {
            key: look(key) if look else Look(node.label) for key, node in self.nodes.items()
        }
        edges: list[tuple[str, str]] = [
            (source, key) for key in self.nodes for source in self._inputs[key] if source in self.nodes
        ]
        return looks, edges


def _find(table: Mapping[Key, T], key: Key) -> T:
    try:
        return table[key]
    except KeyError:
        raise UnknownNodeError(key) from None


def picture(node: Node[Any]) -> str:
    """Draw the graph that ends in a node, as SVG."""
    return Graph.of(node).draw()


def _marks_of(node: Node[Any]) -> list[Mark]:
    return scan(*node.args, *node.kwargs.values())


def _in_order(roots: Iterable[Node[Any]]) -> dict[Node[Any], list[Mark]]:
    """Order nodes so that each stands after its inputs, and give the marks in the arguments of each.

    A loop instead of recursion, for depth.
    """
    order: dict[Node[Any], list[Mark]] = {}
    path: dict[Node[Any], None] = {}
    for root in roots:
        stack: list[tuple[Node[Any], list[Mark], list[Node[Any]]]] = []
        node: Node[Any] | None = root
        while True:
            if node is not None and node not in order:
                if node in path:
                    around = [*path][[*path].index(node) :]
                    raise CycleError([n.label for n in (*around, node)])
                path[node] = None
                marks = _marks_of(node)
                stack.append((node, marks, [mark for mark in reversed(marks) if isinstance(mark, Node)]))
            if not stack:
                break
            top, marks, left = stack[-1]
            if left:
                node = left.pop()
            else:
                stack.pop()
                path.pop(top)
                order[top] = marks
                node = None
    return order

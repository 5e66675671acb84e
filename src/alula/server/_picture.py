"""A DAG command as a picture: its values, by their names, and which of them are durable."""

from dataclasses import dataclass, field
from typing import assert_never

from ..errors import CommandError
from ..graph import Graph, Look, Node
from ._dag import FAMILIES, Dag, Part, is_volatile, parse
from ._ops import Get, Run, Set

__all__ = ["picture"]


def picture(*words: str | bytes) -> str:
    """Draw the values of a DAG command and how they are made of each other.

    No server is asked, so the models need not exist.

    Parameters
    ----------
    words
        The command, as a client would send it.

    Returns
    -------
    str
        SVG. Volatile values have wings and a dashed outline; under a name stands what makes it.

    Raises
    ------
    CommandError
        If it is no DAG command, or not a correct one.

    Examples
    --------
    >>> svg = picture(*"AI.DAGRUN MODELRUN net INPUTS image OUTPUTS ~p~ => TENSORGET ~p~".split())
    >>> svg[:4]
    '<svg'
    """
    command = [word.encode() if isinstance(word, str) else word for word in words]
    family = FAMILIES.get(command[0].upper() if command else b"")
    if family is None:
        raise CommandError("ERR only a DAG command can be drawn: " + ", ".join(_names()))
    dag = parse(command, family, _Anything())
    sketch = _Sketch(dag)
    for part in dag.parts:
        sketch.add(part)
    graph = Graph.of(*sketch.looks)
    return graph.draw(lambda key: sketch.looks[graph.nodes[key]])


def _names() -> list[str]:
    return [name.decode() for name in FAMILIES]


class _Anything:
    """A keyspace in which every key is what it should be."""

    def tensor(self, key: bytes) -> None:
        pass

    def counts(self, key: bytes) -> None:
        return None


@dataclass(slots=True)
class _Sketch:
    dag: Dag
    bound: dict[bytes, Node[None]] = field(default_factory=dict)
    looks: dict[Node[None], Look] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Take in the values that an operation binds; a TENSORGET only has to find its own."""
        op = part.op
        match op:
            case Set():
                self._bind(op.key, (), "")
            case Run():
                inputs = tuple([self._read(name) for name in op.inputs])
                for name in op.outputs:
                    self._bind(name, inputs, op.model.decode(errors="replace"))
            case Get():
                self._read(op.key)
            case _:
                assert_never(op)

    def _read(self, name: bytes) -> Node[None]:
        if name not in self.bound:
            if name not in self.dag.loads and (not self.dag.inline or is_volatile(name)):
                raise CommandError("ERR INPUT key cannot be found in DAG")
            self._bind(name, (), "", durable=True)
        return self.bound[name]

    def _bind(
        self, name: bytes, inputs: tuple[Node[None], ...], note: str, *, durable: bool | None = None
    ) -> None:
        if durable is None:
            durable = name in self.dag.persists or (self.dag.inline and not is_volatile(name))
        label = (name[1:-1] if is_volatile(name) else name).decode(errors="replace")
        node: Node[None] = Node(None, inputs)
        self.bound[name], self.looks[node] = node, Look(label, durable, note=note)

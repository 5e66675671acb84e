"""A DAG command as a picture, and as data: its values, by their names, and which of them are durable."""

from collections.abc import Callable
from typing import Any

from ..graph import Graph, Look, Node
from ._dag import is_volatile
from ._sketch import ANY, Sketch, Thing, shown, sketch_of

__all__ = ["described", "picture", "plan"]


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
    sketch = sketch_of(_bytes(words), ANY)
    nodes: list[Node[None]] = []
    for thing in sketch.things:
        nodes.append(Node(None, tuple([nodes[at] for at in thing.inputs])))
    looks = {node: _look(sketch, thing) for node, thing in zip(nodes, sketch.things, strict=True)}
    graph = Graph.of(*nodes)
    return graph.draw(lambda key: looks[graph.nodes[key]])


def _bytes(words: tuple[str | bytes, ...]) -> list[bytes]:
    return [word.encode() if isinstance(word, str) else word for word in words]


def _look(sketch: Sketch, thing: Thing) -> Look:
    name = thing.name[1:-1] if is_volatile(thing.name) else thing.name
    note = "" if thing.operation is None else sketch.operations[thing.operation].target
    return Look(shown(name), thing.durable, note=note)


def plan(*words: str | bytes) -> dict[str, Any]:
    """Say what a DAG command would do, without doing it: its values as nodes, and the edges between them.

    No server is asked, so the models need not exist, and on which devices they are is not known; the
    command ``AI.DAGPLAN`` asks one.

    Parameters
    ----------
    words
        The command, as a client would send it.

    Returns
    -------
    dict
        Fit for JSON:

        - ``command``, ``spelling`` (``scoped`` or ``inline``), ``timeout`` in ms or None,
        - ``nodes``: every value with its ``name``, whether it is ``durable`` (the keyspace has it before or
          afterwards), the ``operation`` that makes it (None for a key that is read), ``dtype`` and
          ``shape`` where the command says so; their order is their number,
        - ``edges``: pairs of numbers, each from an input to what is made of it,
        - ``operations``: in listing order, each with its ``kind``, the ``key`` of the model or script, its
          ``device``, and the operations that it ``waits`` for,
        - ``loads``: the keys that are read, and ``stores``: those that are written, with the numbers of
          what they get.

    Raises
    ------
    CommandError
        If it is no DAG command, or not a correct one.

    Examples
    --------
    >>> words = "AI.DAGRUN MODELRUN net INPUTS image OUTPUTS ~p~ => MODELRUN top INPUTS ~p~ OUTPUTS c"
    >>> found = plan(*words.split())
    >>> [node["name"] for node in found["nodes"]], found["edges"], found["stores"]
    (['image', '~p~', 'c'], [[0, 1], [1, 2]], {'c': 2})
    """
    return described(_bytes(words), sketch_of(_bytes(words), ANY), lambda key: None)


def described(words: list[bytes], sketch: Sketch, device: Callable[[bytes], str | None]) -> dict[str, Any]:
    """Put a sketch into the words of `plan`; `device` gives where what is under a key runs."""
    return {
        "command": shown(words[0]).upper(),
        "spelling": "inline" if sketch.dag.inline else "scoped",
        "timeout": sketch.dag.timeout,
        "nodes": [
            {
                "name": shown(thing.name),
                "durable": thing.durable,
                "operation": thing.operation,
                "dtype": thing.dtype,
                "shape": None if thing.shape is None else list(thing.shape),
            }
            for thing in sketch.things
        ],
        "edges": [[source, at] for at, thing in enumerate(sketch.things) for source in thing.inputs],
        "operations": [
            {
                "kind": operation.kind,
                "key": None if operation.key is None else shown(operation.key),
                "device": None if operation.key is None else device(operation.key),
                "waits": list(operation.waits),
            }
            for operation in sketch.operations
        ],
        "loads": [shown(name) for name in sketch.loads],
        "stores": {shown(name): at for name, at in sketch.stores.items()},
    }

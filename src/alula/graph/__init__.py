"""Graphs of tasks over values: pure, without I/O, clock or threads.

A `Node` is a call that has not happened. A `Graph` is the nodes that some outputs need, checked. A
`Drive` runs a graph in a `Place`, with a `Scope` for volatile values and a `Home` for durable ones;
`Frontier` is its bookkeeping. The faces differ only in the places, scopes and homes they bring.
"""

from ._draw import Look, Shape, State, svg
from ._drive import Cancel, Done, Drive, Failed, Grown, Home, Outcome, Place, Recorded, Scope, Then
from ._frontier import Frontier, Known
from ._graph import Call, Graph, picture
from ._layout import Edge
from ._node import InputItem, InputNode, Mark, Name, Node, Pending
from ._scan import fill, scan

__all__ = [
    "Call",
    "Cancel",
    "Done",
    "Drive",
    "Edge",
    "Failed",
    "Frontier",
    "Graph",
    "Grown",
    "Home",
    "InputItem",
    "InputNode",
    "Known",
    "Look",
    "Mark",
    "Name",
    "Node",
    "Outcome",
    "Pending",
    "Place",
    "Recorded",
    "Scope",
    "Shape",
    "State",
    "Then",
    "fill",
    "picture",
    "scan",
    "svg",
]

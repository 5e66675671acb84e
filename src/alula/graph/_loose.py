"""What a frontier keeps for graphs that are not plain: for most runs there is none of this.

A graph is plain if every node starts when all its inputs are there, and a failure of any is one of the
whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .._core._ids import Key
from ._graph import Graph
from ._shelters import Shelters

__all__ = ["Loose"]


@dataclass(slots=True)
class Loose:
    """Notes about nodes that start without all their inputs, and about inputs that go on without readers.

    Attributes
    ----------
    taken
        Of a ready or running key that starts though some input has not ended well: the inputs that it is
        given, in their order. Of a quorum, those that have ended, and no more than it asks for; of an output
        that catches, those that failed.
    begun
        Keys with a quorum and the option ``timeout`` that have begun to wait, with that; for the drive,
        which clears it.
    surplus
        Running keys that nobody needs any more, or that after a `stop` would only wait (their nodes have the
        option ``idle``); for the drive, which clears it.
    lent
        Keys left by a quorum: somebody may still come to read them.
    spared
        Those among them that go on after the outputs are there.
    stillborn
        What has begun to wait for a key that was lost before; and for whose failure that was.
    shelters
        Of graphs that catch.
    """

    taken: dict[Key, tuple[Key, ...]] = field(default_factory=dict)
    begun: list[tuple[Key, float]] = field(default_factory=list)
    surplus: list[Key] = field(default_factory=list)
    lent: set[Key] = field(default_factory=set)
    spared: set[Key] = field(default_factory=set)
    stillborn: list[tuple[Key, Key]] = field(default_factory=list)
    shelters: Shelters = field(default_factory=Shelters)

    def take(self, key: Key, graph: Graph, ended: Iterable[Key]) -> None:
        """Note what a key with a quorum is given, of those inputs that have ended."""
        self.taken[key] = tuple(ended)[: graph.quorums[key]]

    def lend(self, key: Key, graph: Graph) -> None:
        """Keep what one with a quorum leaves, for whoever gets to know of it."""
        taken = self.taken.get(key)
        if taken is not None and key in graph.quorums:
            left = set(graph.inputs(key)).difference(taken)
            self.lent |= left
            if graph.nodes[key].options.get("abandon") == "run":
                self.spared |= left

    def begin(self, key: Key, graph: Graph) -> None:
        """Note that a key with a quorum has begun to wait."""
        timeout = graph.nodes[key].options.get("timeout")
        if timeout is not None:
            self.begun.append((key, timeout))

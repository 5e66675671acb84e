"""What commands of one shape have in common: everything but their payloads.

The graph of a plan runs models and scripts; the tensors of TENSORSET are its input, and keys of the
keyspace stand in it by name. Plans are made in `_planner` and kept in `_plans`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._core._ids import Key
from ..graph import Graph, InputItem, Name
from ._ops import Format
from ._payloads import Layout
from ._resident import Value
from ._steps import Steps
from ._tensors import Tensor
from ._work import Work

__all__ = ["Answer", "Payload", "Pick", "Plan", "Ran", "Read", "WasSet", "take"]


# ---------------------------------------------------------------------- what the graph's nodes do


@dataclass(frozen=True, slots=True)
class Pick:
    """Take one output of a run apart from the others, so that each lives only as long as it is read."""

    index: int

    def __call__(self, outputs: tuple[Value, ...]) -> Value:
        return outputs[self.index]


def take(tensor: Value) -> Value:
    """Give a tensor that was there before the run: so that storing it is storing a node's value."""
    return tensor


# ------------------------------------------------------------------------------------ the plan


@dataclass(frozen=True, slots=True)
class Payload:
    """Where in the command the content of one TENSORSET stands, and how it is read."""

    layout: Layout
    start: int
    stop: int

    def read(self, words: list[bytes]) -> Tensor:
        """Make the tensor, or say what is wrong with it."""
        return self.layout.read(words[self.start : self.stop])


@dataclass(frozen=True, slots=True)
class WasSet:
    """TENSORSET answers that it is done; it always is."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A model run answers how its node ended."""

    key: Key


@dataclass(frozen=True, slots=True)
class Read:
    """TENSORGET answers with what its name refers to.

    Attributes
    ----------
    source
        Where the tensor is: in the graph's input, in the snapshot, or the value of a node.
    whole
        Of one output of several: the position of the operation, and which output. It may be there though
        the node that picks it was never started, because another operation had failed.
    format
        What of it is answered.
    """

    source: InputItem | Name | Key
    whole: tuple[int, int] | None
    format: Format


Answer: TypeAlias = WasSet | Ran | Read


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """All that commands of one shape have in common: everything but the payloads.

    Attributes
    ----------
    graph
        What runs. Its input is the list of the payloads' tensors.
    steps
        The same, for who may run it in one go; None if nobody may.
    works
        What is to be run on devices, in listing order.
    payloads
        Of every TENSORSET, in listing order.
    answers
        One per operation, in listing order.
    models
        Keys of models, with the numbers of inputs and outputs that they must have.
    scripts
        Keys of scripts.
    loads
        Keys of tensors that are read from the keyspace.
    stores
        Keys that are written, each with the position of its value among the graph's outputs.
    readers
        How many works read a tensor that only works read: of payloads by their number, of loaded
        tensors by their key. When the last of them has it, nobody else needs it.
    timeout
        Seconds that it may wait in a queue; None is for ever.
    noid, keep
        As of `Dag`, but in seconds.
    calls
        Whether some work may use the server.
    single
        Whether it is a command of its own, which answers like its one operation, without an array.
    """

    graph: Graph
    steps: Steps | None
    works: tuple[Work, ...]
    payloads: tuple[Payload, ...] = ()
    answers: tuple[Answer, ...]
    models: tuple[tuple[bytes, tuple[int, int]], ...]
    scripts: tuple[bytes, ...] = ()
    loads: tuple[bytes, ...]
    stores: tuple[tuple[bytes, int], ...]
    readers: Mapping[int | bytes, int]
    timeout: float | None
    noid: bool = False
    keep: float = 0.0
    calls: bool = False
    single: bool = False

    @property
    def keys(self) -> tuple[bytes, ...]:
        """All keys that a run reads, of models, scripts and tensors."""
        return (*[key for key, _ in self.models], *self.scripts, *self.loads)

    def chains(self, targets: Mapping[bytes, Any], *, parallel: bool) -> list[list[int]]:
        """Give operations, by their positions, that have to run one after the other.

        Parameters
        ----------
        targets
            What is stored under the keys of the works.
        parallel
            If not, all operations of one device are such a chain.
        """
        chains: dict[str, list[int]] = {}
        for work in self.works:
            target = targets[work.key]
            if not parallel:
                chains.setdefault(target.queue, []).append(work.position)
            if work.calls(target):
                chains.setdefault("", []).append(work.position)
        return [chain for chain in chains.values() if len(chain) > 1]

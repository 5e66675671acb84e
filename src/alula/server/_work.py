"""What an operation does on its device: the function of a node in a plan's graph."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from ..errors import CommandError
from ._counts import Counts
from ._models import Model, Pace, Stop
from ._resident import Value
from ._stats import Kind

__all__ = ["RunModel", "Target", "Work", "at"]


class Target(Protocol):
    """What is run, as its device sees it: a stored model or script."""

    @property
    def queue(self) -> str:
        """The device, upper case."""
        ...

    @property
    def counts(self) -> Counts:
        """What is told of each of its runs."""
        ...

    @property
    def batchsize(self) -> int:
        """Rows up to which requests are put together; 0 is not at all."""
        ...

    @property
    def minbatchsize(self) -> int:
        """Fewer rows than these wait for more; 0 is for nothing."""
        ...

    @property
    def minbatchtimeout(self) -> int:
        """Milliseconds after which they wait no longer; 0 is for ever."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work(ABC):
    """Run what is stored under a key, the node's first argument, on tensors, the others.

    The node's value is the tuple of the outputs, or the only one by itself.

    Attributes
    ----------
    position
        Of the operation in the listing: of those that are ready, the first starts first.
    key
        Of the model or script.
    outputs
        How many there must be.
    wanted
        Indexes of outputs that are needed in the host's memory when the command ends.
    reads
        What it reads of what the command was given, as `Plan.readers` counts it.
    """

    kind: ClassVar[Kind]
    may_call: ClassVar[bool] = False
    """Whether some of this kind use the server meanwhile; `calls` says which."""

    position: int
    key: bytes
    outputs: int
    wanted: tuple[int, ...] = ()
    reads: tuple[int | bytes, ...] = ()

    @abstractmethod
    def run(self, target: Any, inputs: Sequence[Value], stop: Stop | None) -> tuple[Value, ...]:
        """Compute the outputs, on any thread; raises `CommandError` if that fails."""

    def fetch(self, outputs: Sequence[Value]) -> None:
        """Copy to the host what is needed there: here, as the server's own thread should wait for nothing."""
        for index in self.wanted:
            outputs[index].host()

    def pace(self, target: Any) -> Pace | None:
        """Give what tells whether a run ends before another thread would have begun it, if anything does."""
        return None

    def calls(self, target: Any) -> bool:
        """Tell whether it uses the server meanwhile: such works of a command keep their listing order."""
        return False


def at(home: Hashable, inputs: Sequence[Value]) -> Sequence[Any]:
    """Give what can be read at a home as it is, and everything else in the host's memory."""
    if home is None:
        return [value.host() for value in inputs]
    return [value if value.home == home else value.host() for value in inputs]


class RunModel(Work):
    """Run a model."""

    __slots__ = ()
    kind = "MODEL"

    def run(self, target: Model, inputs: Sequence[Value], stop: Stop | None) -> tuple[Value, ...]:
        """Run the model's session on what it can read."""
        session = target.session
        outputs = session.run(at(getattr(session, "home", None), inputs), stop)
        if len(outputs) != self.outputs:
            raise CommandError("ERR Model did not generate the expected number of outputs")
        self.fetch(outputs)
        return outputs

    def pace(self, target: Model) -> Pace:
        """Judge by the model's runs before."""
        return target.pace

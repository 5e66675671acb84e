"""Stored scripts, and what a backend has to give for them.

A script is source text with functions. Its entry points are called with tensors, keys and words, and
may call back into the server; any other function is called with tensors alone.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from ._counts import Counts
from ._models import Backend, Session
from ._resident import Value
from ._resp import Reply

__all__ = ["Invocation", "Program", "Reach", "Script", "ScriptBackend"]


class Reach(Protocol):
    """How a running script reaches its server; for any thread but the server's own."""

    def call(self, words: list[bytes], *, readonly: bool) -> Reply:
        """Carry out a command that does not block.

        Raises
        ------
        CommandError
            Its error reply.
        """
        ...

    def session(self, key: bytes) -> Session:
        """Give the loaded model under a key.

        Raises
        ------
        CommandError
            If there is none.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of a script's function.

    Attributes
    ----------
    function
        Its name.
    keys, args
        What an entry point is given beside the tensors; no other function sees them.
    outputs
        How many tensors are expected; 0 takes whatever comes, and throws it away.
    readonly
        Whether commands that write are refused.
    """

    function: bytes
    keys: tuple[bytes, ...] = ()
    args: tuple[bytes, ...] = ()
    outputs: int = 0
    readonly: bool = False


class Program(Protocol):
    """A compiled script; its runs may overlap."""

    @property
    def home(self) -> Hashable:
        """Where its results stay, as `Resident.home`; None if that is the host's memory.

        What its runs take may then be a `Resident` of an equal home.
        """
        ...

    @property
    def calls(self) -> bool:
        """Whether any function calls into the server, so that the order of runs can be seen."""
        ...

    def check(self, entry_points: Sequence[bytes]) -> None:
        """See that functions can be entry points.

        Raises
        ------
        CommandError
            If one of them is not there or takes other arguments.
        """
        ...

    def run(self, invocation: Invocation, inputs: Sequence[Value], *, entry: bool) -> tuple[Value, ...]:
        """Call a function, as an entry point or not; from any thread but the server's own.

        Raises
        ------
        CommandError
            If there is no such function, it cannot be called with these inputs, it failed, or it gave
            something else than the tensors that were expected.
        """
        ...


@runtime_checkable
class ScriptBackend(Backend, Protocol):
    """A backend that compiles and runs scripts, too."""

    def compile(self, source: bytes, device: str) -> Program:
        """Make a script ready on a device; called from any thread but the server's own.

        Raises
        ------
        CommandError
            If it does not compile, with the compiler's message on one line.
        MissingExtraError
            If the framework is not installed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Script:
    """A script under a key, as AI.SCRIPTSTORE gave it, and compiled.

    Attributes
    ----------
    device
        As the client wrote it.
    tag
        Any bytes of the client's; empty if there was none.
    source
        The text, byte for byte.
    entry_points
        Names of functions, in their order; AI.SCRIPTSET knows none.
    program
        What the backend made of it.
    counts
        What AI.INFO says of it.
    """

    batchsize: ClassVar[int] = 0
    minbatchsize: ClassVar[int] = 0
    minbatchtimeout: ClassVar[int] = 0

    device: bytes
    tag: bytes = b""
    source: bytes
    entry_points: tuple[bytes, ...] = ()
    program: Program
    counts: Counts = field(default_factory=lambda: Counts(samples=-1))

    @property
    def queue(self) -> str:
        """The device by which it runs, upper case."""
        return self.device.decode(errors="replace").upper()

    def run(self, invocation: Invocation, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """Call one of its functions; see `Program`."""
        entry = invocation.function in self.entry_points
        return self.program.run(invocation, inputs, entry=entry)

"""A DAG command looked at and not run: its values, what makes them of what, and which are kept.

This is what pictures and dry runs show. It is made of the parsed command and knows no keyspace.
"""

from dataclasses import dataclass, field
from typing import assert_never

from ..errors import CommandError
from ._dag import FAMILIES, Dag, Part, is_volatile, parse
from ._ops import Get, Look, Run, Set
from ._script_ops import Invoke

__all__ = ["ANY", "Operation", "Sketch", "Thing", "shown", "sketch_of"]


class _Anything:
    """A keyspace in which every key is what it should be."""

    def tensor(self, key: bytes) -> None:
        pass

    def counts(self, key: bytes) -> None:
        return None

    def script(self, key: bytes) -> None:
        pass


ANY: Look = _Anything()
"""Answers what parsing asks about keys where there are none."""


@dataclass(slots=True, kw_only=True)
class Thing:
    """One value: what one binding of a name stands for.

    Attributes
    ----------
    name
        As in the command.
    operation
        The position of what binds it; None for a key that is read.
    inputs
        What it is made of, by position among all values.
    dtype, shape
        If the command says so.
    stored
        Whether it is there under its name afterwards.
    """

    name: bytes
    operation: int | None
    inputs: tuple[int, ...] = ()
    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    stored: bool = False

    @property
    def durable(self) -> bool:
        """Whether the keyspace has it, before or afterwards."""
        return self.stored or self.operation is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation.

    Attributes
    ----------
    kind
        Its name in full, upper case.
    target
        What is run: a key, and for a script the function behind a blank; empty for what runs nothing.
    key
        The key alone; None for what runs nothing.
    waits
        Positions of the operations whose outputs it reads.
    """

    kind: str
    target: str = ""
    key: bytes | None = None
    waits: tuple[int, ...] = ()


@dataclass(slots=True)
class Sketch:
    """A command's values and operations, in listing order.

    Attributes
    ----------
    dag
        The command, parsed.
    things, operations
        What it makes, and how.
    """

    dag: Dag
    things: list[Thing] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    _bound: dict[bytes, int] = field(default_factory=dict)

    @property
    def loads(self) -> list[bytes]:
        """Keys that are read."""
        return [thing.name for thing in self.things if thing.operation is None]

    @property
    def stores(self) -> dict[bytes, int]:
        """Keys that are written, and the values that they get."""
        return {thing.name: at for at, thing in enumerate(self.things) if thing.stored}

    def add(self, part: Part, kind: str) -> None:
        """Take in the next operation, which has that name in full."""
        op = part.op
        match op:
            case Set():
                layout = op.layout
                self.operations.append(Operation(kind=kind))
                self._bind(op.key, (), dtype=layout.dtype.name, shape=layout.shape)
            case Get():
                source = self._read(op.key)
                self.operations.append(Operation(kind=kind, waits=self._makers((source,))))
            case Run():
                self._run(kind, op.model, shown(op.model), op.inputs, op.outputs)
            case Invoke():
                target = shown(op.script + b" " + op.function)
                self._run(kind, op.script, target, op.inputs, op.outputs)
            case _:
                assert_never(op)

    def _run(
        self, kind: str, key: bytes, target: str, inputs: tuple[bytes, ...], outputs: tuple[bytes, ...]
    ) -> None:
        sources = tuple(dict.fromkeys([self._read(name) for name in inputs]))
        waits = self._makers(sources)
        self.operations.append(Operation(kind=kind, target=target, key=key, waits=waits))
        for name in outputs:
            self._bind(name, sources)

    def close(self) -> None:
        """Find out which values are stored, now that all are known."""
        for name in self.dag.persists:
            if name in self.dag.loads:
                self._read(name)
            if name not in self._bound:
                raise CommandError("ERR PERSIST key cannot be found in DAG")
        for name, at in self._bound.items():
            written = self.dag.inline and not is_volatile(name) and self.things[at].operation is not None
            self.things[at].stored = written or name in self.dag.persists

    def _makers(self, sources: tuple[int, ...]) -> tuple[int, ...]:
        found = [self.things[at].operation for at in sources]
        return tuple(sorted({position for position in found if position is not None}))

    def _read(self, name: bytes) -> int:
        if name not in self._bound:
            if name not in self.dag.loads and (not self.dag.inline or is_volatile(name)):
                raise CommandError("ERR INPUT key cannot be found in DAG")
            self._add(Thing(name=name, operation=None))
        return self._bound[name]

    def _bind(
        self,
        name: bytes,
        inputs: tuple[int, ...],
        *,
        dtype: str | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        position = len(self.operations) - 1
        self._add(Thing(name=name, operation=position, inputs=inputs, dtype=dtype, shape=shape))

    def _add(self, thing: Thing) -> None:
        self._bound[thing.name] = len(self.things)
        self.things.append(thing)


def shown(name: bytes) -> str:
    """Give a name as text, whatever its bytes are."""
    return name.decode(errors="replace")


def sketch_of(words: list[bytes], look: Look) -> Sketch:
    """Parse a DAG command and take in all of it.

    Raises
    ------
    CommandError
        If it is no DAG command, or not a correct one.
    """
    family = FAMILIES.get(words[0].upper() if words else b"")
    if family is None:
        names = ", ".join(name.decode() for name in FAMILIES)
        raise CommandError(f"ERR only a DAG command can be looked at: {names}")
    sketch = Sketch(parse(words, family, look))
    for part in sketch.dag.parts:
        sketch.add(part, "AI." + shown(words[part.start]).upper().removeprefix("AI."))
    sketch.close()
    return sketch

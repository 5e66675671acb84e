"""Names become edges: a parsed command turns into a graph, once for all commands of its shape.

A read refers to the latest binding in front of it in the listing, so every binding is its own value
and the graph needs no other order than that of its edges.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

from .._core._ids import Key
from ..errors import CommandError
from ..graph import Graph, InputItem, Mark, Name, Node
from ._dag import Dag, is_volatile
from ._ops import Format, Get, Look, Op, Run, Set
from ._plan import Answer, Payload, Pick, Plan, Ran, Read, WasSet, take
from ._script_ops import Invoke
from ._script_work import RunScript
from ._scripts import Invocation
from ._steps import steps_of
from ._work import RunModel, Work

__all__ = ["plan_dag", "plan_run"]


def plan_dag(dag: Dag, look: Look) -> Plan:
    """Resolve the names of a DAG, in listing order.

    Raises
    ------
    CommandError
        If a name is read that nothing has bound, or a key that is read holds no tensor.
    """
    builder = _Builder(look, inline=dag.inline)
    for key in dag.loads:
        builder.load(key)
    for part in dag.parts:
        builder.add(part.op, part.start, part.stop)
    for key in dag.persists:
        if key not in builder.bound:
            raise CommandError("ERR PERSIST key cannot be found in DAG")
        builder.stored[key] = None
    return builder.plan(timeout=dag.timeout, noid=dag.noid, keep=dag.keep)


def plan_run(run: Run | Invoke, look: Look) -> Plan:
    """Make the plan of a model or script run that is a command of its own: all its names are keys."""
    builder = _Builder(look, inline=True, volatile=False)
    builder.add(run, 0, 0)
    return builder.plan(timeout=run.timeout, single=True)


@dataclass(frozen=True, slots=True)
class _Output:
    """A binding to one output of a run: the node that picks it is made when it is first read."""

    run: Key
    index: int
    of: int


_Binding: TypeAlias = InputItem | Name | _Output


@dataclass(slots=True)
class _Builder:
    look: Look
    inline: bool
    volatile: bool = True
    bound: dict[bytes, _Binding] = field(default_factory=dict)
    stored: dict[bytes, None] = field(default_factory=dict)
    works: dict[Key, tuple[Run | Invoke, tuple[_Binding, ...]]] = field(default_factory=dict)
    nodes: dict[Key, Node[Any]] = field(default_factory=dict)
    payloads: list[Payload] = field(default_factory=list)
    answers: list[tuple[_Binding, Format] | Answer] = field(default_factory=list)
    models: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    scripts: dict[bytes, None] = field(default_factory=dict)
    loads: dict[bytes, None] = field(default_factory=dict)

    def load(self, key: bytes) -> None:
        """Bind a name to the key that is called like it."""
        self.bound[key] = Name(key)
        self.loads[key] = None

    def add(self, op: Op, start: int, stop: int) -> None:
        """Take in the next operation, whose words stand from `start` to `stop`."""
        match op:
            case Set():
                self._bind(op.key, InputItem((0, len(self.payloads))))
                self.payloads.append(Payload(op.layout, start + op.start, stop))
                self.answers.append(WasSet())
            case Get():
                self.answers.append((self._binding(op.key), op.format))
            case Run():
                self.models[op.model] = (len(op.inputs), len(op.outputs))
                self._run(op)
            case Invoke():
                self.scripts[op.script] = None
                self._run(op)
            case _:
                assert_never(op)

    def _run(self, run: Run | Invoke) -> None:
        inputs = tuple([self._binding(name) for name in run.inputs])
        key, count = Key(str(len(self.answers))), len(run.outputs)
        self.works[key] = (run, inputs)
        self.answers.append(Ran(key))
        for index, name in enumerate(run.outputs):
            self._bind(name, _Output(key, index, count))

    # ---------------------------------------------------------------------------------- names

    def _is_key(self, name: bytes) -> bool:
        return self.inline and not (self.volatile and is_volatile(name))

    def _bind(self, name: bytes, binding: _Binding) -> None:
        self.bound[name] = binding
        if self._is_key(name):
            self.stored[name] = None

    def _binding(self, name: bytes) -> _Binding:
        """Give the latest binding of a name that is read, or find it in the keyspace."""
        if name not in self.bound:
            if not self._is_key(name):
                raise CommandError("ERR INPUT key cannot be found in DAG")
            self.look.tensor(name)
            self.load(name)
        return self.bound[name]

    def _mark(self, binding: _Binding) -> Mark:
        """Give what stands for a binding among the arguments of a node."""
        return self.nodes[self._node(binding)] if isinstance(binding, _Output) else binding

    def _node(self, binding: _Binding) -> Key:
        """Give the key of a node whose value is that of a binding, making the node if need be."""
        match binding:
            case _Output(run, _, 1):
                return run
            case _Output(run, index):
                key = Key(f"{run}.{index}")
                if key not in self.nodes:
                    self.nodes[key] = Node(Pick(index), (self.nodes[run],))
            case InputItem() | Name():
                key = Key(f"take {binding}")
                if key not in self.nodes:
                    self.nodes[key] = Node(take, (binding,))
            case _:
                assert_never(binding)
        return key

    # ----------------------------------------------------------------------------------- the end

    def plan(self, *, timeout: int | None, single: bool = False, noid: bool = False, keep: int = 0) -> Plan:
        """Put everything together."""
        readers = self._readers()
        works = self._make_works(readers)
        stores = {name: self._node(self.bound[name]) for name in self.stored}
        outputs = dict.fromkeys(stores.values())
        answers = [self._read(*a, outputs) if isinstance(a, tuple) else a for a in self.answers]
        position = {key: i for i, key in enumerate(outputs)}
        graph = Graph(self.nodes, tuple(outputs), tuple(self.works))
        return Plan(
            graph=graph,
            steps=steps_of(graph),
            works=tuple(works),
            payloads=tuple(self.payloads),
            answers=tuple(answers),
            models=tuple(self.models.items()),
            scripts=tuple(self.scripts),
            loads=tuple(self.loads),
            stores=tuple([(name, position[key]) for name, key in stores.items()]),
            readers=readers,
            timeout=timeout / 1000 if timeout else None,
            noid=noid,
            keep=keep / 1000,
            calls=any(work.may_call for work in works),
            single=single,
        )

    def _readers(self) -> dict[int | bytes, int]:
        """Count who reads what the command is given, if that does not go with its only work anyway."""
        if len(self.works) < 2:
            return {}
        last = [answer[0] for answer in self.answers if isinstance(answer, tuple)]
        kept = {_given(binding) for binding in (*last, *[self.bound[name] for name in self.stored])}
        counts: dict[int | bytes, int] = {}
        for _, inputs in self.works.values():
            for given in {_given(binding) for binding in inputs} - kept - {None}:
                assert given is not None
                counts[given] = counts.get(given, 0) + 1
        return counts

    def _make_works(self, readers: Mapping[int | bytes, int]) -> list[Work]:
        """Make the nodes of the runs, in listing order."""
        wanted = self._wanted()
        works: list[Work] = []
        for key, (run, inputs) in self.works.items():
            given = {_given(binding) for binding in inputs}
            reads = tuple([g for g in given if g is not None and g in readers])
            works.append(_work(run, int(key), tuple(sorted(wanted.get(key, ()))), reads))
            self.nodes[key] = Node(works[-1], (Name(works[-1].key), *map(self._mark, inputs)))
        return works

    def _wanted(self) -> dict[Key, set[int]]:
        """Give the outputs of every run that are read or stored when the command ends."""
        read = [a[0] for a in self.answers if isinstance(a, tuple) and a[1].content is not None]
        found: dict[Key, set[int]] = {}
        for binding in (*read, *[self.bound[name] for name in self.stored]):
            if isinstance(binding, _Output):
                found.setdefault(binding.run, set()).add(binding.index)
        return found

    def _read(self, binding: _Binding, form: Format, outputs: dict[Key, None]) -> Read:
        """Make the answer of a TENSORGET, and keep what it reads until then."""
        if not isinstance(binding, _Output):
            return Read(binding, None, form)
        key = self._node(binding)
        outputs[key] = None
        whole = None
        if binding.of > 1:
            whole = (int(binding.run), binding.index)
        return Read(key, whole, form)


def _work(run: Run | Invoke, position: int, wanted: tuple[int, ...], reads: tuple[int | bytes, ...]) -> Work:
    """Make what an operation does on its device."""
    outputs = len(run.outputs)
    if isinstance(run, Run):
        return RunModel(position=position, key=run.model, outputs=outputs, wanted=wanted, reads=reads)
    invocation = Invocation(
        function=run.function, keys=run.keys, args=run.args, outputs=outputs, readonly=run.readonly
    )
    return RunScript(
        position=position, key=run.script, outputs=outputs, wanted=wanted, reads=reads, invocation=invocation
    )


def _given(binding: _Binding) -> int | bytes | None:
    """Give what a binding is among what the command is given: a payload's number, or a key."""
    match binding:
        case InputItem(path):
            number: int = path[1]
            return number
        case Name(key):
            assert isinstance(key, bytes)
            return key
        case _Output():
            return None
        case _:
            assert_never(binding)

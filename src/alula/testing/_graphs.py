"""Random programs, and the plain loop that says what each of them has to give.

A program is data: steps whose arguments refer to earlier steps, some of which fail, or grow into another
program. Every face builds the same program out of its own nodes, runs it, and must agree with `plain`,
which knows nothing of graphs. Programs are drawn by a `random.Random`, so that hypothesis' own can shrink
them and a seed can repeat them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal, TypeAlias, assert_never
from zlib import crc32

from ..graph import Done, Failed, Graph, Node, Outcome

__all__ = ["Bind", "Expected", "Program", "Step", "StepFailed", "agree", "as_node", "draw", "plain"]


class StepFailed(Exception):
    """What a failing step raises; its one argument is the step's name."""


@dataclass(frozen=True, slots=True)
class _Ref:
    """Stands in a step's arguments for the value of an earlier one."""

    step: int


@dataclass(frozen=True, slots=True)
class _Box:
    """An object that is none of Python's own containers."""

    item: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a program.

    Attributes
    ----------
    name
        Unique among all steps of the program and of all that it grows into.
    args, kwargs
        Constants and references to earlier steps, nested.
    then
        What it does once it has its arguments: give a value, fail, or grow into another program.
    seed
        Goes into its value; a program that grew has the value of the step that it grew from here.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    then: "Literal['value', 'fail'] | Program" = "value"
    seed: int = 0

    def perform(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "int | Program":
        """Do the work, given the arguments with values in place of references.

        Raises
        ------
        StepFailed
            If that is what this step does.
        """
        value = crc32(repr((self.name, self.seed, args, sorted(kwargs.items()))).encode())
        match self.then:
            case "value":
                return value
            case "fail":
                raise StepFailed(self.name)
            case Program():
                return self.then.seeded(value)
            case _:
                assert_never(self.then)

    @property
    def inputs(self) -> list[int]:
        """Positions of the steps that it reads."""
        return _refs((self.args, dict(self.kwargs)))


Bind: TypeAlias = Callable[[Step, tuple[Any, ...], Mapping[str, Any]], Node[Any]]


def as_node(step: Step, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Node[Any]:
    """Bind a step to the plainest node there is: its function is the step itself."""
    return Node(step, args, kwargs, {"name": step.name})


@dataclass(frozen=True, slots=True)
class Program:
    """Steps, each after those that it reads.

    Attributes
    ----------
    outputs
        Positions of the steps whose values are wanted; the first is the result of one that grew.
    effects
        Positions of steps that have to run though nobody wants their value.
    """

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    effects: tuple[int, ...] = ()

    def seeded(self, seed: int) -> "Program":
        """Give the same program with another number in all its values."""
        return replace(self, steps=tuple([replace(step, seed=seed) for step in self.steps]))

    @property
    def needed(self) -> list[int]:
        """Positions of the steps that have to run, in order."""
        found: set[int] = set()
        stack = [*self.outputs, *self.effects]
        while stack:
            position = stack.pop()
            if position not in found:
                found.add(position)
                stack.extend(self.steps[position].inputs)
        return sorted(found)

    def nodes(self, bind: Bind = as_node) -> dict[int, Node[Any]]:
        """Build the nodes of the needed steps, by position."""
        made: dict[int, Node[Any]] = {}
        for i in self.needed:
            step = self.steps[i]
            made[i] = bind(step, _put(step.args, made), _put(dict(step.kwargs), made))
        return made

    def graph(self, bind: Bind = as_node, *, creator: str = "") -> Graph:
        """Build the program as a graph; see `Graph.of` for `creator`."""
        made = self.nodes(bind)
        outputs, effects = [made[i] for i in self.outputs], [made[i] for i in self.effects]
        return Graph.of(*outputs, effects=effects, creator=creator)


# ---------------------------------------------------------------------------------- the plain loop


@dataclass(slots=True)
class Expected:
    """What a program gives, by name of step.

    Attributes
    ----------
    values
        Of every step that has one: for a step that grew, that of the program that it grew into.
    failed
        Steps that ran and failed.
    skipped
        Steps that cannot run, because what they read has no value.
    outputs
        Values of the outputs; None where there is none.
    """

    values: dict[str, int] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    outputs: tuple[int | None, ...] = ()


def plain(program: Program, *, broken: frozenset[str] = frozenset()) -> Expected:
    """Evaluate a program by a plain loop, in order, without a graph.

    Parameters
    ----------
    broken
        Names of steps that fail after their work: their outcomes cannot be recorded, say.
    """
    expected = Expected()
    expected.outputs = tuple(_loop(program, broken, expected))
    return expected


def _loop(program: Program, broken: frozenset[str], seen: Expected) -> list[int | None]:
    values: dict[int, int | None] = {}
    for i in program.needed:
        values[i] = None
        step = program.steps[i]
        if any(values[source] is None for source in step.inputs):
            seen.skipped.add(step.name)
            continue
        try:
            result = step.perform(_put(step.args, values), _put(dict(step.kwargs), values))
        except StepFailed:
            result = None
        if result is None or step.name in broken:
            seen.failed.add(step.name)
            continue
        value = _loop(result, broken, seen)[0] if isinstance(result, Program) else result
        values[i] = value
        if value is not None:
            seen.values[step.name] = value
    return [values[i] for i in program.outputs]


def agree(program: Program, outcome: Outcome) -> None:
    """Assert that a run of the program ended as the plain loop does.

    Parameters
    ----------
    outcome
        ``Done`` of the tuple of outputs, or ``Failed`` with an error that is a `StepFailed`.

    Raises
    ------
    AssertionError
        If not; the message says what each of them gave.
    """
    expected = plain(program)
    match outcome:
        case Done(values) if not expected.failed:
            same = tuple(values) == expected.outputs
        case Failed(StepFailed(args=(name, *_))):
            same = name in expected.failed
        case _:
            same = False
    if not same:
        raise AssertionError(f"{program} gave {outcome}, and a plain loop {expected}")


# --------------------------------------------------------------------------------------- drawing them


def draw(
    random: Random,
    *,
    size: int = 7,
    growth: int = 2,
    failures: bool = True,
    outputs: int = 3,
    effects: bool = True,
) -> Program:
    """Draw a program.

    Parameters
    ----------
    size
        Most steps in it, and in each that it grows into.
    growth
        How many times over a step may grow; 0 for never.
    failures
        Whether some steps may fail.
    outputs
        Most outputs.
    effects
        Whether there may be effects.
    """
    return _program(random, "s", size, growth, failures, outputs, effects)


def _program(
    random: Random, name: str, size: int, growth: int, failures: bool, outputs: int, effects: bool
) -> Program:
    steps: list[Step] = []
    for i in range(random.randint(1, size)):
        then: Literal["value", "fail"] | Program = "value"
        if failures and random.randrange(10) == 9:
            then = "fail"
        elif growth and random.randrange(4) == 3:
            then = _program(random, f"{name}{i}.", size, growth - 1, failures, outputs, effects)
        args = tuple([_argument(random, i, 2) for _ in range(random.randint(0, 3))])
        kwargs = {key: _argument(random, i, 1) for key in ("x", "y") if random.randrange(4) == 3}
        steps.append(Step(f"{name}{i}", args, kwargs, then))
    wanted = random.sample(range(len(steps)), random.randint(1, min(outputs, len(steps))))
    extra = [i for i in range(len(steps)) if effects and random.randrange(6) == 5]
    return Program(tuple(steps), tuple(wanted), tuple(extra))


def _argument(random: Random, before: int, depth: int) -> Any:
    kind = random.choice(["ref", "ref", "constant", "list", "tuple", "dict", "box"])
    if kind == "ref" and before:
        return _Ref(random.randrange(before))
    if kind in ("ref", "constant") or not depth:
        return random.randint(0, 9)
    items = [_argument(random, before, depth - 1) for _ in range(random.randint(0, 2))]
    match kind:
        case "list":
            return items
        case "tuple":
            return tuple(items)
        case "dict":
            return dict(enumerate(items))
        case _:
            return _Box(items)


# ----------------------------------------------------------------------------------------- arguments


def _put(value: Any, given: Mapping[int, Any]) -> Any:
    """Give an argument with its references replaced, in the most obvious way there is."""
    match value:
        case _Ref(step):
            return given[step]
        case _Box(item):
            return _Box(_put(item, given))
        case list():
            return [_put(item, given) for item in value]
        case tuple():
            return tuple([_put(item, given) for item in value])
        case dict():
            return {key: _put(item, given) for key, item in value.items()}
        case _:
            return value


def _refs(value: Any) -> list[int]:
    match value:
        case _Ref(step):
            return [step]
        case _Box(item):
            return _refs(item)
        case list() | tuple():
            return [step for item in value for step in _refs(item)]
        case dict():
            return _refs(list(value.values()))
        case _:
            return []

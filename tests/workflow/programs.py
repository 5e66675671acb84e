"""Random dynamic programs: built as workflows, and evaluated by plain recursion."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

import alula
from alula import workflow
from alula.graph import Node
from tests.workflow.bodies import Tally


@dataclass(frozen=True, slots=True)
class Program:
    """One task: it adds its parts and its weight; or it returns a further program, and adds nothing."""

    name: str
    weight: int
    parts: tuple["Program", ...] = ()
    then: "Program | None" = None
    checkpoint: bool = True


@alula.remote
def perform(tally: Tally, program: Program, *parts: int) -> Any:
    tally.mark(program.name)
    if program.then is not None:
        return build(tally, program.then, {})
    return program.weight + sum(parts)


def build(tally: Tally, program: Program, made: dict[int, Node[Any]]) -> Node[Any]:
    """Make the node of a program; a part that stands in several places is one node."""
    if id(program) not in made:
        parts = [build(tally, part, made) for part in program.parts]
        given = workflow.options(checkpoint=None if program.checkpoint else False, task_id=program.name)
        made[id(program)] = perform.options(num_cpus=0.1, **given).bind(tally, program, *parts)
    return made[id(program)]


def evaluate(program: Program) -> int:
    if program.then is not None:
        return evaluate(program.then)
    return program.weight + sum(evaluate(part) for part in program.parts)


def names(program: Program) -> set[str]:
    inner = (*program.parts, *([program.then] if program.then else []))
    return {program.name}.union(*map(names, inner))


@st.composite
def programs(draw: st.DrawFn, *, checkpoints: bool = True) -> Program:
    """Small programs with shared parts, growth inside growth, and (if wished) unrecorded tasks."""
    count = 0

    def make(depth: int, pool: list[Program]) -> Program:
        nonlocal count
        count += 1
        name = f"t{count}"
        fresh = [make(depth - 1, pool) for _ in range(draw(st.integers(0, 2)) if depth else 0)]
        shared = draw(st.lists(st.sampled_from(pool), max_size=2, unique=True)) if pool else []
        then = make(depth - 1, []) if depth and draw(st.booleans()) else None
        kept = not checkpoints or draw(st.integers(0, 4)) > 0
        made = Program(name, draw(st.integers(0, 9)), (*fresh, *shared), then, kept)
        pool.append(made)
        return made

    return make(draw(st.integers(0, 3)), [])


def _sample() -> Program:
    """A diamond that grows: shared parts, a chain of continuations, growth inside growth."""
    first = Program("first", 1)
    left, right = Program("left", 2, (first,)), Program("right", 3, (first,), checkpoint=False)
    link = Program("end", 7)
    for n in range(4):
        link = Program(f"link{n}", 0, then=link)
    inner = Program("inner", 1, (Program("leaf", 5), Program("deep", 0, then=Program("bottom", 9))))
    grown = Program("grown", 0, (left, right), then=inner)
    return Program("output", 100, (grown, left, link))


SAMPLE = _sample()

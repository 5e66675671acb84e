"""Random programs: everything that a workflow may be made of, in one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from hypothesis import assume
from hypothesis import strategies as st

from tests.prefixes.answers import TooManyError, answers
from tests.prefixes.programs import Call, Event, Rest, Signal, Sleep, Step, Wait

__all__ = ["programs"]

T = TypeVar("T")
_HOWS: tuple[Literal["read", "nest", "wait", "return", "hand"], ...] = (
    "read",
    "wait",
    "nest",
    "return",
    "hand",
)


@st.composite
def programs(draw: st.DrawFn, *, most: int = 14, deadly: bool = False) -> Step:
    """Programs of so many steps at most; in deadly ones some tasks kill their process."""
    program = _Maker(draw, most, deadly=deadly).graph(draw(st.integers(2, 3)))
    try:
        answers(program, crashed=True)
    except TooManyError:
        assume(False)
    return program


@dataclass
class _Maker:
    draw: st.DrawFn
    left: int
    deadly: bool
    count: int = 0

    def graph(self, depth: int, *, grown: bool = False) -> Step:
        """Make steps that stand in one graph; give its output."""
        if grown and depth and self._one_in(8):
            return self._logical(depth, [])
        return self._call(depth, [], grown=grown)

    def _step(self, depth: int, pool: list[Step]) -> Step:
        if pool and self._one_in(5):
            return self._any(pool)
        if self._one_in(3):
            return self._logical(depth, pool)
        return self._call(depth, pool)

    def _logical(self, depth: int, pool: list[Step]) -> Step:
        kind = self._any(
            ["wait", "wait", "wait", "wait", "wait", "sleep", "event", "signal"]
            if depth
            else ["event", "sleep"]
        )
        if kind == "wait":
            return self._wait(depth, pool)
        name = self._name(kind[0])
        match kind:
            case "sleep":
                made: Step = Sleep(name, self._any([0.0, 0.01]))
            case "event":
                made = Event(name)
            case _:
                made = Signal(name)
        pool.append(made)
        return made

    def _wait(self, depth: int, pool: list[Step]) -> Wait:
        name = self._name("w")
        over = [self._step(depth - 1, pool) for _ in range(self._upto(3, low=2))]
        over = [*dict.fromkeys(over)]
        timeout = self._any([None, None, None, 0.0, 0.01])
        abandon: Literal["cancel", "run"] = "run" if self._one_in(4) else "cancel"
        made = Wait(name, tuple(over), self._upto(len(over), low=1), timeout, abandon)
        pool.append(made)
        return made

    def _call(self, depth: int, pool: list[Step], *, grown: bool = False, rest: bool = False) -> Call:
        """Make a task; `grown` if it is returned by another, `rest` if it is given what a wait has left."""
        name = self._name("t")
        parts: list[Step] = []
        if depth and self.left > 0:
            parts = [self._step(depth - 1, pool) for _ in range(self._upto(3, low=int(depth > 1)))]
            if parts and self._one_in(8):
                parts.append(parts[0])
        inplace = self._one_in(2 if grown else 6)
        checkpoint = self._any([None, None, None, None, False, True])
        then = self._then(depth, splits=rest or any(map(_splits, parts)))
        tries = 1 if self._one_in(10) else 0
        made = Call(
            name,
            tuple(parts),
            tuple([i for i in range(len(parts)) if self._one_in(5)]),
            then,
            checkpoint,
            catch=self._one_in(5),
            inplace=inplace,
            fails=self._one_in(16),
            tries=tries,
            large=self._one_in(8),
            boxed=self._one_in(8),
            tells=self._one_in(10),
            local=grown and not (rest or parts) and inplace and checkpoint is not True and self._one_in(3),
            wild=self._one_in(10),
            dies=self._death() if self.deadly and self._one_in(6) else None,
        )
        pool.append(made)
        return made

    def _then(self, depth: int, *, splits: bool) -> Step | Rest | None:
        if self.left <= 0:
            return None
        if splits and not self._one_in(6):
            how = self._any(_HOWS)
            return Rest(how, self._call(0, [], grown=True, rest=True))
        if self._one_in(2):
            return self.graph(max(0, depth - 1), grown=True)
        return None

    def _death(self) -> tuple[str, int]:
        gate = self._any(["", "task.finished", "store.before_commit", "store.committed", "artifacts.written"])
        return gate, self._upto(2, low=1)

    def _name(self, letter: str) -> str:
        self.count += 1
        self.left -= 1
        return f"{letter}{self.count}"

    def _any(self, given: Sequence[T]) -> T:
        return given[self.draw(st.integers(0, len(given) - 1))]

    def _upto(self, most: int, low: int = 0) -> int:
        return self.draw(st.integers(low, most))

    def _one_in(self, count: int) -> bool:
        return self.draw(st.integers(0, count - 1)) == count - 1


def _splits(step: Step) -> bool:
    """Tell whether the value of a step is a split."""
    if isinstance(step, Call):
        return isinstance(step.then, Rest) and step.then.how == "hand"
    return isinstance(step, Wait)

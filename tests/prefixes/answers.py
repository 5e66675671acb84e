"""Answers: what a program may give, found by plain recursion.

Most programs have one answer. A wait may take any of its tasks that has ended, and of several failures any
may come first, so some have more; all are listed, by running the recursion again for each choice.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TypeAlias

from tests.prefixes.programs import Call, Event, Rest, Signal, Sleep, Step, Tree, Wait

__all__ = ["Answer", "Broken", "TooManyError", "answers"]


@dataclass(frozen=True, slots=True)
class Broken:
    """The answer of a program that fails: which task has."""

    name: str


Answer: TypeAlias = Tree | Broken


class TooManyError(Exception):
    """There are more ways through a program than anybody wants to try."""


class _FailedError(Exception):
    """A task has failed; its only argument is the task's name."""


@dataclass(frozen=True, slots=True)
class _Handle:
    """A task that a wait has left, and whether its creator is recorded."""

    step: Step
    sure: bool


@dataclass(frozen=True, slots=True)
class _Split:
    ready: tuple[Tree, ...]
    left: tuple[_Handle, ...]


@dataclass(frozen=True, slots=True)
class _Pair:
    value: "_Value"


_Value: TypeAlias = Tree | _Split | _Pair
_Given: TypeAlias = Sequence[Callable[[], _Value]]
_Choose: TypeAlias = Callable[[int], int]


def answers(program: Step, *, crashed: bool = False, most: int = 2000) -> frozenset[Answer]:
    """Give all right answers of a program.

    Parameters
    ----------
    crashed
        Whether the run may have been cut off: then two readers of what is not recorded may see it differ.
    most
        Ways through the program that are tried before this raises `TooManyError`.
    """
    found: set[Answer] = set()
    for tried, choose in enumerate(_ways()):
        if tried == most:
            raise TooManyError
        try:
            found.add(_seen(_Evaluation(choose, crashed=crashed).value(program, sure=True)))
        except _FailedError as error:
            found.add(Broken(error.args[0]))
    return frozenset(found)


def _ways() -> Iterator[_Choose]:
    """Give one function for each sequence of choices, which the recursion asks at each of them."""
    path: list[list[int]] = []

    def chooser() -> _Choose:
        taken = iter(range(1_000_000))

        def choose(count: int) -> int:
            step = next(taken)
            if step == len(path):
                path.append([0, count])
            return path[step][0]

        return choose

    while True:
        yield chooser()
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        path[-1][0] += 1


class _Evaluation:
    """One way through a program."""

    def __init__(self, choose: _Choose, *, crashed: bool) -> None:
        self._choose, self._crashed = choose, crashed
        self._known: dict[Step, _Value | _FailedError] = {}

    def value(self, step: Step, *, sure: bool, catch: bool = False) -> _Value:
        """Give the value of a step.

        Parameters
        ----------
        sure
            Whether its creator is recorded.
        catch
            Whether that catches, and this is what it has returned.
        """
        lasting = sure and not (isinstance(step, Call) and step.checkpoint is False)
        if self._crashed and not lasting:
            return self._fresh(step, sure=sure, catch=catch)
        if step not in self._known:
            try:
                self._known[step] = self._fresh(step, sure=sure, catch=catch)
            except _FailedError as error:
                self._known[step] = error
        found = self._known[step]
        if isinstance(found, _FailedError):
            raise found
        return found

    def _fresh(self, step: Step, *, sure: bool, catch: bool) -> _Value:
        handles = [_Handle(part, sure) for part in _inputs(step)]
        given = [partial(self._follow, handle) for handle in handles]
        match step:
            case Call():
                return self._call(step, given, sure=sure, catch=catch)
            case Wait():
                return self._caught(lambda: self._wait(handles, step.count, step.timeout), catch=catch)
            case Sleep():
                return self._caught(lambda: Tree("nothing"), catch=catch)
        return self._caught(lambda: Tree(f"told {step.name}"), catch=catch)

    def _follow(self, handle: _Handle) -> _Value:
        return self.value(handle.step, sure=handle.sure)

    def _wait(self, over: Sequence[_Handle], count: int, timeout: float | None) -> _Split:
        """Take some: `count` of them, or fewer if there is a timeout."""
        most = min(count, len(over))
        sizes = range(0 if timeout is not None else most, most + 1)
        ways = [taken for size in sizes for taken in combinations(over, size)]
        taken = ways[self._choose(len(ways))] if len(ways) > 1 else ways[0]
        ready = self._all([partial(self._follow, handle) for handle in taken])
        return _Split(tuple(map(_seen, ready)), tuple([h for h in over if h not in taken]))

    def _all(self, given: _Given) -> list[_Value]:
        """Give several values, or fail as any of those that do."""
        values: list[_Value] = []
        errors: dict[str, _FailedError] = {}
        for one in given:
            try:
                values.append(one())
            except _FailedError as error:
                errors[error.args[0]] = error
        if errors:
            raise [*errors.values()][self._choose(len(errors)) if len(errors) > 1 else 0]
        return values

    def _call(self, call: Call, given: _Given, *, sure: bool, catch: bool) -> _Value:
        """Run a task; that an input fails is caught only by whoever made both."""
        try:
            values = self._all(given)
        except _FailedError as error:
            if catch:
                return Tree(f"caught {error.args[0]}")
            raise
        catch = catch or call.catch
        lasting = sure and call.checkpoint is not False
        if call.fails:
            return self._caught(lambda: _fail(call.name), catch=catch)
        if isinstance(call.then, Rest):
            return self._rest(call, call.then, values, lasting=lasting, catch=catch)
        if call.then is not None:
            return self.value(call.then, sure=lasting, catch=catch)
        return self._caught(lambda: Tree(call.name, tuple(map(_seen, values))), catch=catch)

    def _rest(
        self, call: Call, rest: Rest, values: Sequence[_Value], *, lasting: bool, catch: bool
    ) -> _Value:
        splits = [split for value in values if (split := _split(value)) is not None]
        ready = [tree for split in splits for tree in split.ready]
        left = [*dict.fromkeys([handle for split in splits for handle in split.left])]
        if rest.how == "hand":
            return self._caught(lambda: _Split(tuple(ready), tuple(left)), catch=catch)
        if rest.how == "return" and left:
            return self._caught(partial(self._follow, left[0]), catch=catch)
        if rest.how == "return":
            return self._caught(lambda: Tree(call.name, tuple(map(_seen, values))), catch=catch)
        given: list[Callable[[], _Value]] = [partial(_same, tree) for tree in ready]
        if rest.how == "wait":
            given += [partial(self._wait, left, 1, None)] if left else []
        else:
            given += [partial(self._follow, handle) for handle in left]
        return self._call(rest.inner, given, sure=lasting, catch=catch)

    def _caught(self, work: Callable[[], _Value], *, catch: bool) -> _Value:
        """Do some work; who catches gets a pair."""
        if not catch:
            return work()
        try:
            return _Pair(work())
        except _FailedError as error:
            return Tree(f"caught {error.args[0]}")


def _fail(name: str) -> _Value:
    raise _FailedError(name)


def _same(tree: Tree) -> _Value:
    return tree


def _inputs(step: Step) -> tuple[Step, ...]:
    match step:
        case Call():
            return step.parts
        case Wait():
            return step.over
        case Sleep() | Event() | Signal():
            return ()


def _split(value: _Value) -> _Split | None:
    if isinstance(value, _Pair):
        value = value.value
    return value if isinstance(value, _Split) else None


def _seen(value: _Value) -> Tree:
    """Give what stands for a value in the tree of its reader."""
    match value:
        case Tree():
            return value
        case _Split(ready, left):
            return Tree("split", (*ready, Tree(f"and {len(left)}")))
        case _Pair(inner):
            return Tree("good", (_seen(inner),))

"""Folds of a history: chains and fans of alike tasks, each shown as one node with a count.

A chain is a run of tasks that each have one reader, the next one: continuations, tasks of one name, or a few
that come again and again. A fan is tasks of one name at the same depth, joined to alike tasks on both
sides. What is folded stays free of cycles: a fan is of one depth, and from a link of a chain every way leads
to its last one.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import Final

from ..graph import Edge, State
from ._history import Event, History

__all__ = ["STATES", "Fold", "Folded", "fold"]

STATES: Final[tuple[State, ...]] = ("failed", "running", "cancelled", "waiting", "skipped", "done")
"""The state of several tasks is the first of these that one of them has."""

_LONGEST_ROUND: Final = 4  # tasks that come again and again, one after the other
_ROUNDS: Final = 8  # each tells apart tasks whose neighbours at one more step differ


@dataclass(frozen=True, slots=True)
class Fold:
    """Tasks that are shown as one node.

    Attributes
    ----------
    events
        In the order of the history.
    is_chain
        Whether they ran one after the other.
    """

    events: tuple[Event, ...]
    is_chain: bool = False

    @property
    def state(self) -> State:
        """Of all: the first of failed, running, cancelled, waiting and skipped that there is, or done."""
        return min((event.state for event in self.events), key=STATES.index)

    @property
    def started(self) -> float | None:
        """When the first of them began, as far as is known."""
        return min([event.started for event in self.events if event.started is not None], default=None)

    @property
    def ended(self) -> float | None:
        """When the last one that has ended did so, as far as is known."""
        return max([event.ended for event in self.events if event.ended is not None], default=None)


@dataclass(frozen=True, slots=True)
class Folded:
    """A history whose nodes may be several tasks; sources stand before their readers."""

    folds: dict[str, Fold]
    edges: tuple[Edge, ...]
    grown: frozenset[Edge]


def fold(history: History, most: int, *, fans: bool = True) -> Folded:
    """Fold chains, and fans if wanted, of more than so many tasks; 0 folds nothing."""
    whole = Folded({key: Fold((e,)) for key, e in history.events.items()}, history.edges, history.grown)
    if not most:
        return whole
    chained = _merged(whole, _chains(whole, most), is_chain=True)
    if not fans:
        return chained
    depth = _depths(chained)
    # By depth, so that the first task of a fan stands after the sources of all of it.
    level = replace(chained, folds=dict(sorted(chained.folds.items(), key=lambda item: depth[item[0]])))
    return _merged(level, _fans(level, depth, most), is_chain=False)


def _chains(given: Folded, most: int) -> dict[str, str]:
    """Give the first link of each task that is a later link of a long chain."""
    chain: dict[str, str] = {}
    for path in _paths(given):
        start = 0
        while start < len(path):
            end = max(_linked(given, path, start), _repeated(given, path, start))
            if end - start > most:
                chain.update(dict.fromkeys(path[start + 1 : end], path[start]))
                start = end
            else:
                start += 1
    return chain


def _paths(given: Folded) -> list[list[str]]:
    """Give the paths in which nobody but the next task reads a task: to fold a part of one makes no cycle.

    A task of several sources goes on from the one that has made it, else from the one of its own name.
    """
    readers = Counter(a for a, _ in given.edges)
    sources: dict[str, list[str]] = {}
    for a, b in given.edges:
        sources.setdefault(b, []).append(a)
    after: dict[str, str] = {}
    for b, found in sources.items():
        lone = [a for a in found if readers[a] == 1]
        made = [a for a in lone if (a, b) in given.grown] or [
            a for a in lone if len(found) == 1 or _name(given, a) == _name(given, b)
        ]
        if len(made) == 1:
            after[made[0]] = b
    paths, later = [], set(after.values())
    for first in given.folds:
        if first in later:
            continue
        path = [first]
        while path[-1] in after:
            path.append(after[path[-1]])
        paths.append(path)
    return paths


def _name(given: Folded, key: str) -> str:
    return given.folds[key].events[0].name


def _linked(given: Folded, path: list[str], start: int) -> int:
    """Tell where a run of continuations, or of tasks of one name, ends on a path."""
    end = start + 1
    while end < len(path) and _links(given, (path[end - 1], path[end])):
        end += 1
    return end


def _repeated(given: Folded, path: list[str], start: int) -> int:
    """Tell where a run of a few tasks that come again and again ends on a path."""
    best = start + 1
    for period in range(2, _LONGEST_ROUND + 1):
        end = start + period
        while end < len(path) and _alike(given, path[end], path[end - period]):
            end += 1
        if end >= start + 2 * period:
            best = max(best, end)
    return best


def _alike(given: Folded, a: str, b: str) -> bool:
    return _traits(given.folds[a]) == _traits(given.folds[b])


def _links(given: Folded, edge: Edge) -> bool:
    """Tell whether an edge joins links of a chain: a continuation, or two tasks of one name."""
    (a,), (b,) = (given.folds[key].events for key in edge)
    if a.durable != b.durable or a.is_logical or b.is_logical:
        return False
    return a.name == b.name or edge in given.grown


def _depths(given: Folded) -> dict[str, int]:
    sources: dict[str, list[str]] = {key: [] for key in given.folds}
    for a, b in given.edges:
        sources[b].append(a)
    depth: dict[str, int] = {}
    for key in given.folds:
        depth[key] = max((depth[source] + 1 for source in sources[key]), default=0)
    return depth


def _fans(given: Folded, depth: Mapping[str, int], most: int) -> dict[str, str]:
    """Give the first task of each fan that another one belongs to."""
    near: dict[str, list[str]] = {key: [] for key in given.folds}
    for a, b in given.edges:
        near[a].append(b)
        near[b].append(a)
    group = _numbered({key: (depth[key], _traits(f)) for key, f in given.folds.items()})
    for _ in range(_ROUNDS):
        group = _numbered({k: (group[k], frozenset([group[n] for n in near[k]])) for k in group})
    first: dict[int, str] = {}
    leader = {key: first.setdefault(number, key) for key, number in group.items()}
    size = Counter(leader.values())
    return {key: lead for key, lead in leader.items() if lead != key and size[lead] > most}


def _traits(fold: Fold) -> Hashable:
    event = fold.events[0]
    return fold.is_chain, event.name, event.kind, event.durable, event.inplace


def _numbered(signs: Mapping[str, Hashable]) -> dict[str, int]:
    numbers: dict[Hashable, int] = {}
    return {key: numbers.setdefault(sign, len(numbers)) for key, sign in signs.items()}


def _merged(given: Folded, into: Mapping[str, str], *, is_chain: bool) -> Folded:
    parts: dict[str, list[Fold]] = {}
    for key, part in given.folds.items():
        parts.setdefault(into.get(key, key), []).append(part)
    folds = {
        key: part[0]
        if len(part) == 1
        else Fold(tuple([event for one in part for event in one.events]), is_chain)
        for key, part in parts.items()
    }
    pairs = {edge: (into.get(edge[0], edge[0]), into.get(edge[1], edge[1])) for edge in given.edges}
    edges = dict.fromkeys([pair for pair in pairs.values() if pair[0] != pair[1]])
    grown = frozenset([pairs[edge] for edge in given.grown]) & frozenset(edges)
    return Folded(_ordered(folds, edges), tuple(edges), grown)


def _ordered(folds: dict[str, Fold], edges: Iterable[Edge]) -> dict[str, Fold]:
    """Put sources before their readers: a chain may read what stands behind its first link."""
    sources: dict[str, list[str]] = {key: [] for key in folds}
    for a, b in edges:
        sources[b].append(a)
    return {key: folds[key] for key in TopologicalSorter(sources).static_order()}

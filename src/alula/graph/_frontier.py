"""The frontier of readiness: which nodes may start now, and which values nobody needs any more.

Pure bookkeeping over a graph that may grow while it runs: a node whose result is another graph (a
continuation) is finished when the output of that graph is. `graphlib` has such a sorter but cannot
grow once it is prepared.

A chain of continuations takes constant memory: a link that has grown into the next one is forgotten,
and what waited for it waits for its successor.

A failure goes on to all that needs the value, and so to the outputs, with two exceptions. A node with a
*quorum* needs only so many of its inputs to have ended, be it well or not; the other inputs go on, and
may be read by graphs that grow later. And a graph that *catches* lets no failure past its output.
"""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from .._core._ids import Key
from ..errors import UnknownNodeError
from ._graph import Graph
from ._loose import Loose

__all__ = ["Frontier", "Known"]

Known: TypeAlias = Graph | Literal[True] | None
"""What is known of a key before it runs: its value is there, it has grown into a graph, nothing."""

_Survey: TypeAlias = dict[Key, Known]


def _nothing(key: Key) -> Known:
    return None


def _nowhere(key: Key) -> Graph:
    raise UnknownNodeError(key)


class Frontier:
    """Keys in, keys out; no values, no clock, no threads.

    Every key goes one way: waiting, then ready (given out once by `ready`), then `done` or `failed`; or
    skipped, because an input failed, or nobody needs it any more, or because of `stop`.

    Attributes
    ----------
    fatal
        The first key whose failure has cost an output, or an effect; None so far.
    loose
        Notes for the drive, once a graph is not plain.
    """

    def __init__(
        self,
        graph: Graph,
        recall: Callable[[Key], Known] = _nothing,
        find: Callable[[Key], Graph] = _nowhere,
    ) -> None:
        """Begin with a graph, asking `recall` from the outputs upwards what is known of each key.

        What only a known node needed is left out. `find` gives the graph of a key that is read and stands
        in none that was seen here.
        """
        self.fatal: Key | None = None
        self.loose: Loose | None = None
        self._graphs: dict[Key, Graph] = {}  # of a waiting or running key: where its node stands
        self._readers: dict[Key, dict[Key, None]] = {}  # those that have not finished
        self._missing: dict[Key, int] = {}  # of a waiting key: inputs that have to end before it starts
        self._kept = frozenset(graph.outputs)
        self._effects: set[Key] = set()  # that have not ended
        self._settled: set[Key] = set()
        self._lost: dict[Key, Key] = {}  # of a key that will have no value: whose failure that was
        self._heir: dict[Key, Key] = {}  # of a key that has grown: where its value will be
        self._stands_for: dict[Key, list[Key]] = {}  # the other way round
        self._ready: list[Key] = []
        self._running: set[Key] = set()
        self._freed: list[Key] = []
        self._recall, self._find = recall, find
        self._grow(self._add(graph, None))

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing can start any more."""
        return not (self._running or self._missing)

    @property
    def over(self) -> bool:
        """Whether nothing runs any more, or all outputs are there and the rest is what a quorum has left."""
        if self.loose is None or self._effects:
            return not (self._running or self._missing)
        return self.finished or all(self.where(key) in self._settled for key in self._kept)

    def where(self, key: Key) -> Key:
        """Give the key under which the value of `key` is, or will be: its own, or its heir's."""
        return self._heir.get(key, key)

    def lost(self, key: Key) -> Key | None:
        """Give the key whose failure is the reason why `key` has no value; None if it may have one."""
        return self._lost.get(key)

    def graph(self, key: Key) -> Graph:
        """Give the graph in which a waiting or running key stands: the first, or one that grew."""
        return self._graphs[key]

    def ready(self) -> list[Key]:
        """Give the keys that may start now, each once, in the order of the graph."""
        ready, self._ready = self._ready, []
        for key in ready:
            del self._missing[key]
        self._running.update(ready)
        if self.loose is not None:
            self._take(ready, self.loose)
        return ready

    def freed(self) -> list[Key]:
        """Give the keys whose values nobody will read again, each once."""
        freed, self._freed = self._freed, []
        return freed

    def done(self, key: Key, grown: Graph | None = None) -> list[Key]:
        """Note that a running node has its value, or has grown into a graph that will give it.

        If `recall` or `find` raises, so does this; then all that can still be done is to `stop`.

        Parameters
        ----------
        key
            A key that `ready` gave out.
        grown
            The graph whose first output is the result of this node.

        Returns
        -------
        list
            Keys that will never start, because what they read is known to have failed.
        """
        self._running.remove(key)
        if self.loose is not None:
            self.loose.lend(key, self._graphs[key])
        self._leave(key)
        if grown is not None:
            return self._grow([(key, grown)])
        names = self._names(key)
        if self._effects:
            self._effects.difference_update(names)
        if self.loose is not None:
            self.loose.shelters.leave(key)
        self._settled.add(key)
        self._wake(self._waiting_for(names))
        self._free_if_unwanted(key)
        return []

    def failed(self, key: Key) -> list[Key]:
        """Note that a running node has failed; give the keys that will never start because of it."""
        self._running.remove(key)
        self._leave(key)
        if self.loose is not None:
            self.loose.shelters.leave(key)
        return self._lose(key, [key])

    def hurry(self, key: Key) -> None:
        """Let a waiting key with a quorum start with those inputs that have ended."""
        if self._missing.get(key, 0) > 0:
            self._missing[key] = 0
            self._ready.append(key)

    def release(self) -> list[Key]:
        """Give up what no output needs; as `stop`, but for what a quorum has left to go on."""
        spared: set[Key] = set()
        loose = self.loose or Loose()
        stack = [self.where(key) for key in loose.spared]
        while stack:
            key = stack.pop()
            if key in self._graphs and key not in spared:
                spared.add(key)
                stack += map(self.where, self._graphs[key].inputs(key))
        loose.surplus += [key for key in self._running if key not in spared]
        return self._skip([key for key in self._missing if key not in spared])

    def stop(self) -> list[Key]:
        """Start nothing any more; give the keys that will never run."""
        if self.loose is not None:
            idle = [key for key in self._running if self._graphs[key].nodes[key].options.get("idle")]
            self.loose.surplus += idle
        return self._skip(list(self._missing))

    def close(self) -> None:
        """Ask nobody any more what is known: so an owner who was asked is free to go."""
        self._recall, self._find = _nothing, _nowhere

    # ------------------------------------------------------------------------------------- growing

    def _grow(self, grown: list[tuple[Key, Graph]]) -> list[Key]:
        """Let each key wait for the graph that it has grown into; a loop, for a chain may be long."""
        while grown:
            key, graph = grown.pop()
            grown += self._add(graph, key)
            heir = graph.outputs[0]
            names = [k for k in self._names(key) if self._wanted_itself(k)]
            self._stands_for.pop(key, None)
            if key not in names:  # the middle of a chain: forgotten, so that the chain is cheap
                del self._readers[key]
            self._heir.update(dict.fromkeys(names, heir))
            self._stands_for[heir] = names
            if heir in self._settled:  # known before, though not that `key` would grow into it
                self._effects.difference_update(names)
                self._wake(self._waiting_for(names))
            for end in (*graph.outputs, *graph.effects):
                self._free_if_unwanted(end)
        return self._bury(self.loose) if self.loose is not None else []

    def _add(self, graph: Graph, creator: Key | None) -> list[tuple[Key, Graph]]:
        """Take in what is needed of a graph; give the keys that are known to have grown."""
        known, outside = self._survey(graph, (*graph.effects, *graph.outputs))
        found = self._invite(outside) if outside else []
        if self.loose is None and not graph.plain:
            self.loose = Loose()
        effects = graph.effects if creator is None else (*graph.effects, *graph.outputs[1:])
        if effects:
            self._effects.update(key for key in effects if known[key] is not True)
        grown: list[tuple[Key, Graph]] = []
        for other, survey in (*found, (graph, known)):
            grown += self._enter(other, survey)
        if self.loose is not None:
            self.loose.shelters.grow(creator, graph, [key for key in known if known[key] is not True])
        return grown

    def _survey(self, graph: Graph, wanted: Iterable[Key]) -> tuple[_Survey, list[Key]]:
        """Ask what is known of each needed key, changing nothing, for the asking may fail.

        Give also the keys that are read, and stand in other graphs.
        """
        known: _Survey = {}
        outside: list[Key] = []
        stack = [*wanted]
        while stack:
            key = stack.pop()
            if key in known:
                continue
            if key not in graph.nodes:
                outside.append(key)
                continue
            known[key] = self._recall(key)
            if known[key] is None:
                stack.extend(graph.inputs(key))
        return known, outside

    def _invite(self, keys: list[Key]) -> list[tuple[Graph, _Survey]]:
        """Survey what is needed for keys of other graphs that nobody has asked for here before."""
        found: list[tuple[Graph, _Survey]] = []
        invited: set[Key] = set()
        while keys:
            key = keys.pop()
            if key not in self._readers and key not in invited:
                graph = self._find(key)
                known, outside = self._survey(graph, (key,))
                invited.update(known)
                keys += outside
                found.append((graph, known))
        # What was found for others comes before them: it was found later.
        return found[::-1]

    def _enter(self, graph: Graph, known: _Survey) -> list[tuple[Key, Graph]]:
        grown: list[tuple[Key, Graph]] = []
        for key in graph.nodes:
            if key not in known or key in self._readers:
                continue
            self._readers[key] = {}
            found = known[key]
            if found is True:
                self._settled.add(key)
            elif found is not None:
                grown.append((key, found))
            else:
                self._await(key, graph)
        return grown

    def _await(self, key: Key, graph: Graph) -> None:
        inputs = graph.inputs(key)
        self._graphs[key] = graph
        for source in inputs:
            self._readers[source][key] = None
        self._missing[key] = (
            sum(source not in self._settled for source in inputs)
            if self.loose is None
            else self._lacks(key, graph, self.loose)
        )
        if not self._missing[key]:
            self._ready.append(key)

    def _lacks(self, key: Key, graph: Graph, loose: Loose) -> int:
        """Count the inputs that have to end before a node starts, where some may have been lost."""
        inputs = graph.inputs(key)
        if key not in graph.quorums:
            loose.stillborn += [(key, self._lost[source]) for source in inputs if source in self._lost]
            return sum(self.where(source) not in self._settled for source in inputs)
        lacks = max(0, graph.quorums[key] - sum(map(self._has_ended, inputs)))
        if lacks:
            loose.begin(key, graph)
        return lacks

    def _has_ended(self, key: Key) -> bool:
        return self.where(key) in self._settled or key in self._lost

    # ------------------------------------------------------------------------------------- ending

    def _take(self, ready: list[Key], loose: Loose) -> None:
        """Note what those with a quorum are given."""
        for key in ready:
            graph = self._graphs[key]
            if key in graph.quorums:
                loose.take(key, graph, filter(self._has_ended, graph.inputs(key)))

    def _wake(self, readers: Iterable[Key]) -> None:
        for reader in readers:
            self._missing[reader] -= 1
            if not self._missing[reader]:
                self._ready.append(reader)

    def _lose(self, origin: Key, lost: list[Key], doomed: Iterable[Key] = ()) -> list[Key]:
        """Let a failure go on to all that needs a value; give the keys that will never start."""
        skipped: dict[Key, None] = {}
        readers = [*doomed]
        while lost or readers:
            if not readers:
                names = self._names(lost.pop())
                self._lost.update(dict.fromkeys(names, origin))
                if self.fatal is None and any(k in self._kept or k in self._effects for k in names):
                    self.fatal = origin
                readers = self._waiting_for(names)
                continue
            reader = readers.pop()
            if self.loose is not None and self._bears(reader, self.loose, skipped):
                continue
            if reader not in skipped:
                skipped[reader] = None
                lost.append(reader)
        return self._skip(skipped)

    def _bears(self, reader: Key, loose: Loose, skipped: dict[Key, None]) -> bool:
        """Tell whether a waiting key may start though an input was lost; that may make others needless."""
        if reader not in self._missing:
            return True  # skipped before, for another input
        if reader in self._graphs[reader].quorums:
            self._wake([reader])
        elif reader in loose.shelters:
            skipped.update(dict.fromkeys(self._catch(reader, loose)))
        else:
            return reader in loose.taken  # it has caught another failure already
        return True

    def _bury(self, loose: Loose) -> list[Key]:
        """Skip what has begun to wait for a key that was lost before."""
        stillborn, loose.stillborn = loose.stillborn, []
        return [gone for reader, origin in stillborn for gone in self._lose(origin, [], [reader])]

    def _catch(self, door: Key, loose: Loose) -> list[Key]:
        """Let the output of a graph that catches start with the failures; give what it makes needless."""
        members = loose.shelters.members(door)
        loose.taken[door] = tuple([k for k in self._graphs[door].inputs(door) if k in self._lost])
        self._missing[door] = 0
        self._ready.append(door)
        loose.shelters.leave(door)
        loose.surplus += [key for key in members if key in self._running]
        return [key for key in members if key in self._missing]

    def _names(self, key: Key) -> tuple[Key, ...]:
        """Give all keys under which a value is known: its own, and those that it stands for."""
        return key, *self._stands_for.get(key, ())

    def _waiting_for(self, names: Iterable[Key]) -> list[Key]:
        return [reader for name in names for reader in self._readers[name] if reader in self._missing]

    def _wanted_itself(self, key: Key) -> bool:
        return (
            key in self._kept
            or bool(self._readers[key])
            or key in self._effects
            or (self.loose is not None and key in self.loose.lent)
        )

    def _leave(self, reader: Key) -> None:
        """Take a finished reader away from its inputs, and free those that have none left."""
        if self.loose is not None:
            self.loose.taken.pop(reader, None)
        for source in self._graphs.pop(reader).inputs(reader):
            del self._readers[source][reader]
            self._free_if_unwanted(self.where(source))

    def _free_if_unwanted(self, key: Key) -> None:
        if key not in self._settled:
            return
        names = self._names(key)
        if not any(map(self._wanted_itself, names)):
            self._freed.append(key)
            self._settled.discard(key)
            self._stands_for.pop(key, None)
            for name in names:
                del self._readers[name]
                self._heir.pop(name, None)

    def _skip(self, keys: Iterable[Key]) -> list[Key]:
        skipped = [key for key in keys if self._missing.pop(key, None) is not None]
        if skipped:
            gone = set(skipped)
            self._ready = [key for key in self._ready if key not in gone]
        for key in skipped:
            self._lost.setdefault(key, key)
            if self.loose is not None:
                self.loose.shelters.leave(key)
            self._leave(key)
        return skipped

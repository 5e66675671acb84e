"""The frontier of readiness: which nodes may start now, and which values nobody needs any more.

Pure bookkeeping over a graph that may grow while it runs: a node whose result is another graph (a
continuation) is finished when the output of that graph is. `graphlib` has such a sorter but cannot
grow once it is prepared.

A chain of continuations takes constant memory: a link that has grown into the next one is forgotten,
and what waited for it waits for its successor.
"""

from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from .._core._ids import Key
from ._graph import Graph

__all__ = ["Frontier", "Known"]

Known: TypeAlias = Graph | Literal[True] | None
"""What is known of a key before it runs: its value is there, it has grown into a graph, nothing."""


def _nothing(key: Key) -> Known:
    return None


class Frontier:
    """Keys in, keys out; no values, no clock, no threads.

    Every key goes one way: waiting, then ready (given out once by `ready`), then `done` or `failed`; or
    skipped, because an input failed or because of `stop`.
    """

    def __init__(self, graph: Graph, recall: Callable[[Key], Known] = _nothing) -> None:
        """Begin with a graph, asking `recall` from the outputs upwards what is known of each key.

        What only a known node needed is left out.
        """
        self._graphs: dict[Key, Graph] = {}  # of a waiting or running key: where its node stands
        self._readers: dict[Key, dict[Key, None]] = {}  # those that have not finished
        self._missing: dict[Key, int] = {}  # of a waiting key: inputs without a value
        self._kept = frozenset(graph.outputs)
        self._settled: set[Key] = set()
        self._heir: dict[Key, Key] = {}  # of a key that has grown: where its value will be
        self._stands_for: dict[Key, list[Key]] = {}  # the other way round
        self._ready: list[Key] = []
        self._running: set[Key] = set()
        self._freed: list[Key] = []
        self._recall = recall
        self._grow(self._add(graph))

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing can start any more."""
        return not (self._running or self._missing)

    def where(self, key: Key) -> Key:
        """Give the key under which the value of `key` is, or will be: its own, or its heir's."""
        return self._heir.get(key, key)

    def graph(self, key: Key) -> Graph:
        """Give the graph in which a waiting or running key stands: the first, or one that grew."""
        return self._graphs[key]

    def ready(self) -> list[Key]:
        """Give the keys that may start now, each once, in the order of the graph."""
        ready, self._ready = self._ready, []
        for key in ready:
            del self._missing[key]
        self._running.update(ready)
        return ready

    def freed(self) -> list[Key]:
        """Give the keys whose values nobody will read again, each once."""
        freed, self._freed = self._freed, []
        return freed

    def done(self, key: Key, grown: Graph | None = None) -> None:
        """Note that a running node has its value, or has grown into a graph that will give it.

        If `recall` raises, so does this; then all that can still be done is to `stop`.

        Parameters
        ----------
        key
            A key that `ready` gave out.
        grown
            The graph whose first output is the result of this node.
        """
        self._running.remove(key)
        self._leave(key)
        if grown is not None:
            self._grow([(key, grown)])
        else:
            self._settled.add(key)
            self._wake(self._names(key))
            self._free_if_unwanted(key)

    def failed(self, key: Key) -> list[Key]:
        """Note that a running node has failed; give the keys that will never start because of it."""
        self._running.remove(key)
        self._leave(key)
        return self._skip(self._waiting_for(self._names(key)))

    def stop(self) -> list[Key]:
        """Start nothing any more; give the keys that will never run."""
        return self._skip(list(self._missing))

    def close(self) -> None:
        """Ask nobody any more what is known: so an owner who was asked is free to go."""
        self._recall = _nothing

    # ------------------------------------------------------------------------------------- inside

    def _grow(self, grown: list[tuple[Key, Graph]]) -> None:
        """Let each key wait for the graph that it has grown into; a loop, for a chain may be long."""
        while grown:
            key, graph = grown.pop()
            grown += self._add(graph)
            heir = graph.outputs[0]
            names = [k for k in self._names(key) if self._wanted_itself(k)]
            self._stands_for.pop(key, None)
            if key not in names:  # the middle of a chain: forgotten, so that the chain is cheap
                del self._readers[key]
            self._heir.update(dict.fromkeys(names, heir))
            self._stands_for[heir] = names
            if heir in self._settled:  # known before, though not that `key` would grow into it
                self._wake(names)
            for end in (*graph.outputs, *graph.effects):
                self._free_if_unwanted(end)

    def _add(self, graph: Graph) -> list[tuple[Key, Graph]]:
        """Take in what is needed of a graph; give the keys that are known to have grown."""
        known = self._survey(graph)
        grown: list[tuple[Key, Graph]] = []
        for key in graph.nodes:
            if key not in known:
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

    def _survey(self, graph: Graph) -> dict[Key, Known]:
        """Ask what is known of each needed key, changing nothing, for the asking may fail."""
        known: dict[Key, Known] = {}
        stack = [*graph.effects, *graph.outputs]
        while stack:
            key = stack.pop()
            if key not in known:
                known[key] = self._recall(key)
                if known[key] is None:
                    stack.extend(graph.inputs(key))
        return known

    def _await(self, key: Key, graph: Graph) -> None:
        inputs = graph.inputs(key)
        self._graphs[key] = graph
        for source in inputs:
            self._readers[source][key] = None
        self._missing[key] = sum(source not in self._settled for source in inputs)
        if not self._missing[key]:
            self._ready.append(key)

    def _wake(self, names: Iterable[Key]) -> None:
        for reader in self._waiting_for(names):
            self._missing[reader] -= 1
            if not self._missing[reader]:
                self._ready.append(reader)

    def _names(self, key: Key) -> tuple[Key, ...]:
        """Give all keys under which a value is known: its own, and those that it stands for."""
        return key, *self._stands_for.get(key, ())

    def _waiting_for(self, names: Iterable[Key]) -> list[Key]:
        return [reader for name in names for reader in self._readers[name] if reader in self._missing]

    def _wanted_itself(self, key: Key) -> bool:
        return key in self._kept or bool(self._readers[key])

    def _leave(self, reader: Key) -> None:
        """Take a finished reader away from its inputs, and free those that have none left."""
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
        skipped: list[Key] = []
        stack = list(keys)
        while stack:
            key = stack.pop()
            if self._missing.pop(key, None) is not None:
                stack.extend(self._waiting_for(self._names(key)))
                skipped.append(key)
        gone = set(skipped)
        self._ready = [key for key in self._ready if key not in gone]
        for key in skipped:
            self._leave(key)
        return skipped

"""The bookkeeping alone; that it is right for any graph is shown in test_drive_properties."""

from collections.abc import Sequence
from typing import Any

import pytest

from alula._core._ids import Key
from alula.graph import Frontier, Graph, Known, Node

LINKS = 10_000


def node(*args: object) -> Node[Any]:
    return Node(print, args)


def only(keys: Sequence[Key]) -> Key:
    (key,) = keys
    return key


def size(frontier: Frontier) -> int:
    """Count all that a frontier holds."""
    return sum(len(part) for part in vars(frontier).values() if hasattr(part, "__len__"))


def link(creator: str) -> Graph:
    """Make a link of a chain: what will grow next, and a value that it reads."""
    return Graph.of(node(node()), creator=creator)


def test_a_reader_is_ready_when_the_last_of_its_inputs_is_done() -> None:
    a, b = node(), node()
    graph = Graph.of(node(a, b))
    frontier = Frontier(graph)
    assert frontier.ready() == [graph.key(a), graph.key(b)]
    frontier.done(graph.key(a))
    assert frontier.ready() == []
    frontier.done(graph.key(b))
    assert frontier.ready() == [*graph.outputs]


def test_a_value_is_freed_after_its_last_reader_and_an_output_never() -> None:
    a = node()
    graph = Graph.of(node(a), node(a))
    frontier = Frontier(graph)
    for key in frontier.ready():
        frontier.done(key)
    first, second = frontier.ready()
    frontier.done(first)
    assert frontier.freed() == []
    frontier.done(second)
    assert frontier.freed() == [graph.key(a)]
    assert frontier.freed() == []
    assert frontier.finished


def test_a_value_whose_last_reader_failed_is_freed_as_well() -> None:
    a = node()
    graph = Graph.of(node(node(a)))
    frontier = Frontier(graph)
    frontier.done(only(frontier.ready()))
    assert frontier.failed(only(frontier.ready())) == [*graph.outputs]
    assert frontier.freed() == [graph.key(a)]
    assert frontier.finished


def test_a_node_that_grew_is_done_when_the_output_of_its_graph_is() -> None:
    a = node()
    graph = Graph.of(node(a))
    frontier = Frontier(graph)
    grown = link(graph.key(a))
    frontier.done(only(frontier.ready()), grown)
    assert frontier.where(graph.key(a)) == grown.outputs[0]
    frontier.done(only(frontier.ready()))
    assert frontier.ready() == [*grown.outputs]
    frontier.done(only(grown.outputs))
    assert frontier.ready() == [*graph.outputs]


def test_stop_leaves_only_what_runs() -> None:
    graph = Graph.of(node(node()))
    frontier = Frontier(graph)
    (running,) = frontier.ready()
    assert frontier.stop() == [*graph.outputs]
    assert not frontier.finished
    assert frontier.ready() == []
    frontier.done(running)
    assert frontier.finished


def test_what_only_a_known_node_needed_is_left_out() -> None:
    a = node(node())
    graph = Graph.of(node(a))
    known: dict[Key, Known] = {graph.key(a): True}
    assert Frontier(graph, known.get).ready() == [*graph.outputs]


def test_a_chain_of_continuations_takes_constant_memory() -> None:
    frontier = Frontier(link(""))
    sizes = set()
    for _ in range(LINKS):
        value = only(frontier.ready())
        frontier.done(value, Graph.of(node(), creator=value))
        end = only(frontier.ready())
        frontier.done(end)
        last = only(frontier.ready())
        frontier.done(last, link(last))
        assert frontier.freed() == [end]
        sizes.add(size(frontier))
    assert max(sizes) == min(sizes)


def test_a_recorded_chain_of_continuations_is_followed_without_recursion() -> None:
    asked = 0

    def recall(key: Key) -> Known:
        nonlocal asked
        asked += 1
        return link(key) if asked <= LINKS else None

    frontier = Frontier(Graph.of(node()), recall)
    assert size(frontier) < 20
    (value,) = frontier.ready()
    frontier.done(value)
    frontier.done(only(frontier.ready()))
    assert frontier.finished


def test_values_known_beside_a_recorded_chain_are_not_held() -> None:
    """Every link has an effect that is recorded already."""
    asked: list[Key] = []

    def recall(key: Key) -> Known:
        asked.append(key)
        effect = len(asked) % 2 == 0
        grown = Graph.of(node(), effects=[node()], creator=key)
        return True if effect else grown if len(asked) < 200 else None

    frontier = Frontier(Graph.of(node(), effects=[node()]), recall)
    assert len(frontier.freed()) > 50
    assert size(frontier) < 20


def test_when_asking_what_is_known_fails_it_can_still_be_stopped() -> None:
    a = node()
    graph = Graph.of(node(a), node(a), node())

    def recall(key: Key) -> Known:
        if key not in graph.nodes:
            raise OSError("the disk is gone")
        return None

    frontier = Frontier(graph, recall)
    grows, *others = frontier.ready()
    with pytest.raises(OSError, match="the disk is gone"):
        frontier.done(grows, link(grows))
    assert set(frontier.stop()) == set(graph.outputs) - set(others)
    for key in others:
        frontier.done(key)
    assert frontier.finished

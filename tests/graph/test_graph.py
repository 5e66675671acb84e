from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CycleError, UnknownNodeError
from alula.graph import Graph, InputNode, Name, Node, picture
from alula.testing._graphs import draw


def node(name: str, *args: object, **kwargs: object) -> Node[Any]:
    return Node(print, args, kwargs, {"name": name})


def labels(graph: Graph) -> list[str]:
    return [each.label for each in graph.nodes.values()]


def test_inputs_stand_before_their_readers_in_the_order_of_arguments() -> None:
    a, b = node("a"), node("b")
    graph = Graph.of(node("end", [b], x={"k": (a,)}), effects=[node("effect", a)])
    assert labels(graph) == ["b", "a", "end", "effect"]
    assert graph.inputs(graph.outputs[0]) == (graph.key(b), graph.key(a))
    assert graph.readers(graph.key(a)) == (graph.outputs[0], graph.effects[0])


def test_a_node_that_many_read_stands_in_the_graph_once() -> None:
    shared = node("shared")
    graph = Graph.of(node("end", shared, [shared], node("other", shared)), shared)
    assert labels(graph) == ["shared", "other", "end"]
    assert graph.outputs[1] == graph.key(shared)
    assert len(graph) == 3


@given(st.randoms(use_true_random=True))
def test_the_same_program_has_the_same_keys_wherever_it_is_built(random: Any) -> None:
    program = draw(random)
    first, again, child = program.graph(), program.graph(), program.graph(creator="parent")
    assert list(first.nodes) == list(again.nodes)
    assert not set(first.nodes) & set(child.nodes)


@given(st.randoms(use_true_random=True))
def test_every_input_comes_before_its_readers_which_name_it(random: Any) -> None:
    graph = draw(random).graph()
    order = list(graph.nodes)
    for key in order:
        assert all(order.index(source) < order.index(key) for source in graph.inputs(key))
        assert all(key in graph.readers(source) for source in graph.inputs(key))


def test_a_call_has_values_in_place_of_marks() -> None:
    a = node("a")
    graph = Graph.of(node("end", [a, 1], x=Name("stored"), y=InputNode()[0]))
    call = graph.call(graph.outputs[0], lambda mark: type(mark).__name__)
    assert (call.args, call.kwargs) == ((["Node", 1],), {"x": "Name", "y": "InputItem"})
    assert (call.fn, call.options) == (print, {"name": "end"})


def test_a_node_that_needs_itself_is_refused_with_the_way_round() -> None:
    around: list[Any] = []
    first = node("first", around)
    around.append(node("second", first))
    with pytest.raises(CycleError, match="first -> second -> first") as caught:
        Graph.of(node("end", first))
    assert caught.value.path == ("first", "second", "first")


@pytest.mark.parametrize("ask", [Graph.inputs, Graph.readers])
def test_a_key_that_the_graph_has_not_is_named(ask: Any) -> None:
    with pytest.raises(UnknownNodeError, match="no node 'nothing'"):
        ask(Graph.of(node("a")), "nothing")


def test_a_node_that_the_graph_has_not_is_named() -> None:
    with pytest.raises(UnknownNodeError, match="no node 'stranger'"):
        Graph.of(node("a")).key(node("stranger"))


def test_a_graph_of_ten_thousand_levels_is_no_deeper_than_any_other() -> None:
    end = node("0")
    for i in range(1, 10_000):
        end = node(str(i), end)
    graph = Graph.of(end)
    assert labels(graph) == [str(i) for i in range(10_000)]
    assert graph.draw().count("<rect") == 10_000


def test_the_picture_of_a_node_is_that_of_its_graph() -> None:
    a = node("a")
    assert picture(a) == Graph.of(a).draw() == Graph.of(a)._repr_html_()

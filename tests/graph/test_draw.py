import re
from itertools import pairwise
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.graph import Graph, Look, Node
from alula.graph._draw import Shape, mermaid, svg
from alula.testing._graphs import draw


def boxes(picture: str) -> list[dict[str, str]]:
    return [rect.attrib for rect in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}rect")]


def texts(picture: str) -> list[str]:
    found = ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    return [text.text or "" for text in found]


def test_a_volatile_value_has_wings_and_a_dashed_outline_and_a_durable_one_neither() -> None:
    picture = svg({"a": Look("a"), "b": Look("b", durable=True)}, [("a", "b")])
    assert texts(picture) == ["~a~", "b"]
    assert [box["class"] for box in boxes(picture)] == ["volatile", ""]
    assert mermaid({"a": Look("a"), "b": Look("b", durable=True)}, [("a", "b")]) == (
        'flowchart TD\n    n0("~a~")\n    n1["b"]\n    n0 --> n1\n'
    )


@pytest.mark.parametrize("state", ["waiting", "running", "done", "failed", "cancelled", "skipped"])
def test_a_state_is_a_class_of_the_box(state: Any) -> None:
    (box,) = boxes(svg({"a": Look("a", state=state)}, []))
    assert box["class"] == f"volatile {state}"


def test_a_note_is_a_second_line() -> None:
    look = Look("a", durable=True, note="12 ms on cpu")
    assert texts(svg({"k": look}, [])) == ["a", "12 ms on cpu"]
    assert 'n0["a<br>12 ms on cpu"]' in mermaid({"k": look}, [])


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
)
def test_any_label_is_drawn_as_it_is(label: str) -> None:
    picture = svg({"k": Look(label, durable=True, note="<br>")}, [])
    assert texts(picture) == [label, "<br>"]
    assert "\n    n0[" in mermaid({"k": Look(label, durable=True)}, [])


def test_a_label_cannot_end_its_box_in_a_flowchart() -> None:
    (line,) = re.findall("n0.*", mermaid({"k": Look('a"] --> b["', durable=True)}, []))
    assert line.count('"') == 2


@given(st.randoms(use_true_random=True))
def test_boxes_stand_below_their_inputs_beside_each_other_and_inside_the_picture(random: Any) -> None:
    graph = draw(random, size=12).graph()
    picture = graph.draw()
    place = dict(zip(graph.nodes, boxes(picture), strict=True))
    for key in graph.nodes:
        assert all(float(place[key]["y"]) > float(place[source]["y"]) for source in graph.inputs(key))
    spans = sorted((float(b["y"]), float(b["x"]), float(b["x"]) + float(b["width"])) for b in place.values())
    for (row, _, end), (next_row, start, _) in pairwise(spans):
        assert row < next_row or end < start
    width = float(ElementTree.fromstring(picture).attrib["width"])
    assert all(start >= 0 and end <= width for _, start, end in spans)


@given(st.randoms(use_true_random=True))
def test_every_edge_is_drawn(random: Any) -> None:
    graph = draw(random).graph()
    edges = sum(len(graph.inputs(key)) for key in graph.nodes)
    assert graph.draw().count("<path") == graph.mermaid().count("-->") == edges


def test_a_look_is_asked_for_each_node() -> None:
    graph = Graph.of(Node(print, (Node(len, ("x",)),)))
    looks = {key: Look(f"task {i}", durable=True) for i, key in enumerate(graph.nodes)}
    assert texts(graph.draw(looks.__getitem__)) == ["task 0", "task 1"]
    assert "task 1" in graph.mermaid(looks.__getitem__)


def test_no_graph_at_all_is_an_empty_picture() -> None:
    assert boxes(svg({}, [])) == []
    assert mermaid({}, []) == "flowchart TD\n"


def test_what_waits_is_a_pill_with_a_sign() -> None:
    picture = svg({"a": Look("a", shape="clock"), "b": Look("b")}, [])
    pill, box = boxes(picture)
    assert (pill["rx"], box["rx"]) == ("20", "8")
    assert picture.count('class="sign"') == 1
    pictures = {svg({"a": Look("a", shape=shape)}, []) for shape in get_args(Shape)}
    assert len(pictures) == len(get_args(Shape))


def test_many_nodes_in_one_are_a_pile_with_their_number() -> None:
    look = Look("f", count=2000)
    assert texts(svg({"a": look}, [])) == ["~f~ \N{MULTIPLICATION SIGN} 2,000"]
    assert len(boxes(svg({"a": look}, []))) == 3
    assert "graph of 2000 tasks" in svg({"a": look}, [])


def test_what_was_made_by_a_task_is_pointed_at() -> None:
    looks = {"a": Look("a"), "b": Look("b"), "c": Look("c", inplace=True)}
    picture = svg(looks, [("a", "b"), ("a", "c")], grown={("a", "b"), ("a", "c")})
    assert re.findall('class="([a-z ]+)" d', picture) == ["grown", "arrow", "grown inplace", "arrow", "bar"]
    assert mermaid(looks, [("a", "b"), ("b", "c")], {("a", "b")}).count("-.->") == 1


def test_a_caption_and_tips_are_escaped_and_fit() -> None:
    picture = svg({"a": Look("a", tip="<tip>")}, [], caption="<caption> " * 9)
    root = ElementTree.fromstring(picture)
    assert texts(picture)[0] == "<caption> " * 9
    assert [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")] == ["<tip>"]
    assert float(root.attrib["width"]) > 7 * 90

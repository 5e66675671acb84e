from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from alula.graph import Graph, InputItem, InputNode, Node


def add(a: int, b: int) -> int:
    return a + b


@pytest.mark.parametrize(
    ("node", "label"),
    [
        (Node(add), "add"),
        (Node(add, options={"name": "sum"}), "sum"),
        (Node(add, options={"name": "sum", "task_id": "total"}), "total"),
        (Node("not a function"), "not a function"),
    ],
)
def test_the_label_is_the_task_id_else_the_name_else_that_of_the_function(
    node: Node[Any], label: str
) -> None:
    assert node.label == label


def test_two_nodes_are_the_same_only_if_they_are_one_object() -> None:
    node: Node[int] = Node(add, (1, 2))
    assert node == node
    assert node != Node(add, (1, 2))
    assert len({node, Node(add, (1, 2))}) == 2


def test_a_node_is_frozen() -> None:
    with pytest.raises(AttributeError):
        Node(add).fn = print  # type: ignore[misc]  # that it is refused is the point


def test_the_text_of_a_node_is_short_however_many_nodes_are_shared_below_it() -> None:
    node: Node[int] = Node(add, (1, 2))
    for _ in range(1000):
        node = Node(add, (node, node))
    assert repr(node) == "<node add>"


def test_a_notebook_shows_the_picture_of_the_graph_that_ends_in_a_node() -> None:
    node: Node[int] = Node(add, (Node(add, (1, 2)), 3))
    assert node._repr_html_() == Graph.of(node).draw()


def test_nodes_travel() -> None:
    inner: Node[int] = Node(add, (1, 2))
    outer = cloudpickle.loads(cloudpickle.dumps(Node(add, (inner, [inner]), {}, {"name": "sum"})))
    assert outer.label == "sum"
    assert outer.args[0] is outer.args[1][0]


def test_each_part_of_the_input_is_picked_by_its_path() -> None:
    with InputNode() as inp:
        pass
    args, kwargs = ({"k": [10, 20]},), {"point": SimpleNamespace(x=3)}
    assert inp[0]["k"][1].pick(args, kwargs) == 20
    assert inp.point.x.pick(args, kwargs) == 3
    assert inp[0].pick(args, kwargs) is args[0]


def test_the_whole_input_is_the_only_argument() -> None:
    assert InputNode().pick((7,), {}) == 7


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2), {}), ((1,), {"x": 2})])
def test_the_whole_input_must_be_one_argument(args: tuple[int, ...], kwargs: dict[str, int]) -> None:
    with pytest.raises(LookupError, match="exactly one argument"):
        InputNode().pick(args, kwargs)


@pytest.mark.parametrize("item", [InputNode()[3], InputNode().missing, InputNode()[0].x, InputNode()[0][9]])
def test_a_part_that_was_not_given_is_named(item: InputItem) -> None:
    with pytest.raises(LookupError, match="which is not among what it was given: 1 by"):
        item.pick((5,), {})


def test_private_names_are_no_parts() -> None:
    with pytest.raises(AttributeError, match="_hidden"):
        InputNode()._hidden  # noqa: B018  reading it is the test

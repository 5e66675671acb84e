from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alula.graph._layout import arrange
from alula.testing._graphs import draw


@given(st.randoms(use_true_random=True), st.integers(20, 300))
def test_nothing_in_a_row_overlaps_and_sources_stand_above(random: Any, width: int) -> None:
    graph = draw(random, size=15).graph()
    edges = [(source, key) for key in graph.nodes for source in graph.inputs(key)]
    widths = {str(key): float(width + i) for i, key in enumerate(graph.nodes)}
    layout = arrange(widths, edges, gap=10)
    assert all(layout.row[source] < layout.row[reader] for source, reader in edges)
    for row in set(layout.row.values()):
        boxes = sorted((layout.middle[k], w) for k, w in widths.items() if layout.row[k] == row)
        for (left, left_width), (right, right_width) in pairwise(boxes):
            assert right - left >= (left_width + right_width) / 2 + 10 - 1e-6
    assert all(w / 2 - 1e-6 <= layout.middle[k] <= layout.width - w / 2 + 1e-6 for k, w in widths.items())


@given(st.randoms(use_true_random=True))
def test_an_edge_that_passes_rows_keeps_clear_of_the_boxes_there(random: Any) -> None:
    graph = draw(random, size=12).graph()
    edges = [(source, key) for key in graph.nodes for source in graph.inputs(key)]
    widths = {str(key): 80.0 for key in graph.nodes}
    layout = arrange(widths, edges, gap=10)
    for source, reader in edges:
        lanes = layout.lanes[source, reader]
        assert len(lanes) == layout.row[reader] - layout.row[source] - 1
        for row, lane in enumerate(lanes, layout.row[source] + 1):
            beside = [layout.middle[key] for key in widths if layout.row[key] == row]
            assert all(abs(lane - middle) > 40 for middle in beside)


def test_a_source_stands_by_its_first_reader() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("late", "d")]
    layout = arrange(dict.fromkeys(["a", "late", "b", "c", "d"], 50.0), edges, gap=10)
    assert layout.row["late"] == 2
    assert not layout.lanes["late", "d"]


def test_a_chain_stands_upright() -> None:
    layout = arrange({"a": 30.0, "b": 200.0, "c": 64.0}, [("a", "b"), ("b", "c")], gap=10)
    assert layout.middle == {"a": 100.0, "b": 100.0, "c": 100.0}
    assert layout.width == 200.0


def test_a_very_long_edge_is_straight() -> None:
    keys = [str(i) for i in range(40)]
    layout = arrange(dict.fromkeys(keys, 50.0), [*pairwise(keys), ("0", "39")], gap=10)
    assert layout.lanes["0", "39"] == ()

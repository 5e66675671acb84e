from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alula.testing._graphs import draw
from alula.workflow import WorkflowStatus
from alula.workflow._folds import fold
from alula.workflow._history import Event, History

EVENT = Event("", "", "f", "call", True, False, "done", 0.0, 1.0, 2.0, 1)


def history(edges: list[tuple[str, str]], keys: list[str], names: str = "f") -> History:
    events = {
        key: replace(EVENT, key=key, task_id=key, name=names[i % len(names)]) for i, key in enumerate(keys)
    }
    return History("w", WorkflowStatus.SUCCESSFUL, 0.0, 9.0, events, tuple(edges), frozenset())


@given(st.randoms(use_true_random=True), st.integers(0, 4), st.sampled_from(["f", "fg"]))
def test_every_task_is_in_one_node_and_sources_stand_before_their_readers(
    random: Any, most: int, names: str
) -> None:
    graph = draw(random, size=20).graph()
    edges = [(str(source), str(key)) for key in graph.nodes for source in graph.inputs(key)]
    whole = history(edges, [str(key) for key in graph.nodes], names)
    folded = fold(whole, most)
    assert sorted(e.key for part in folded.folds.values() for e in part.events) == sorted(whole.events)
    order = {key: i for i, key in enumerate(folded.folds)}
    assert all(order[source] < order[reader] for source, reader in folded.edges)
    of = {e.key: key for key, part in folded.folds.items() for e in part.events}
    drawn = {(of[a], of[b]) for a, b in edges if of[a] != of[b]}
    assert set(folded.edges) == drawn


def test_a_long_chain_of_one_name_is_a_node() -> None:
    keys = [str(i) for i in range(5000)]
    [part] = fold(history([*pairwise(keys)], keys), 8).folds.values()
    assert part.is_chain
    assert len(part.events) == 5000


def test_rounds_that_read_what_is_left_are_a_node_and_so_is_what_they_read() -> None:
    """As in the founding example: wait for some of many tasks, report, wait for the rest."""
    tasks = [f"task{i}" for i in range(20)]
    rounds = [name for i in range(20) for name in (f"wait{i}", f"report{i}")]
    edges = [*pairwise(rounds), *((task, f"wait{i}") for i in range(20) for task in tasks[i:])]
    whole = history(edges, [*tasks, *rounds])
    events = {key: replace(event, name=key.rstrip("0123456789")) for key, event in whole.events.items()}
    grown = frozenset([edge for edge in pairwise(rounds) if edge[0].startswith("report")])
    folded = fold(replace(whole, events=events, grown=grown), 8)
    assert [(key, len(part.events)) for key, part in folded.folds.items()] == [("task0", 20), ("wait0", 40)]


def test_a_sum_that_goes_on_and_on_is_a_node_beside_its_terms() -> None:
    terms, sums = [f"t{i}" for i in range(20)], [f"s{i}" for i in range(20)]
    edges = [*pairwise(sums), *zip(terms, sums, strict=True)]
    whole = history(edges, [name for pair in zip(terms, sums, strict=True) for name in pair], "ts")
    assert sorted(len(part.events) for part in fold(whole, 8).folds.values()) == [20, 20]


def test_tasks_that_are_joined_to_others_in_another_way_are_not_alike() -> None:
    fan = [str(i) for i in range(10)]
    edges = [*((key, "end") for key in fan), ("0", "odd")]
    whole = history(edges, [*fan, "end", "odd"])
    whole = replace(whole, events={**whole.events, "odd": replace(EVENT, key="odd", name="odd")})
    assert sorted(len(part.events) for part in fold(whole, 4).folds.values()) == [1, 1, 1, 9]


def test_the_state_of_several_is_the_worst() -> None:
    whole = history([], ["a", "b", "c"])
    events = {**whole.events, "b": replace(EVENT, key="b", state="failed", started=None, ended=None)}
    [part] = fold(replace(whole, events=events), 2).folds.values()
    assert (part.state, part.started, part.ended) == ("failed", 1.0, 2.0)

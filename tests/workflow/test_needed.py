"""A run that goes on reads what it needs of a graph, and not what is behind that."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert

from alula._core._ids import derive
from alula.store import Store
from alula.workflow._needed import read_first_graphs, read_needed
from alula.workflow._rows import TaskRow
from alula.workflow._tables import TASKS, WORKFLOWS
from tests.postgres import ON_BOTH

pytestmark = ON_BOTH

WORKFLOW = {"status": "RUNNING", "entry": "", "labels": "", "metadata": "{}", "shape": "", "python": "3"}
TASK = {"kind": "call", "name": "f", "nth": 0, "head": b"", "checkpoint": True, "inplace": False}
LIMIT = 32  # what one look at a graph reads

_ids = count()


def write(store: Store, graph: Sequence[Sequence[int]], ended: set[int], creator: str = "") -> int:
    """Write a graph, given by the positions that each task reads; give its workflow's number."""
    row = {**WORKFLOW, "id": f"w{next(_ids)}", "requeue": False, "created": 0.0, "attempt": 1}
    with store.transaction() as connection:
        made = connection.execute(insert(WORKFLOWS), row)
        assert made.inserted_primary_key is not None
        number = int(made.inserted_primary_key[0])
        if graph:
            rows = [_row(creator, i, inputs, i in ended) for i, inputs in enumerate(graph)]
            connection.execute(insert(TASKS), [{**facts, "workflow": number} for facts in rows])
    return number


def _row(creator: str, i: int, inputs: Sequence[int], ended: bool) -> dict[str, object]:
    result = {"digest": f"value {i}", "value": b"x" * i} if ended else {"digest": None, "value": None}
    names = {"creator": creator, "key": derive(creator, i), "position": i, "task_id": f"f_{i}"}
    read = ",".join(derive(creator, source) for source in inputs)
    return {**TASK, **names, "inputs": read, "call_digest": "", "call": b"call", **result}


def needed(graph: Sequence[Sequence[int]], ended: set[int], output: int) -> list[int]:
    """Give what a loop that knows all would read."""
    found: set[int] = set()
    left = [output]
    while left:
        i = left.pop()
        if i not in found:
            found.add(i)
            left += [] if i in ended else graph[i]
    return sorted(found)


def positions(rows: Sequence[TaskRow]) -> list[int]:
    return [row.position for row in rows]


@contextmanager
def reads(store: Store) -> Iterator[list[str]]:
    """Note what the database is asked."""
    seen: list[str] = []

    def note(*facts: object) -> None:
        seen.append(str(facts[2]))

    engine = store._database._engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[list[int]], set[int]]:
    """Make a graph, and say which of its tasks have values; many read what stands close before them."""
    size = draw(st.integers(1, 120))
    reach = draw(st.sampled_from([1, 2, 5, size]))
    inputs = [
        draw(st.lists(st.integers(max(0, i - reach), i - 1), max_size=3, unique=True)) if i else []
        for i in range(size)
    ]
    return inputs, draw(st.sets(st.integers(0, size - 1)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(graphs(), st.integers(0, 10**6))
def test_what_is_read_is_what_a_walk_from_the_output_meets(
    store: Store, made: tuple[list[list[int]], set[int]], pick: int
) -> None:
    graph, ended = made
    number, last = write(store, graph, ended), len(graph) - 1
    with store.reading() as connection:
        assert positions(read_needed(connection, number, "")) == needed(graph, ended, last)
        one = pick % len(graph)
        assert positions(read_needed(connection, number, "", derive("", one))) == needed(graph, ended, one)
        first = read_first_graphs(connection, [(number, derive("", last))])
    assert first.keys() == ({number} if len(graph) <= LIMIT else set())
    assert [positions(rows) for rows in first.values()] == [needed(graph, ended, last)][: len(first)]


def test_a_long_chain_that_is_nearly_done_costs_a_look(store: Store) -> None:
    number = write(store, [[i - 1] if i else [] for i in range(1000)], set(range(997)))
    with reads(store) as asked, store.reading() as connection:
        assert positions(read_needed(connection, number, "")) == [996, 997, 998, 999]
    assert len([text for text in asked if "workflow_tasks" in text]) == 1


def test_a_long_chain_that_has_all_to_run_costs_a_few(store: Store) -> None:
    number = write(store, [[i - 1] if i else [] for i in range(3000)], set())
    with reads(store) as asked, store.reading() as connection:
        assert len(read_needed(connection, number, "")) == 3000
    assert len([text for text in asked if "workflow_tasks" in text]) < 20


def test_calls_come_with_what_is_to_run_and_small_values_with_what_has_ended(store: Store) -> None:
    graph: list[list[int]] = [*[[] for _ in range(400)], list(range(400))]
    number = write(store, graph, set(range(400)))
    with store.reading() as connection:
        rows = read_needed(connection, number, "")
    assert [row.call for row in rows] == [*[None] * 400, b"call"]
    assert [row.small for row in rows] == [*[b"x" * i for i in range(257)], *[None] * 144]


def test_what_stands_in_another_graph_is_left_to_it(store: Store) -> None:
    number = write(store, [[0], [0, 1]], set(), creator="c")
    with store.transaction() as connection:
        connection.execute(TASKS.update().where(TASKS.c.position == 0).values(inputs=derive("", 7)))
    with store.reading() as connection:
        assert positions(read_needed(connection, number, "c")) == [0, 1]
        assert read_needed(connection, number, "") == []


def test_graphs_of_many_workflows_are_read_at_once(store: Store) -> None:
    numbers = [write(store, [[], [0], [1]], {0}) for _ in range(20)]
    with reads(store) as asked, store.reading() as connection:
        found = read_first_graphs(connection, [(number, derive("", 2)) for number in numbers])
    assert list(found) == numbers
    assert [positions(rows) for rows in found.values()] == [[0, 1, 2]] * 20
    assert len([text for text in asked if "workflow_tasks" in text]) == 1

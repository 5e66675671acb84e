"""Graphs that run on the engine: `bind`, `execute` and `InputNode`."""

from random import Random
from typing import Any, cast

import pytest

from ...errors import TaskError
from ...futures import ObjectRef, get, put, remote
from ...graph import InputNode, Node, fill
from .._graphs import Step, StepFailed, draw, plain
from ._part import LIMIT, Notes, Part, value
from ._values import echo, fail

__all__ = ["Graphs", "RandomGraphs"]


@remote
def add(*numbers: int) -> int:
    """Add."""
    return sum(numbers)


@remote
def noted(notes: Notes, *inputs: Any) -> int:
    """Leave a line."""
    return notes.add()


@remote
def perform(step: Step, args: Any, kwargs: Any) -> Any:
    """Do the work of a random program's step; what stands inside containers comes as references."""
    return step.perform(*fill((args, kwargs), lambda ref: value(cast("ObjectRef[Any]", ref))))


class Graphs(Part):
    """One graph each."""

    def test_the_value_of_a_node_is_behind_a_reference(self) -> None:
        ref = add.bind(1, 2).execute()
        assert isinstance(ref, ObjectRef)
        assert value(ref) == 3

    def test_a_node_waits_for_those_that_it_reads(self) -> None:
        left, right = add.bind(1, 2), add.bind(3, 4)
        assert value(add.bind(left, right, 10).execute()) == 20

    def test_a_node_that_two_read_runs_once(self, notes: Notes) -> None:
        shared = noted.bind(notes)
        assert value(add.bind(shared, add.bind(shared, shared)).execute()) == 3
        assert notes.lines == ["ran"]

    def test_each_execution_is_a_new_one(self, notes: Notes) -> None:
        node = noted.bind(notes)
        assert [value(node.execute()), value(node.execute())] == [1, 2]

    def test_a_node_inside_a_container_arrives_as_a_reference(self) -> None:
        total = remote(lambda parts: sum(get(parts["all"])))
        assert value(total.bind({"all": [add.bind(1, 2), add.bind(3)]}).execute()) == 6

    def test_a_graph_may_read_references(self) -> None:
        assert value(add.bind(put(1), add.bind(put(2))).execute()) == 3

    def test_the_result_may_be_an_argument_before_it_is_there(self) -> None:
        assert value(add.remote(add.bind(1, 2).execute(), 4)) == 7

    def test_a_graph_takes_input(self) -> None:
        with InputNode() as inp:
            node = add.bind(inp[0], add.bind(inp[1], inp.extra))
        assert value(node.execute(1, 2, extra=10)) == 13
        assert value(node.execute(3, 4, extra=0)) == 7

    def test_input_may_be_read_whole_and_in_parts(self) -> None:
        with InputNode() as inp:
            whole, part = echo.bind(inp), echo.bind(inp[0]["key"][1])
        assert value(whole.execute([1, 2])) == [1, 2]
        assert value(part.execute({"key": (1, 2)})) == 2

    def test_input_that_is_missing_is_an_error_that_says_so(self) -> None:
        with InputNode() as inp:
            node = echo.bind(inp[1])
        with pytest.raises(LookupError, match="input"):
            value(node.execute(1))

    def test_a_failure_is_the_failure_of_the_graph(self, notes: Notes) -> None:
        with pytest.raises(ValueError, match="broken") as caught:
            value(noted.bind(notes, add.bind(1), fail.bind("broken")).execute())
        assert isinstance(caught.value, TaskError)
        assert notes.lines == []

    def test_a_long_chain(self) -> None:
        node: Node[Any] = add.bind(0)
        for _ in range(100):
            node = add.bind(node, 1)
        assert value(node.execute()) == 100

    def test_a_wide_fan(self) -> None:
        assert value(add.bind(*[add.bind(i) for i in range(100)]).execute()) == sum(range(100))

    def test_many_graphs_at_once(self) -> None:
        refs = [add.bind(add.bind(i), i).execute() for i in range(30)]
        assert get(refs, timeout=LIMIT) == [2 * i for i in range(30)]

    def test_a_task_may_execute_a_graph(self) -> None:
        inside = remote(lambda: get(add.bind(add.bind(1), 2).execute()))
        assert value(inside.remote()) == 3


class RandomGraphs(Part):
    """Any graph."""

    @pytest.mark.parametrize("seed", range(12))
    def test_a_random_graph_gives_what_a_plain_loop_gives(self, seed: int) -> None:
        program = draw(Random(seed), growth=0, failures=bool(seed % 2), outputs=1, effects=False)
        expected = plain(program)
        graph = program.nodes(lambda step, args, kwargs: perform.bind(step, args, kwargs))
        ref = graph[program.outputs[0]].execute()
        if expected.failed:
            with pytest.raises(StepFailed) as caught:
                value(ref)
            assert caught.value.args[0] in expected.failed
        else:
            assert value(ref) == expected.outputs[0]

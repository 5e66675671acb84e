from pathlib import Path
from typing import Any

import pytest

import alula
from alula import ObjectRef, workflow
from alula.errors import WorkflowExecutionError
from alula.graph import InputNode
from tests.workflow.bodies import Tally, add, fail_unless, noted


@alula.remote
def kinds(*args: Any, **kwargs: Any) -> list[bool]:
    """Tell which arguments are references."""
    flat = [*args, *kwargs.values()]
    return [isinstance(a[0] if isinstance(a, list) else a, ObjectRef) for a in flat]


@alula.remote
def total(refs: Any) -> int:
    return sum(alula.get(list(refs)))


@alula.remote
def same(refs: list[ObjectRef[int]], again: ObjectRef[int] | None = None) -> bool:
    return len(set(refs)) == 1


def test_nodes_and_references_arrive_as_values_on_their_own_and_as_references_inside() -> None:
    node, ref = add.bind(1), alula.put(1)
    assert workflow.run(kinds.bind(node, [node], x=ref, y=[ref])) == [False, True, False, True]


def test_nested_nodes_have_run_and_are_recorded_before_their_reader_starts(tally: Tally) -> None:
    parts = [noted.bind(tally, f"part{i}") for i in range(3)]
    assert workflow.run(total.bind({"a": parts[0], "b": parts[1], "c": parts[2]}.values())) == 3


class Book:
    def read(self) -> int:
        return 1


Ledger = alula.remote(Book)


@pytest.mark.parametrize("node", [Ledger.bind(), Ledger.bind().read.bind(), add.bind(Ledger.bind())])
def test_actors_in_a_graph_are_refused_before_anything_is_stored(node: Any) -> None:
    with pytest.raises(TypeError, match="made of remote functions, and 'Book"):
        workflow.run(node)
    assert workflow.list_all() == []


def test_handles_of_actors_are_refused_before_anything_is_stored() -> None:
    for argument in (ledger := Ledger.remote(), [ledger], {"it": (ledger,)}):
        with pytest.raises(TypeError, match="Book> ends with its session"):
            workflow.run(add.bind(argument))
    with pytest.raises(TypeError, match="ends with its session"):
        workflow.run(add.bind(InputNode()[0]), ledger)
    assert workflow.list_all() == []


def test_a_task_that_returns_the_handle_of_an_actor_fails() -> None:
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(alula.remote(lambda: [Ledger.remote()]).bind())
    assert "ends with its session" in str(caught.value.__cause__)


def test_a_reference_made_by_a_node_in_an_object_is_found() -> None:
    class Box:
        def __init__(self, content: Any) -> None:
            self.content = content

    @alula.remote
    def open_box(box: Box) -> int:
        return int(alula.get(box.content))

    assert workflow.run(open_box.bind(Box(add.bind(1, 2)))) == 3


def test_one_object_mentioned_often_is_stored_once_and_is_one_reference() -> None:
    ref = alula.put(5)
    assert workflow.run(same.bind([ref] * 20))


def test_a_reference_of_a_session_that_is_over_is_good_in_the_next(tmp_path: Path) -> None:
    ref = alula.put("stored")
    gate = fail_unless.bind(tmp_path / "flag", 0)

    @alula.remote
    def read(refs: list[ObjectRef[str]], _: int) -> str:
        return alula.get(refs[0])

    with pytest.raises(WorkflowExecutionError):
        workflow.run(read.bind([ref], gate), workflow_id="w")
    del ref
    alula.shutdown()
    alula.init(num_cpus=2)
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == "stored"


def test_a_reference_that_a_task_returns_is_handed_on_unresolved() -> None:
    @alula.remote
    def give() -> ObjectRef[int]:
        return alula.put(7)

    @alula.remote
    def take(ref: ObjectRef[int]) -> int:
        return alula.get(ref)

    assert workflow.run(take.bind(give.bind())) == 7


def test_references_inside_of_objects_are_stored_to_the_bottom() -> None:
    @alula.remote
    def dig(refs: list[ObjectRef[Any]]) -> Any:
        return alula.get(alula.get(refs[0])[0])

    assert workflow.run(dig.bind([alula.put([alula.put("deep")])])) == "deep"


def test_arguments_are_captured_at_the_submission() -> None:
    box = [1]
    node = total.bind([alula.put(1)])
    late = add.bind(box[0], node)
    box[0] = 100
    assert workflow.run(late) == 2


def test_a_node_given_as_input_is_refused() -> None:
    with InputNode() as inp:
        node = add.bind(inp[0])
    with pytest.raises(TypeError, match="bind it in the graph"):
        workflow.run(node, add.bind(1))


def test_a_failed_reference_fails_the_submission() -> None:
    with pytest.raises(ZeroDivisionError):
        workflow.run(add.bind(divide.remote(1, 0)))
    assert workflow.list_all() == []


@alula.remote
def divide(a: int, b: int) -> float:
    return a / b

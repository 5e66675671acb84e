from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError
from alula.graph import Node
from tests.postgres import ON_BOTH
from tests.workflow.bodies import OddError, Tally, add, countdown, exp_remote, fail_unless, fib, noted

pytestmark = ON_BOTH


def test_a_bare_node_is_a_continuation() -> None:
    assert workflow.run(fib.bind(7)) == 13


def test_readers_wait_for_the_end_of_the_chain(tally: Tally) -> None:
    @alula.remote
    def reader(tally: Tally, end: str) -> list[str]:
        tally.mark("reader")
        return tally.path.read_text().split()

    assert workflow.run(reader.bind(tally, countdown.bind(tally, 3))) == ["3", "2", "1", "0", "reader"]


def test_outside_of_a_workflow_a_continuation_runs_at_once() -> None:
    assert workflow.continuation(add.bind(1, 2)) == 3
    assert alula.get(exp_remote.bind(3, 4).execute()) == 48
    assert workflow.list_all() == []


def test_a_long_chain_gives_its_end() -> None:
    assert workflow.run(exp_remote.bind(1, 250)) == 2**250


def test_a_continuation_may_be_a_whole_graph(tally: Tally) -> None:
    @alula.remote
    def spread(tally: Tally, n: int) -> Any:
        parts = [noted.bind(tally, f"part{i}") for i in range(n)]
        return add.bind(*parts, parts[0])

    assert workflow.run(spread.bind(tally, 10)) == 11
    assert set(tally.counts().values()) == {1}


def test_ids_are_numbered_inputs_first_and_on_through_continuations() -> None:
    @alula.remote(**workflow.options(task_id="f"))
    def f(x: int) -> Any:
        return add.options(**workflow.options(task_id="f")).bind(x, 1) if x == 10 else x

    workflow.run(f.bind(f.bind(10)), workflow_id="w")
    assert [workflow.get_output("w", task_id=i) for i in ("f", "f_1", "f_2")] == [11, 11, 11]
    assert workflow.get_metadata("w", "f_1")["workflow_refs"] == ["f"]


def test_a_default_id_is_the_functions_name_in_plain_characters() -> None:
    @alula.remote
    def local() -> Any:
        return 1

    workflow.run(local.bind(), workflow_id="w")
    name = "test_a_default_id_is_the_functions_name_in_plain_characters"
    assert workflow.get_output("w", task_id=f"tests.workflow.test_continuations.{name}.locals.local") == 1


def test_the_links_before_a_failure_stay_recorded(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def walk(n: int) -> Any:
        tally.mark(n)
        return fail_unless.bind(tmp_path / "flag", "end") if n == 0 else walk.bind(n - 1)

    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(walk.bind(5), workflow_id="w")
    assert isinstance(caught.value.__cause__, OddError)
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == "end"
    assert tally.counts() == dict.fromkeys("012345", 1)


def test_a_parent_ends_before_its_child_starts() -> None:
    workflow.run(exp_remote.bind(1, 1), workflow_id="w")
    name = "tests.workflow.bodies.exp_remote"
    parent, child = (workflow.get_metadata("w", task_id)["stats"] for task_id in (name, f"{name}_1"))
    assert parent["end_time"] <= child["start_time"]


def test_what_stops_a_continuation_from_being_made_fails_its_task() -> None:
    @alula.remote
    def wrong() -> Node[Any]:
        return Node(len, ("abc",))

    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(wrong.bind())
    assert "remote functions" in str(caught.value.__cause__)

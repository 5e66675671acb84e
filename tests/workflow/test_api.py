import asyncio
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest

import alula
from alula import workflow
from alula.errors import (
    NameNotFoundError,
    WorkflowCancellationError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowOutputNotReady,
    WorkflowStillActiveError,
)
from alula.graph import Graph, InputNode
from alula.testing import Turnstile
from alula.workflow import WorkflowStatus
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, exp_remote, fail_unless, held, noted

pytestmark = ON_BOTH


def test_the_founding_example_gives_three_times_two_to_the_seventh() -> None:
    assert workflow.create(exp_remote.bind(3, 7)).run() == 3 * 2**7


def test_run_gives_the_value_of_the_node() -> None:
    assert workflow.run(add.bind(add.bind(1, 2), 3)) == 6


def test_a_node_runs_itself() -> None:
    assert add.bind(1, 2).run() == 3
    assert alula.get(add.bind(1, 2).run_async(workflow_id="w")) == 3
    assert workflow.get_output("w") == 3


def test_a_node_read_twice_runs_once(tally: Tally) -> None:
    top = noted.bind(tally, "top")
    left, right = noted.bind(tally, "left", top), noted.bind(tally, "right", top)
    assert workflow.run(noted.bind(tally, "bottom", left, right)) == 5
    assert set(tally.counts().values()) == {1}


def test_inputs_come_from_the_call() -> None:
    with InputNode() as inp:
        node = add.bind(inp[0], inp.more)
    assert workflow.run(node, 1, more=2) == 3
    assert workflow.create(node, 3, more=4).run() == 7
    assert node.run(5, more=6) == 11
    whole = add.bind(inp, 1)
    assert (workflow.run(whole, 1), workflow.create(whole, 2).run(), whole.run(3)) == (2, 3, 4)


def test_an_input_that_no_node_reads_is_refused_before_anything_is_stored() -> None:
    with pytest.raises(TypeError, match="no node reads"):
        workflow.run(add.bind(1), 1)
    with pytest.raises(TypeError, match="no node reads"):
        workflow.create(add.bind(1), x=1).run()
    assert workflow.list_all() == []


def test_a_missing_input_is_refused_before_anything_is_stored() -> None:
    with InputNode() as inp:
        node = add.bind(inp[0])
    with pytest.raises(TypeError, match="0 by position"):
        workflow.run(node)
    assert workflow.list_all() == []


def test_a_default_id_is_a_uuid_and_a_time() -> None:
    workflow.run(add.bind(1))
    [(workflow_id, _)] = workflow.list_all()
    assert re.fullmatch(r"[0-9a-f-]{36}\.\d+\.\d{9}", workflow_id)


@pytest.mark.parametrize("call", [workflow.run, workflow.run_async, workflow.create, workflow.continuation])
def test_what_is_no_node_is_refused(call: Any) -> None:
    with pytest.raises(TypeError, match="takes a node"):
        call(alula.put(1))


@pytest.mark.parametrize("wrong", [7, b"w", ("w",)])
def test_an_id_that_is_no_text_is_refused(wrong: Any) -> None:
    for call in (workflow.resume, workflow.cancel, workflow.delete, workflow.get_output):
        with pytest.raises(TypeError, match="workflow_id is text"):
            call(wrong)
    with pytest.raises(TypeError, match="workflow_id is text"):
        workflow.run(add.bind(1), workflow_id=wrong)


def test_an_id_may_have_any_characters() -> None:
    workflow.run(add.bind(1), workflow_id="../a/b 'c'\n%")
    assert workflow.get_output("../a/b 'c'\n%") == 1


ODD = ["\0", "\ud800", "x" * 300]  # what not every store can hold


@pytest.mark.parametrize("odd", ODD)
def test_what_no_store_can_hold_is_refused_when_it_is_given(odd: str) -> None:
    for call in (
        lambda: workflow.run(add.bind(1), workflow_id=odd),
        lambda: workflow.options(task_id=odd),
        lambda: workflow.wait_for_signal(odd),
        lambda: workflow.schedule(odd, "* * * * *", add.bind(1)),
    ):
        with pytest.raises(ValueError, match=r"has 1 to \d+ characters|holds no NUL"):
            call()
    assert workflow.list_all() == []


@pytest.mark.parametrize("odd", ODD)
def test_what_no_store_can_hold_is_not_found(odd: str) -> None:
    workflow.run(add.bind(1), workflow_id="w")
    for call in (
        lambda: workflow.get_status(odd),
        lambda: workflow.get_output("w", task_id=odd),
        lambda: workflow.get_metadata("w", odd),
        lambda: workflow.list_all(after=odd),
    ):
        with pytest.raises(ValueError, match=r"No such|none can have|there is none"):
            call()
    with pytest.raises(NameNotFoundError):
        workflow.delete_schedule(odd)


def test_a_function_with_a_very_long_name_has_a_shorter_id() -> None:
    def function() -> int:
        return 1

    function.__qualname__ = "x" * 300 + "end"
    workflow.run(alula.remote(function).bind(), workflow_id="w")
    [task] = workflow.list_tasks("w")
    assert len(task.task_id) == 240
    assert task.task_id.endswith("end")


@pytest.mark.parametrize(
    "call",
    [
        workflow.resume,
        workflow.cancel,
        workflow.delete,
        workflow.get_output,
        workflow.get_status,
        workflow.get_metadata,
        workflow.list_tasks,
        workflow.follow,
        partial(workflow.signal, key="k"),
        partial(workflow.get_event, key="k"),
        partial(workflow.fork, from_task="add"),
    ],
)
def test_what_is_asked_of_a_workflow_needs_its_id(call: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="workflow_id"):
        call(None)


def test_several_return_values_are_refused() -> None:
    with pytest.raises(ValueError, match="num_returns=2"):
        workflow.run(add.options(num_returns=2).bind(1))


@pytest.mark.parametrize("metadata", [{"x": object()}, {"x": float("nan")}, ["x"]])
def test_metadata_that_json_cannot_hold_are_refused_before_anything_is_stored(metadata: Any) -> None:
    with pytest.raises(ValueError, match="metadata must be a dict"):
        workflow.run(add.bind(1), metadata=metadata)
    assert workflow.list_all() == []


def test_an_argument_that_cannot_be_pickled_is_refused_at_the_call() -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        workflow.run(add.bind(Lock()))
    assert workflow.list_all() == []


def test_a_result_that_cannot_be_pickled_fails_its_task() -> None:
    @alula.remote
    def generator() -> Any:
        return (i for i in range(3))

    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(generator.bind(), workflow_id="w")
    assert isinstance(caught.value.__cause__, TypeError)
    assert workflow.get_status("w") == "FAILED"


def test_large_arrays_arrive_whole_whether_as_argument_or_result() -> None:
    @alula.remote
    def double(array: Any) -> Any:
        return array * 2

    array = np.arange(200_000.0)
    result = workflow.run(double.bind(double.bind(array)), workflow_id="w")
    np.testing.assert_array_equal(result, array * 4)
    np.testing.assert_array_equal(workflow.get_output("w"), array * 4)


def test_a_coroutine_function_is_a_task() -> None:
    @alula.remote
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    result: Any = workflow.run(later.bind(later.bind(1)))
    assert result == 3


def test_the_promise_of_run_async_is_not_ready_before_the_end(turnstile: Turnstile) -> None:
    ref = workflow.run_async(held.bind(turnstile, "value"))
    turnstile.arrived()
    assert alula.wait([ref], timeout=0) == ([], [ref])
    turnstile.let()
    assert alula.get(ref) == "value"


def test_the_promise_of_run_async_fails_with_the_cause(tmp_path: Path) -> None:
    ref = workflow.run_async(fail_unless.bind(tmp_path / "no", 1), workflow_id="w")
    with pytest.raises(WorkflowExecutionError) as caught:
        alula.get(ref)
    assert getattr(caught.value.__cause__, "code", None) == 7


async def _awaited(ref: Any) -> Any:
    return await ref


def test_the_promise_of_run_async_may_be_awaited() -> None:
    assert asyncio.run(_awaited(workflow.run_async(add.bind(1, 2)))) == 3


# ------------------------------------------------------------------------------- the same id again


def test_a_finished_id_gives_its_value_and_ignores_the_new_graph(tally: Tally) -> None:
    workflow.run(noted.bind(tally, "old"), workflow_id="w", metadata={"kept": 1})
    with pytest.warns(UserWarning, match="made of another graph"):
        assert workflow.run(add.bind(5), workflow_id="w", metadata={"kept": 2}) == 1
    assert workflow.get_metadata("w")["user_metadata"] == {"kept": 1}
    assert tally.counts() == {"old": 1}


def test_an_active_id_is_refused(turnstile: Turnstile) -> None:
    ref = workflow.run_async(held.bind(turnstile), workflow_id="w")
    with pytest.raises(RuntimeError, match="'w' is RUNNING"):
        workflow.run(held.bind(turnstile), workflow_id="w")
    with pytest.raises(RuntimeError, match="'w' is RUNNING"):
        workflow.resume("w")
    turnstile.let()
    alula.get(ref)


def test_a_failed_id_goes_on_with_the_old_graph(tmp_path: Path, tally: Tally) -> None:
    flag = tmp_path / "flag"
    node = fail_unless.bind(flag, noted.bind(tally, "first"))
    with pytest.raises(WorkflowExecutionError):
        workflow.run(node, workflow_id="w")
    flag.touch()
    assert workflow.run(node, workflow_id="w") == 1
    assert tally.counts() == {"first": 1}


def test_a_cancelled_id_goes_on_when_asked(turnstile: Turnstile) -> None:
    ref = workflow.run_async(held.bind(turnstile, 5), workflow_id="w")
    turnstile.arrived()
    workflow.cancel("w")
    with pytest.raises(WorkflowCancellationError):
        alula.get(ref)
    turnstile.let()
    assert workflow.resume("w") == 5


def test_a_deleted_id_starts_from_nothing(tally: Tally) -> None:
    workflow.run(noted.bind(tally, "a"), workflow_id="w")
    workflow.delete("w")
    assert workflow.list_all() == []
    workflow.run(noted.bind(tally, "a"), workflow_id="w")
    assert tally.counts() == {"a": 2}


def test_an_active_workflow_cannot_be_deleted(turnstile: Turnstile) -> None:
    ref = workflow.run_async(held.bind(turnstile), workflow_id="w")
    with pytest.raises(WorkflowStillActiveError):
        workflow.delete("w")
    turnstile.let()
    alula.get(ref)


# ------------------------------------------------------------------------------------ unknown ids


def test_an_unknown_id_is_not_found_and_leaves_no_trace() -> None:
    for call in (workflow.get_status, workflow.cancel, workflow.delete, workflow.get_output):
        with pytest.raises(WorkflowNotFoundError, match="No such workflow_id 'w'"):
            call("w")
    with pytest.raises(WorkflowNotResumableError):
        workflow.resume("w")
    assert workflow.list_all() == []


def test_what_is_not_found_is_a_value_error_of_a_known_shape() -> None:
    with pytest.raises(ValueError, match=r"^No such workflow_id 'w'$"):
        workflow.get_metadata("w")
    workflow.run(add.bind(1), workflow_id="w")
    with pytest.raises(ValueError, match=r"^No such task_id 't' in workflow 'w'$"):
        workflow.get_metadata("w", "t")


# ---------------------------------------------------------------------------------------- outputs


def test_an_output_of_a_failed_workflow_is_refused_without_running_anything(
    tmp_path: Path, tally: Tally
) -> None:
    first = noted.options(**workflow.options(task_id="first")).bind(tally, "first")
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(tmp_path / "no", first), workflow_id="w")
    with pytest.raises(WorkflowOutputNotReady, match="FAILED; resume"):
        workflow.get_output("w")
    assert workflow.get_output("w", task_id="first") == 1
    assert tally.counts() == {"first": 1}


def test_an_output_is_waited_for_while_the_workflow_runs(turnstile: Turnstile) -> None:
    first = add.options(**workflow.options(task_id="first")).bind(1)
    ref = workflow.run_async(add.bind(first, held.bind(turnstile, 5)), workflow_id="w")
    assert workflow.get_output("w", task_id="first") == 1
    output = workflow.get_output_async("w")
    assert alula.wait([output], timeout=0) == ([], [output])
    turnstile.let()
    assert alula.get([ref, output]) == [6, 6]


def test_a_task_that_never_comes_is_named_when_the_workflow_ends(turnstile: Turnstile) -> None:
    ref = workflow.run_async(held.bind(turnstile), workflow_id="w")
    output = workflow.get_output_async("w", task_id="ghost")
    turnstile.let()
    alula.get(ref)
    with pytest.raises(WorkflowNotFoundError, match="'ghost'"):
        alula.get(output)


def test_every_task_of_a_chain_has_the_value_at_its_end() -> None:
    workflow.run(exp_remote.bind(3, 4), workflow_id="w")
    name = "tests.workflow.bodies.exp_remote"
    outputs = [workflow.get_output("w", task_id=i) for i in (name, *(f"{name}_{n}" for n in range(1, 5)))]
    assert outputs == [48] * 5


# --------------------------------------------------------------------------------- lists, metadata


def test_workflows_are_listed_by_status(tmp_path: Path) -> None:
    workflow.run(add.bind(1), workflow_id="good")
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(tmp_path / "no", 1), workflow_id="bad")
    good, bad = ("good", WorkflowStatus.SUCCESSFUL), ("bad", WorkflowStatus.FAILED)
    assert workflow.list_all() == [good, bad]
    assert workflow.list_all("FAILED") == workflow.list_all(workflow.FAILED) == [bad]
    assert workflow.list_all({"FAILED", WorkflowStatus.SUCCESSFUL}) == [good, bad]
    assert workflow.list_all({"RESUMABLE"}) == []


def test_a_wrong_filter_is_refused() -> None:
    with pytest.raises(TypeError, match="not list"):
        workflow.list_all(["FAILED"])  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueError, match="no status 'LOST'"):
        workflow.list_all("LOST")


def test_metadata_tell_times_options_and_inputs() -> None:
    first = add.options(**workflow.options(task_id="a", metadata={"x": 1}), num_cpus=0.5).bind(1)
    workflow.run(add.options(**workflow.options(task_id="b", max_retries=2)).bind(first), workflow_id="w")
    a, b = workflow.get_metadata("w", "a"), workflow.get_metadata("w", "b")
    assert (a["user_metadata"], a["task_options"]["ray_options"]["num_cpus"]) == ({"x": 1}, 0.5)
    assert (b["workflow_refs"], b["task_options"]["max_retries"]) == (["a"], 2)
    whole = workflow.get_metadata("w")["stats"]
    times = [whole["start_time"], *a["stats"].values(), *b["stats"].values(), whole["end_time"]]
    assert times == sorted(times)


def test_a_cancelled_workflow_has_a_start_and_no_end(turnstile: Turnstile) -> None:
    workflow.run_async(held.bind(turnstile), workflow_id="w")
    turnstile.arrived()
    workflow.cancel("w")
    found = workflow.get_metadata("w")
    assert (found["status"], set(found["stats"])) == ("CANCELED", {"start_time"})


def test_cancelling_what_has_ended_changes_nothing() -> None:
    workflow.run(add.bind(1), workflow_id="w")
    workflow.cancel("w")
    assert (workflow.get_status("w"), workflow.get_output("w")) == ("SUCCESSFUL", 1)


def test_a_task_may_run_a_workflow_of_its_own() -> None:
    @alula.remote
    def outer() -> Any:
        return workflow.run(add.bind(1, 2)) + 1

    assert workflow.run(outer.bind()) == 4


def test_cancelling_a_workflow_that_ends_meanwhile_leaves_it_its_value(turnstile: Turnstile) -> None:
    executor = workflow.default_executor()
    handle = executor.submit(Graph.of(add.bind(1, 2)), id="w")
    run = executor._runs.get("w")
    assert handle.result() == 3
    if run is not None:
        run.cancel()  # as one that was on its way to
    assert (workflow.get_status("w"), workflow.get_output("w")) == ("SUCCESSFUL", 3)


@pytest.mark.parametrize("name", ["step", "virtual_actor"])
def test_what_this_version_lacks_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(AttributeError, match=f"no '{name}' in this version; it has .*continuation"):
        getattr(workflow, name)

"""Waiting for some of several tasks: spec by spec, with real workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.errors import WorkflowExecutionError
from alula.futures import ObjectRef
from alula.graph import Graph, Node
from alula.testing import Clock, Turnstile
from alula.workflow import Executor
from tests.workflow.bodies import OddError, Tally, add, fail_unless, held, noted

Split = tuple[list[Any], list[Any]]

slow = held.options(num_cpus=0)  # so that several of them keep nobody from a worker


@alula.remote
def sizes(split: Split) -> tuple[list[Any], int]:
    """Tell what was ready, and how many were left."""
    ready, remaining = split
    return ready, len(remaining)


@alula.remote
def rest(tally: Tally, split: Split) -> Any:
    """Note what is ready, and wait for the rest, one by one."""
    ready, remaining = split
    tally.mark("link")
    if not remaining:
        return ready
    return workflow.continuation(gather.bind(ready, rest.bind(tally, workflow.wait(remaining))))


@alula.remote
def gather(first: list[Any], others: list[Any]) -> list[Any]:
    return first + others


@alula.remote
def kinds(top: Any, nested: list[Any]) -> tuple[Any, bool, Any]:
    return top, isinstance(nested[0], ObjectRef), alula.get(nested[0])


# ------------------------------------------------------------------------------------------ splits


def test_ready_are_values_and_the_rest_is_left(turnstile: Turnstile) -> None:
    nodes = [slow.bind(turnstile, 1), add.bind(2), slow.bind(turnstile, 3)]
    assert workflow.run(sizes.bind(workflow.wait(nodes))) == ([2], 2)


def test_no_more_are_ready_than_were_asked_for_and_those_in_the_order_of_the_inputs() -> None:
    nodes = [add.bind(n) for n in range(4)]
    ready, left = workflow.run(sizes.bind(workflow.wait(nodes, num_returns=2)))
    assert (len(ready), left) == (2, 2)
    assert ready == sorted(ready)


def test_tasks_may_be_given_one_by_one_as_handles_of_create_or_in_a_tuple() -> None:
    assert workflow.run(sizes.bind(workflow.wait(add.bind(1), num_returns=1))) == ([1], 0)
    made = workflow.create(add.bind(2))
    assert workflow.run(sizes.bind(workflow.wait((made,), 1, None))) == ([2], 0)


def test_of_no_tasks_nothing_is_ready() -> None:
    assert workflow.run(workflow.wait([])) == ([], [])


def test_it_needs_no_worker_to_wait(turnstile: Turnstile) -> None:
    """As many waits as there are workers, above tasks that need one each."""
    waits = [workflow.wait([add.options(num_cpus=2).bind(n)]) for n in range(8)]
    assert workflow.run(add.bind(*[first.bind(wait) for wait in waits])) == 28


@alula.remote
def first(split: Split) -> Any:
    return split[0][0]


def test_all_readers_of_one_wait_see_the_same_split(turnstile: Turnstile) -> None:
    split = workflow.wait([slow.bind(turnstile, 1), add.bind(2), add.bind(3)])

    @alula.remote
    def both(one: Any, other: Any, split: Split) -> bool:
        return bool(one == other == (split[0], len(split[1])))

    assert workflow.run(both.bind(sizes.bind(split), sizes.bind(split), split))


def test_its_task_has_an_id_of_its_own() -> None:
    workflow.run(sizes.bind(workflow.wait([add.bind(1)])), workflow_id="w")
    assert workflow.get_output("w", task_id="workflow.wait") == ([1], [])
    assert workflow.get_metadata("w", "workflow.wait")["task_options"]["task_type"] == "WAIT"


def test_unrecorded_inputs_and_unrecorded_waits_give_their_values(turnstile: Turnstile) -> None:
    volatile = workflow.options(checkpoint=False)

    @alula.remote(**volatile)
    def outer() -> Any:
        return sizes.bind(workflow.wait([add.bind(1), slow.bind(turnstile, 2)]))

    assert workflow.run(outer.bind()) == ([1], 1)
    nodes = [add.options(**volatile).bind(1), slow.bind(turnstile, 2)]
    assert workflow.run(sizes.bind(workflow.wait(nodes))) == ([1], 1)


# ----------------------------------------------------------------------------------------- handles


def run_and_let(node: Node[Any], turnstile: Turnstile, workflow_id: str = "w", most: int = 1) -> Any:
    """Run a workflow of one wait, and let through what is held when that has its split."""
    ref = workflow.run_async(node, workflow_id=workflow_id)
    workflow.get_output(workflow_id, task_id="workflow.wait")
    turnstile.let(most)
    return alula.get(ref)


@alula.remote
def same(value: Any) -> Any:
    return value


def test_what_remains_can_be_waited_for_again_until_nothing_is_left(tally: Tally) -> None:
    nodes = [noted.bind(tally, f"t{n}", n) for n in range(10)]
    assert sorted(workflow.run(rest.bind(tally, workflow.wait(nodes)))) == list(range(1, 11))
    assert tally.counts() == {"link": 10, **{f"t{n}": 1 for n in range(10)}}


def test_a_handle_is_the_value_at_the_top_of_an_argument_and_a_reference_inside_one(
    turnstile: Turnstile,
) -> None:
    @alula.remote
    def use(split: Split) -> Any:
        [handle] = split[1]
        return kinds.bind(handle, [handle])

    node = use.bind(workflow.wait([slow.bind(turnstile, 1), add.bind(2)]))
    assert run_and_let(node, turnstile) == (1, True, 1)


def test_a_handle_may_be_returned_and_is_then_the_value(turnstile: Turnstile) -> None:
    @alula.remote
    def hand_on(split: Split) -> Any:
        return split[1][0]

    @alula.remote
    def go_on(split: Split) -> Any:
        return workflow.continuation(split[1][0])

    for task in (hand_on, go_on):
        node = add.bind(task.bind(workflow.wait([slow.bind(turnstile, 1), add.bind(2)])), 10)
        assert run_and_let(node, turnstile, task.__name__) == 11


def test_handles_may_travel_inside_of_values(turnstile: Turnstile) -> None:
    @alula.remote
    def pass_on(split: Split) -> Any:
        return {"left": split[1]}

    @alula.remote
    def use(found: dict[str, Any]) -> Any:
        return add.bind(*found["left"])

    split = workflow.wait([slow.bind(turnstile, 1), add.bind(2), slow.bind(turnstile, 3)])
    assert run_and_let(use.bind(pass_on.bind(split)), turnstile, most=2) == 4


def test_a_handle_of_a_chain_is_the_value_at_its_end(turnstile: Turnstile) -> None:
    @alula.remote
    def chain(n: int) -> Any:
        return slow.bind(turnstile, "end") if n == 0 else chain.bind(n - 1)

    @alula.remote
    def use(split: Split) -> Any:
        return same.bind(split[1][0])

    node = use.bind(workflow.wait([chain.bind(3), add.bind(2)]))
    assert run_and_let(node, turnstile) == "end"


def test_an_unrecorded_value_is_there_as_long_as_a_handle_may_ask(tally: Tally) -> None:
    volatile = noted.options(**workflow.options(checkpoint=False))
    nodes = [volatile.bind(tally, f"t{n}", n) for n in range(4)]
    assert sorted(workflow.run(rest.bind(tally, workflow.wait(nodes)))) == [1, 2, 3, 4]
    assert tally.counts() == {"link": 4, **{f"t{n}": 1 for n in range(4)}}


def test_a_handle_is_good_in_its_own_workflow_only(turnstile: Turnstile) -> None:
    @alula.remote
    def leak(split: Split) -> Any:
        return split[1]

    [handle] = workflow.run(leak.bind(workflow.wait([slow.bind(turnstile, 1), add.bind(2)])))
    with pytest.raises(TypeError, match="its own workflow"):
        workflow.run(add.bind(handle))

    @alula.remote
    def use(handles: Any) -> Any:
        return add.bind(handles.value[0])

    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(use.bind(Box([handle])))
    assert isinstance(caught.value.__cause__, TypeError)


class Box:
    """Hides its content from who looks for nodes in arguments."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        import pickle

        return _box, (pickle.dumps(self.value),)


def _box(data: bytes) -> Box:
    import pickle

    return Box(pickle.loads(data))


# ------------------------------------------------------------------------------------------ errors


def test_a_failed_input_is_ready_and_fails_the_wait(tmp_path: Path, turnstile: Turnstile) -> None:
    nodes = [slow.bind(turnstile, 1), fail_unless.bind(tmp_path / "flag", 2)]
    turnstile.let()
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(sizes.bind(workflow.wait(nodes, num_returns=2)))
    assert isinstance(caught.value.__cause__, OddError)


def test_a_failure_that_nobody_asks_for_does_not_fail_the_workflow(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    broken = fail_unless.bind(tmp_path / "flag", slow.bind(turnstile))
    nodes = [add.bind(1), add.bind(broken, 1)]

    @alula.remote
    def after(split: Split, held: Any) -> Any:
        return split[0], len(split[1])

    with Turnstile(tmp_path, "other") as other:
        node = after.bind(workflow.wait(nodes), slow.bind(other))
        ref = workflow.run_async(node, workflow_id="w")
        workflow.get_output("w", task_id="workflow.wait")
        turnstile.let()
        other.arrived()
        other.let()
        assert alula.get(ref) == ([1], 1)


def test_a_failure_fails_the_workflow_when_its_handle_is_read(tmp_path: Path, turnstile: Turnstile) -> None:
    @alula.remote
    def read(split: Split) -> Any:
        return add.bind(*split[1])

    nodes = [add.bind(1), add.bind(fail_unless.bind(tmp_path / "flag", 1), 1)]
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(read.bind(workflow.wait(nodes)), workflow_id="w")
    assert isinstance(caught.value.__cause__, OddError)
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == 2


# -------------------------------------------------------------------------------------- stragglers


def test_what_nobody_reads_is_cancelled_when_the_output_is_there(
    tmp_path: Path, tally: Tally, turnstile: Turnstile
) -> None:
    late = noted.bind(tally, "after", slow.bind(turnstile, 1))
    assert workflow.run(sizes.bind(workflow.wait([add.bind(1), late])), workflow_id="w") == ([1], 1)
    assert workflow.get_status("w") == "SUCCESSFUL"
    turnstile.let()
    run = workflow.default_executor()._runs
    run.await_end("w")
    assert tally.counts() == {}


def test_one_that_may_go_on_is_recorded_after_the_output(tally: Tally, turnstile: Turnstile) -> None:
    named = noted.options(**workflow.options(task_id="after"))
    late = named.bind(tally, "after", slow.bind(turnstile, 1))
    node = sizes.bind(workflow.wait([add.bind(1), late], abandon="run"))
    assert workflow.run(node, workflow_id="w") == ([1], 1)
    assert workflow.get_status("w") == "SUCCESSFUL"
    turnstile.let()
    workflow.default_executor()._runs.await_end("w")
    assert workflow.get_output("w", task_id="after") == 2


def test_outside_of_a_workflow_nothing_of_it_runs_and_the_error_says_what_to_do() -> None:
    with pytest.raises(
        TypeError, match=r"a node of workflow\.wait does not run on the engine.*workflow\.run"
    ):
        workflow.continuation(sizes.bind(workflow.wait([add.bind(1)])))
    _, [left] = workflow.run(workflow.wait([add.bind(1), add.bind(2)]), workflow_id="w")
    with pytest.raises(TypeError, match=r"its own workflow return \('w'\)"):
        workflow.continuation(left)


# ---------------------------------------------------------------------------------------- timeouts


def test_after_the_timeout_it_takes_what_there_is(
    timed: Executor, clock: Clock, turnstile: Turnstile
) -> None:
    nodes = [slow.bind(turnstile, 1), slow.bind(turnstile, 2)]
    handle = timed.submit(Graph.of(sizes.bind(workflow.wait(nodes, timeout=60))))
    turnstile.arrived()
    turnstile.arrived()
    clock.advance(59)
    assert not handle.done()
    clock.advance(2)
    assert handle.result(150) == ([], 2)


def test_a_timeout_of_nothing_takes_what_is_there_at_once(turnstile: Turnstile) -> None:
    nodes = [slow.bind(turnstile, 1)]
    assert workflow.run(sizes.bind(workflow.wait(nodes, timeout=0))) == ([], 1)


def test_a_timeout_that_is_not_needed_holds_nobody_up(timed: Executor) -> None:
    handle = timed.submit(Graph.of(sizes.bind(workflow.wait([add.bind(1)], timeout=60))))
    assert handle.result(150) == ([1], 0)


# ---------------------------------------------------------------------------------------- recovery


def test_the_same_split_is_handed_out_after_a_failure_and_its_handles_mean_the_same_tasks(
    tmp_path: Path, tally: Tally, turnstile: Turnstile
) -> None:
    @alula.remote
    def use(split: Split) -> Any:
        tally.mark(f"ready-{split[0][0]}")
        fail = fail_unless.bind(tmp_path / "flag", 0)
        return add.bind(add.bind(*split[0], *split[1]), fail)

    nodes = [noted.bind(tally, f"t{n}", n) for n in range(3)]
    with pytest.raises(WorkflowExecutionError):
        workflow.run(use.bind(workflow.wait(nodes)), workflow_id="w")
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == 6
    counts = tally.counts()
    assert {name: counts[name] for name in ("t0", "t1", "t2")} == {"t0": 1, "t1": 1, "t2": 1}
    assert sum(count for name, count in counts.items() if name.startswith("ready")) == 1


def test_a_wait_that_was_cut_off_waits_again_under_its_id(
    home: Path, tally: Tally, turnstile: Turnstile
) -> None:
    nodes = [noted.bind(tally, f"t{n}", slow.bind(turnstile, n)) for n in range(2)]
    executor = Executor.open(Settings.load())
    executor.submit(Graph.of(sizes.bind(workflow.wait(nodes, num_returns=2))), id="w")
    turnstile.arrived()
    executor.close()
    turnstile.let()
    with Executor.open(Settings.load()) as other:
        assert other.resume("w").result(150) == ([1, 2], 0)
        assert other.output("w", task_id="workflow.wait").result(150) == ([1, 2], [])
    assert tally.counts() == {"t0": 1, "t1": 1}


SEED = Path(__file__).parents[1] / "workflow" / "seed_wait.py"


def _seed(home: Path, *args: str) -> subprocess.Popen[str]:
    env = {**os.environ, "ALULA_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(SEED), str(home / "tally"), *args]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("ended", [3, 40, 97])
def test_the_founding_example_goes_on_after_its_process_was_killed(home: Path, ended: int) -> None:
    """Killed when so many tasks have ended; what was recorded until then does not run again."""
    with _seed(home, str(ended)) as program:
        assert program.stdout is not None
        for line in program.stdout:
            if "kill me" in line:
                program.send_signal(signal.SIGKILL)
    recorded = set(_recorded(home))
    assert recorded
    with _seed(home) as program:
        output, _ = program.communicate(timeout=100)
    assert output.splitlines()[-1] == "All done"
    counts = Tally(home / "tally").counts()
    assert counts.pop("killed") == 1
    assert set(counts) == {f"task{n}" for n in range(100)}
    assert {name for name, count in counts.items() if count > 1}.isdisjoint(recorded)


def _recorded(home: Path) -> Iterator[str]:
    with Executor.open(Settings.load(home=str(home))) as executor:
        for n in range(100):
            if executor.records.value("seed", f"task{n}") is not None:
                yield f"task{n}"


# --------------------------------------------------------------------------------------- bad input

Call = Callable[[], Any]
WRONG: dict[str, Any] = {k: {k: v} for k, v in [("num_returns", 1.0), ("timeout", "1"), ("abandon", "keep")]}


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: workflow.wait([1]), TypeError, "nodes"),
        (lambda: workflow.wait([add.bind(1)], 2), ValueError, r"number of tasks \(1\)"),
        (lambda: workflow.wait([add.bind(1)], num_returns=0), ValueError, "from 1"),
        (lambda: workflow.wait([], num_returns=2), ValueError, "from 1"),
        (lambda: workflow.wait([add.bind(1)], **WRONG["num_returns"]), TypeError, "whole number"),
        (lambda: workflow.wait([add.bind(1)], timeout=-1), ValueError, "negative"),
        (lambda: workflow.wait([add.bind(1)], **WRONG["timeout"]), TypeError, "seconds"),
        (lambda: workflow.wait([add.bind(1)], **WRONG["abandon"]), ValueError, "abandon"),
        (lambda: workflow.wait([add.bind(1)], 1, 2, 3), TypeError, "4 arguments"),
    ],
)
def test_bad_input_is_refused_at_the_call(call: Call, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()


def test_a_task_that_is_given_twice_is_refused() -> None:
    node = add.bind(1)
    with pytest.raises(ValueError, match="twice"):
        workflow.wait([node, node])

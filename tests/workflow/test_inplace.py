import os
import subprocess
import sys
import traceback
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError, WorkflowOutputNotReady
from alula.testing import Turnstile
from tests.postgres import ON_BOTH
from tests.workflow.bodies import OddError, Tally, fail_unless, held

pytestmark = ON_BOTH

HERE = workflow.options(allow_inplace=True)
LOOSE = workflow.options(allow_inplace=True, checkpoint=False)


@alula.remote
def pid(*others: Any) -> tuple[Any, ...]:
    return (*others, os.getpid())


@alula.remote
def count(tally: Tally, n: int, options: Any) -> Any:
    """A chain in place, each link of which leaves a line."""
    tally.mark(n)
    if n == 0:
        return os.getpid()
    return workflow.continuation(count.options(**options).bind(tally, n - 1, options))


def test_the_founding_example() -> None:
    @alula.remote
    def exp_inplace(k: int, n: int) -> Any:
        if n == 0:
            return k
        return workflow.continuation(
            exp_inplace.options(**workflow.options(allow_inplace=True)).bind(2 * k, n - 1)
        )

    assert workflow.create(exp_inplace.bind(3, 7)).run() == 3 * 2**7


def test_it_runs_in_the_process_of_the_task_that_returned_it() -> None:
    @alula.remote
    def first() -> Any:
        return workflow.continuation(pid.options(**HERE).bind(os.getpid()))

    before, after = workflow.run(first.bind())
    assert before == after != os.getpid()


def test_inputs_in_place_run_there_too_and_others_elsewhere() -> None:
    @alula.remote
    def first() -> Any:
        x = pid.options(**HERE).bind(os.getpid())
        y = pid.options(**workflow.options(task_id="y")).bind(x)
        return workflow.continuation(pid.options(**HERE).bind(y))

    ((mine, x), y), z = workflow.run(first.bind(), workflow_id="w")
    assert mine == x == z != y
    assert workflow.get_output("w", task_id="y") == ((mine, x), y)


def test_at_the_top_it_runs_in_the_process_of_the_executor() -> None:
    far = pid.bind(pid.options(**HERE).bind())
    (x, y), z = workflow.run(pid.options(**HERE).bind(far))[0], os.getpid()
    assert x == (z,)
    assert y != z


@pytest.mark.parametrize("options", [HERE, LOOSE])
def test_a_long_chain_does_not_grow_the_stack(options: Any) -> None:
    @alula.remote
    def dive(n: int) -> Any:
        depth = len(traceback.extract_stack())
        return depth if n == 0 else workflow.continuation(dive.options(**options).bind(n - 1))

    assert workflow.run(dive.bind(200)) <= workflow.run(dive.bind(1))


def test_links_are_recorded_as_always(tally: Tally) -> None:
    end = workflow.run(count.bind(tally, 5, HERE), workflow_id="w")
    name = "tests.workflow.test_inplace.count"
    for task_id in (name, f"{name}_1", f"{name}_5"):
        assert workflow.get_output("w", task_id=task_id) == end
    stats = [workflow.get_metadata("w", f"{name}_{n}")["stats"] for n in range(1, 6)]
    assert all(a["end_time"] <= b["start_time"] for a, b in pairwise(stats))


def test_a_failed_link_is_where_the_workflow_goes_on(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def walk(n: int) -> Any:
        tally.mark(n)
        if n == 0:
            return fail_unless.options(**HERE).bind(tmp_path / "flag", "end")
        return walk.options(**HERE).bind(n - 1)

    with pytest.raises(WorkflowExecutionError, match="fail_unless") as caught:
        workflow.run(walk.options(max_retries=2, retry_exceptions=True).bind(5), workflow_id="w")
    assert isinstance(caught.value.__cause__, OddError)
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == "end"
    assert tally.counts() == dict.fromkeys("012345", 1)


def test_a_link_is_tried_as_often_as_it_says(tally: Tally) -> None:
    @alula.remote
    def weak() -> int:
        tally.mark("try")
        if tally.counts()["try"] < 3:
            raise ValueError
        return tally.counts()["try"]

    @alula.remote
    def first() -> Any:
        return weak.options(**workflow.options(allow_inplace=True, max_retries=2)).bind()

    assert workflow.run(first.bind()) == 3


def test_when_its_process_dies_the_chain_goes_on_from_its_newest_link(tally: Tally) -> None:
    @alula.remote
    def walk(n: int) -> Any:
        tally.mark(n)
        if n == 3 and tally.counts()["3"] == 1:
            os._exit(1)
        return "end" if n == 0 else walk.options(**HERE).bind(n - 1)

    assert workflow.run(walk.bind(6)) == "end"
    assert tally.counts() == {**dict.fromkeys("654210", 1), "3": 2}


def test_without_checkpoints_the_whole_chain_runs_again(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def walk(n: int) -> Any:
        tally.mark(n)
        if n == 0:
            return fail_unless.options(**HERE).bind(tmp_path / "flag", "end")
        return walk.options(**LOOSE).bind(n - 1)

    with pytest.raises(WorkflowExecutionError):
        workflow.run(walk.bind(3), workflow_id="w")
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == "end"
    # The first is recorded, with the inputs of the second, whose own result is not.
    assert tally.counts() == {"3": 1, **dict.fromkeys("210", 2)}


def test_a_chain_may_end_in_a_graph_that_runs_elsewhere() -> None:
    @alula.remote
    def second(here: int) -> Any:
        return workflow.continuation(pid.bind(pid.bind(here)))

    @alula.remote
    def first() -> Any:
        return workflow.continuation(second.options(**HERE).bind(os.getpid()))

    (start, middle), end = workflow.run(first.bind(), workflow_id="w")
    assert workflow.get_output("w", task_id="tests.workflow.test_inplace.pid") == (start, middle)
    assert os.getpid() not in (start, middle, end)


def test_what_cannot_be_pickled_is_handed_over_as_it_is(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def use(file: Any, n: int) -> Any:
        tally.mark(f"use{n}")
        file.write("x")
        file.flush()
        if n:
            return use.options(**HERE).bind(file, n - 1)
        return fail_unless.options(**HERE).bind(tmp_path / "flag", file.tell())

    @alula.remote
    def make() -> Any:
        tally.mark("make")
        return workflow.continuation(use.options(**HERE).bind((tmp_path / "out").open("w"), 2))

    with pytest.raises(WorkflowExecutionError):
        workflow.run(make.bind(), workflow_id="w")
    assert tally.counts() == {"make": 1, "use2": 1, "use1": 1, "use0": 1}
    (tmp_path / "flag").touch()
    # `fail_unless` could be recorded, so the file is never asked for again.
    assert workflow.resume("w") == 3
    assert tally.counts()["make"] == 1


def test_a_local_value_is_made_anew_by_the_task_before(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def use(pid: int) -> bool:
        fail_unless_body(tmp_path / "flag")
        return pid == os.getpid()

    @alula.remote
    def make() -> Any:
        tally.mark("make")
        return workflow.continuation(use.options(**HERE).bind(workflow.local(os.getpid())))

    with pytest.raises(WorkflowExecutionError):
        workflow.run(make.bind(), workflow_id="w")
    (tmp_path / "flag").touch()
    assert workflow.resume("w") is True
    assert tally.counts() == {"make": 2}


def fail_unless_body(flag: Path) -> None:
    if not flag.exists():
        raise OddError(code=7)


def test_a_local_value_goes_to_no_other_process() -> None:
    @alula.remote
    def make() -> Any:
        return workflow.continuation(pid.bind(workflow.local(1)))

    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(make.bind())
    assert "in place" in str(caught.value.__cause__)


def test_an_unfinished_one_has_no_output_to_wait_for(turnstile: Turnstile) -> None:
    @alula.remote
    def first() -> Any:
        return workflow.continuation(held.options(**HERE).bind(turnstile, 7))

    ref = workflow.run_async(first.bind(), workflow_id="w")
    turnstile.arrived()
    name = "tests.workflow.bodies.held"
    assert "start_time" in workflow.get_metadata("w", name)["stats"]
    with pytest.raises(WorkflowOutputNotReady, match="in place"):
        workflow.get_output("w", task_id=name)
    later = workflow.get_output_async("w", task_id=name)
    turnstile.let()
    assert alula.get([ref, later]) == [7, 7]
    assert workflow.get_output("w", task_id=name) == 7


def test_resources_of_its_own_are_ignored_with_a_warning() -> None:
    @alula.remote(num_cpus=64)
    def large() -> int:
        return 1

    with pytest.warns(UserWarning, match="its own resources are ignored"):
        assert workflow.run(large.options(**HERE).bind()) == 1


def test_cancelling_interrupts_the_link_that_runs(turnstile: Turnstile) -> None:
    @alula.remote
    def first() -> Any:
        return held.options(**HERE).bind(turnstile)

    workflow.run_async(first.bind(), workflow_id="w")
    turnstile.arrived()
    workflow.cancel("w")
    assert workflow.get_status("w") == workflow.CANCELED


DRIVER = """
import sys
from pathlib import Path
import alula
from alula import workflow
from tests.workflow.bodies import Tally
from tests.workflow.test_inplace import HERE, count
alula.init(num_cpus=2)
workflow.run(count.bind(Tally(Path(sys.argv[1])), 30, HERE), workflow_id="w")
"""


@pytest.mark.parametrize("gate", ["store.before_commit", "store.committed", "artifacts.written"])
def test_a_worker_killed_at_any_gate_has_its_chain_go_on(tmp_path: Path, tally: Tally, gate: str) -> None:
    environment = {**os.environ, "ALULA_FAULTS": f"{gate}=kill@12:{tmp_path / 'once'}"}
    (tmp_path / "once").touch()
    subprocess.run([sys.executable, "-c", DRIVER, str(tally.path)], env=environment, check=True, timeout=150)
    counts = tally.counts()
    assert set(counts) == set(map(str, range(31)))
    assert sum(counts.values()) <= 32

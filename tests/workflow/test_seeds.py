"""The founding page, as printed: each of its snippets runs, and does what the page says of it."""

import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError
from tests.workflow.bodies import OddError, Tally

# What the page takes for granted. Its tasks sleep for a random part of a second, which is made short here.
IMPORTS: Final = """
import time
from typing import List, Tuple
import alula as ray
from alula import workflow
from alula.workflow import Workflow
"""
RANDOM: Final = SimpleNamespace(random=lambda: random.random() / 1000)

WITHOUT_INPLACE: Final = """
import ray
from ray import workflow

@ray.remote
def exp_remote(k, n):
    if n == 0:
        return k
    return workflow.continuation(exp_remote.bind(2 * k, n - 1))
"""

WITH_INPLACE: Final = """
import ray
from ray import workflow

@ray.remote
def exp_inplace(k, n):
    if n == 0:
        return k
    return workflow.continuation(
        exp_inplace.options(**workflow.options(allow_inplace=True)).bind(2 * k, n - 1))

assert workflow.create(exp_inplace.bind(3, 7)).run() == 3 * 2 ** 7
"""

OF_THIS_PROCESS: Final = """
@ray.remote
def foo():
    x = "<something that is only valid in the current process>"
    return workflow.continuation(bar.options(**workflow.options(allow_inplace=True)).bind(x))
"""

PARTIAL_RESULTS: Final = """
@ray.remote
def do_task(i):
    time.sleep(random.random())
    return "task {}".format(i)

@ray.remote
def report_results(wait_result: Tuple[List[str], List[Workflow[str]]]):
    ready, remaining = wait_result
    for result in ready:
        print("Completed", result)
    if not remaining:
        return "All done"
    else:
        return workflow.continuation(report_results.bind(workflow.wait(remaining)))

tasks = [do_task.bind(i) for i in range(100)]
report_results.bind(workflow.wait(tasks)).run()
"""

CHECKPOINTING: Final = """
data = read_data.options(**workflow.options(checkpoint=False)).bind(10)
"""


def page(snippet: str, **names: Any) -> dict[str, Any]:
    """Run a snippet with nothing changed but the package that it imports; give the names that it has then."""
    after: dict[str, Any] = {"__name__": "page", "random": RANDOM, **names}
    exec(IMPORTS, after)
    exec(snippet.replace("import ray\n", "import alula as ray\n").replace("from ray ", "from alula "), after)
    return after


@pytest.mark.parametrize(
    "snippet", [WITHOUT_INPLACE, WITH_INPLACE, OF_THIS_PROCESS, PARTIAL_RESULTS, CHECKPOINTING]
)
def test_our_own_page_shows_it_as_printed(snippet: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "workflow.md").read_text()
    assert snippet.replace("import ray\nfrom ray import workflow\n", "").strip() in text


def test_the_exponent_without_inplace() -> None:
    exp_remote = page(WITHOUT_INPLACE)["exp_remote"]
    assert workflow.create(exp_remote.bind(3, 7)).run() == 3 * 2**7


def test_the_exponent_with_inplace() -> None:
    page(WITH_INPLACE)
    [(_, status)] = workflow.list_all()
    assert status == workflow.SUCCESSFUL


def test_what_is_good_for_one_process_only_is_handed_over_in_it() -> None:
    @alula.remote
    def bar(x: str) -> tuple[str, int]:
        return x, os.getpid()

    foo = page(OF_THIS_PROCESS, bar=bar)["foo"]
    x, there = workflow.run(foo.bind())
    assert x == "<something that is only valid in the current process>"
    assert there != os.getpid()


def test_partial_results_are_reported_until_all_is_done() -> None:
    after = page(PARTIAL_RESULTS)
    [(workflow_id, _)] = workflow.list_all()
    assert workflow.get_output(workflow_id) == "All done"
    assert after["report_results"].bind(workflow.wait(after["tasks"][:3])).run() == "All done"


def test_all_of_the_tasks_are_reported_once(tally: Tally) -> None:
    report = PARTIAL_RESULTS.replace("range(100)", "range(10)")
    page(report, print=lambda _, result: tally.mark(result.replace(" ", "")))
    assert tally.counts() == {f"task{n}": 1 for n in range(10)}


def test_a_task_without_checkpoint_runs_again_if_recovery_needs_it(tmp_path: Path, tally: Tally) -> None:
    @alula.remote
    def read_data(n: int) -> list[int]:
        tally.mark("read")
        return list(range(n))

    @alula.remote
    def total(data: list[int]) -> int:
        if not (tmp_path / "flag").exists():
            raise OddError(code=7)
        return sum(data)

    data = page(CHECKPOINTING, read_data=read_data)["data"]
    with pytest.raises(WorkflowExecutionError):
        workflow.run(total.bind(data), workflow_id="w")
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == 45
    assert tally.counts() == {"read": 2}


@pytest.mark.parametrize("form", ["one by one", "in a list"])
def test_wait_takes_tasks_in_the_form_of_the_text_and_in_that_of_the_snippet(form: str) -> None:
    do_task = page(PARTIAL_RESULTS.partition("tasks = ")[0])["do_task"]
    tasks = [do_task.bind(i) for i in range(2)]
    given = tasks if form == "one by one" else [tasks]
    ready, remaining = workflow.create(workflow.wait(*given, num_returns=2, timeout=None)).run()
    assert (ready, remaining) == (["task 0", "task 1"], [])

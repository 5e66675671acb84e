"""A program written for Ray Workflows 2.x, of which only the imports were changed.

Arguments: an empty folder. It prints its last line if all went as it would have gone there.
"""

import asyncio
import queue
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import alula as ray
from alula import workflow
from alula.dag import InputNode
from alula.workflow.common import WorkflowStatus
from alula.workflow.event_listener import TimerListener
from alula.workflow.exceptions import (
    WorkflowCancellationError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowStillActiveError,
)

FOLDER = Path(sys.argv[1])


@ray.remote
def generate(n: int) -> list[int]:
    return list(range(n))


@ray.remote(num_cpus=1)
def double(values: list[int]) -> list[int]:
    return [2 * value for value in values]


@ray.remote
def flaky(values: list[int]) -> int:
    if not (FOLDER / "mended").exists():
        raise ValueError("not today")
    return sum(values)


@ray.remote
def factorial(n: int, product: int = 1) -> Any:
    if n < 2:
        return product
    return workflow.continuation(factorial.bind(n - 1, product * n))


@ray.remote
def hold() -> str:
    while not (FOLDER / "released").exists():
        time.sleep(0.01)
    return "released"


@ray.remote
def handled(result: tuple[Any, Exception | None]) -> Any:
    value, error = result
    return type(error).__name__ if error is not None else value


@ray.remote
def gather(*values: Any) -> list[Any]:
    return list(values)


class FileListener(workflow.EventListener):
    async def poll_for_event(self, name: str) -> str:
        while not (FOLDER / name).exists():  # noqa: ASYNC110  # files tell nobody
            await asyncio.sleep(0.01)
        return name

    async def event_checkpointed(self, event: str) -> None:
        (FOLDER / event).rename(FOLDER / f"{event}.seen")


def refuses(call: Callable[[str], object], workflow_id: str, error: type[Exception]) -> bool:
    try:
        call(workflow_id)
    except error:
        return True
    return False


def run_and_inspect() -> None:
    with InputNode() as n:
        data = generate.options(**workflow.options(task_id="data", metadata={"kind": "numbers"})).bind(n)
        dag = double.bind(data)
    assert workflow.run(dag, 3, workflow_id="plain", metadata={"owner": "me"}) == [0, 2, 4]
    assert workflow.get_status("plain") == WorkflowStatus.SUCCESSFUL == workflow.SUCCESSFUL
    assert workflow.get_output("plain") == [0, 2, 4]
    assert workflow.get_output("plain", task_id="data") == [0, 1, 2]
    assert ray.get(workflow.get_output_async("plain", task_id="data")) == [0, 1, 2]
    described = workflow.get_metadata("plain")
    assert described["status"] == "SUCCESSFUL"
    assert described["user_metadata"] == {"owner": "me"}
    assert described["stats"]["start_time"] <= described["stats"]["end_time"]
    assert workflow.get_metadata("plain", "data")["user_metadata"] == {"kind": "numbers"}
    assert ray.get(workflow.run_async(factorial.bind(5), workflow_id="factorial")) == 120


def fail_and_resume() -> None:
    data = generate.options(**workflow.options(task_id="data")).bind(4)
    flawed = flaky.options(max_retries=0).bind(data)
    assert refuses(lambda name: workflow.run(flawed, workflow_id=name), "failed", WorkflowExecutionError)
    assert workflow.get_status("failed") == workflow.FAILED
    assert workflow.get_output("failed", task_id="data") == [0, 1, 2, 3]
    (FOLDER / "mended").touch()
    assert workflow.resume("failed") == 6
    assert ray.get(workflow.resume_async("failed")) == 6
    (FOLDER / "mended").unlink()
    caught = flaky.options(**workflow.options(catch_exceptions=True), max_retries=0).bind([1])
    assert "ValueError" in workflow.run(handled.bind(caught))


def wait_for_events() -> None:
    event = workflow.wait_for_event(FileListener, "arrived")
    timer = workflow.wait_for_event(TimerListener, time.time() + 0.01)
    ref = workflow.run_async(gather.bind(event, timer, workflow.sleep(0.01)), workflow_id="events")
    assert ray.wait([ref], timeout=0) == ([], [ref])
    (FOLDER / "arrived").touch()
    name, _, nothing = ray.get(ref)
    assert (name, nothing) == ("arrived", None)
    assert (FOLDER / "arrived.seen").exists()


def resume_all() -> None:
    flawed = flaky.options(max_retries=0)
    for name in ("one", "two"):
        assert refuses(
            lambda name: workflow.run(flawed.bind([1, 2]), workflow_id=name), name, WorkflowExecutionError
        )
    assert workflow.resume_all() == []
    (FOLDER / "mended").touch()
    resumed = dict(workflow.resume_all(include_failed=True))
    assert {name: ray.get(ref) for name, ref in resumed.items()} == {"one": 3, "two": 3}
    (FOLDER / "mended").unlink()


def queue_up() -> None:
    refs = [workflow.run_async(hold.bind(), workflow_id=f"queued {n}") for n in range(3)]
    assert workflow.get_status("queued 2") == workflow.PENDING
    assert refuses(lambda name: workflow.run_async(hold.bind(), workflow_id=name), "queued 3", queue.Full)
    assert refuses(workflow.get_status, "queued 3", WorkflowNotFoundError)
    (FOLDER / "released").touch()
    assert ray.get(refs) == ["released"] * 3
    assert workflow.run(hold.bind(), workflow_id="queued 3") == "released"
    (FOLDER / "released").unlink()


def cancel_and_delete() -> None:
    ref = workflow.run_async(hold.bind(), workflow_id="held")
    assert refuses(workflow.delete, "held", WorkflowStillActiveError)
    assert refuses(workflow.resume, "held", RuntimeError)
    workflow.cancel("held")
    assert refuses(lambda _: ray.get(ref), "held", WorkflowCancellationError)
    assert workflow.get_status("held") == workflow.CANCELED
    workflow.delete("held")
    assert refuses(workflow.get_status, "held", WorkflowNotFoundError)
    assert refuses(workflow.resume, "held", WorkflowNotResumableError)


def list_all() -> None:
    known = dict(workflow.list_all())
    assert known["plain"] == known["failed"] == known["events"] == "SUCCESSFUL"
    assert workflow.list_all({workflow.RUNNING, "FAILED"}) == []
    assert "held" not in known


if __name__ == "__main__":
    ray.init(num_cpus=2)
    workflow.init(max_running_workflows=2, max_pending_workflows=1)
    run_and_inspect()
    fail_and_resume()
    wait_for_events()
    resume_all()
    queue_up()
    cancel_and_delete()
    list_all()
    print("as ever")

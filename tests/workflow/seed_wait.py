"""The founding example of `wait`, as a program: it counts its tasks, and may ask to be killed.

Arguments: the file in which the tasks are counted, and how many of them have to end before it asks.
"""

import random
import sys
import time
from pathlib import Path

import alula as ray
from alula import workflow
from alula.workflow import Workflow
from tests.workflow.bodies import Tally

TALLY = Tally(Path(sys.argv[1]))
KILL = int(sys.argv[2]) if len(sys.argv) > 2 else 1000


@ray.remote
def do_task(i: int) -> str:
    time.sleep(random.random() / 100)
    TALLY.mark(f"task{i}")
    return f"task {i}"


@ray.remote
def report_results(wait_result: tuple[list[str], list[Workflow[str]]]) -> object:
    ready, remaining = wait_result
    for result in ready:
        print("Completed", result)
    if 100 - len(remaining) == KILL and "killed" not in TALLY.counts():
        TALLY.mark("killed")
        print("kill me", flush=True)
        time.sleep(100)  # the program is killed long before
    if not remaining:
        return "All done"
    return workflow.continuation(report_results.bind(workflow.wait(remaining)))


if __name__ == "__main__":
    ray.init(num_cpus=2)
    if KILL < 1000:
        tasks = [do_task.options(**workflow.options(task_id=f"task{i}")).bind(i) for i in range(100)]
        report_results.bind(workflow.wait(tasks)).run(workflow_id="seed")
    else:
        print(workflow.resume("seed"))

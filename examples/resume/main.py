"""A process dies in the middle of a workflow; another one goes on where it was."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import alula
from alula import workflow

LOG = Path(os.environ.get("STEPS", "steps.log"))


@alula.remote
def step(number: int, total: int) -> int:
    with LOG.open("a") as log:
        log.write(f"{number}\n")
    if number == 3 and "DIE" in os.environ:
        os.kill(int(os.environ["DIE"]), signal.SIGKILL)
    return total + number


def chain() -> workflow.Workflow[int]:
    node = step.bind(1, 0)
    for number in range(2, 6):
        node = step.bind(number, node)
    return workflow.create(node)


def dying() -> None:
    os.environ["DIE"] = str(os.getpid())
    chain().run(workflow_id="chain")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"ALULA_HOME": folder, "STEPS": f"{folder}/steps.log"}
        child = subprocess.run([sys.executable, __file__, "dying"], check=False)
        print("the first process was killed:", child.returncode == -signal.SIGKILL)
        print("the workflow is now", workflow.get_status("chain").value)
        print("its value is", workflow.resume("chain"))
        print("bodies that ran:", *Path(folder, "steps.log").read_text().split())
        workflow.reset_default_executor()
        alula.shutdown()


if __name__ == "__main__":
    dying() if sys.argv[1:] else main()

"""Descriptors run out in one process after the other: each time an error says so, and nothing hangs.

Where memory and the disk run out is tested with the memory of a session; where processes do, with its
resources; how many values there may be with few descriptors, with the engine.
"""

from tests.faults.processes import LIMIT, program

PROGRAM = """
import os, resource
import numpy as np
import alula
from alula.errors import ActorDiedError, NodeDiedError, ObjectStoreFullError, TaskError

def exhaust():
    try:
        while True:
            os.open("/dev/null", os.O_RDONLY)  # and never closed
    except OSError:
        return os.getpid()

def large(value=1.0):
    return np.full(50_000, value)

resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
alula.init(num_cpus=1)
get, remote = alula.get, alula.remote
"""


def said(code: str) -> list[str]:
    """Give the lines that a program writes, which ends well and has nothing to complain of."""
    with program(PROGRAM + code + "\nalula.shutdown()\n") as child:
        out, errors = child.communicate(timeout=2 * LIMIT)
    assert child.returncode == 0, errors
    return out.splitlines()


def test_a_large_result_of_a_worker_without_descriptors_is_an_error_of_its_task() -> None:
    code = """
try:
    get(remote(lambda: (exhaust(), large())).remote(), timeout=150)
except ObjectStoreFullError as error:
    print(isinstance(error, TaskError), "ulimit -n" in str(error))
print(get(remote(lambda: 7).remote(), timeout=150))
"""
    assert said(code) == ["True True", "7"]


def test_a_worker_that_cannot_take_an_argument_ends_and_another_runs_the_task() -> None:
    code = """
pid = get(remote(exhaust).remote(), timeout=150)
ref = alula.put(large(3.0))
value, other = get(remote(lambda value: (float(value[-1]), os.getpid())).remote(ref), timeout=150)
print(value, other != pid)
"""
    assert said(code) == ["3.0 True"]


def test_a_task_that_must_not_run_twice_says_that_its_worker_had_no_descriptor() -> None:
    code = """
get(remote(exhaust).remote(), timeout=150)
try:
    get(remote(max_retries=0)(lambda value: 1).remote(alula.put(large())), timeout=150)
except alula.errors.WorkerCrashedError as error:
    print("ulimit -n" in str(error))
print(get(remote(lambda: 7).remote(), timeout=150))
"""
    assert said(code) == ["True", "7"]


def test_a_driver_that_cannot_take_a_result_ends_its_session_and_says_why() -> None:
    code = """
get(remote(lambda: 1).remote())
exhaust()
try:
    get(remote(large).remote(), timeout=150)
except NodeDiedError as error:
    print("ulimit -n" in str(error))
"""
    assert said(code) == ["True"]


def test_more_actors_than_there_are_descriptors_for_is_an_error_that_says_so() -> None:
    code = """
class Cell:
    def pid(self):
        return os.getpid()

cells = []
try:
    for _ in range(100):
        cells.append(remote(num_cpus=0)(Cell).remote())
        get(cells[-1].pid.remote(), timeout=150)
except (ActorDiedError, NodeDiedError) as error:
    print(len(cells) > 5, type(error).__name__, error)
"""
    [line] = said(code)
    assert line.startswith("True "), line
    assert "descriptor" in line or "open files" in line, line

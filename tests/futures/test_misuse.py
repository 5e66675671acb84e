"""Programs that use the engine where or when they should not: each is told so, or it just works."""

import multiprocessing
import threading
from typing import Any

import pytest

import alula
from alula.errors import NodeDiedError
from alula.futures import ObjectRef, cancel, get, kill, put, remote, wait
from tests.faults.processes import LIMIT, program

pytestmark = pytest.mark.usefixtures("own_engine")


def double(x: int) -> int:
    return 2 * x


@remote
def echo(value: Any) -> Any:
    return value


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_task_may_start_processes_of_its_own(method: str) -> None:
    @remote
    def pooled() -> list[int]:
        with multiprocessing.get_context(method).Pool(2) as pool:
            return pool.map(double, range(4))

    assert get(pooled.remote(), timeout=LIMIT) == [0, 2, 4, 6]
    assert get(echo.remote(1), timeout=LIMIT) == 1


def test_a_second_init_is_refused_unless_it_asks_for_the_same() -> None:
    with pytest.raises(RuntimeError, match="initialised already"):
        alula.init()
    alula.init(num_cpus=2, ignore_reinit_error=True)
    with pytest.raises(RuntimeError, match="num_cpus=2, not 3"):
        alula.init(num_cpus=3, ignore_reinit_error=True)


def test_init_inside_a_task_is_refused_and_the_task_has_its_session() -> None:
    @remote
    def nested() -> Any:
        with pytest.raises(RuntimeError, match="initialised already"):
            alula.init()
        return get(echo.remote(1))

    assert get(nested.remote(), timeout=LIMIT) == 1


def test_what_is_left_after_shutdown_says_so() -> None:
    ready, pending = put(1), echo.remote(2)
    get(pending, timeout=LIMIT)
    engine = alula.futures.current()
    alula.shutdown()
    assert not alula.is_initialized()
    alula.shutdown()  # twice is once
    with pytest.raises(NodeDiedError, match="shut down"):
        engine.put(1)
    assert get(ready) == 1  # a value that is here needs no session


def test_threads_may_do_everything_at_once() -> None:
    class Counting:
        def __init__(self) -> None:
            self.count = 0

        def add(self) -> int:
            self.count += 1
            return self.count

    found: list[bool] = []
    shared = remote(Counting).remote()

    def work() -> None:
        own = remote(Counting).remote()
        refs: list[ObjectRef[Any]] = [put(1), echo.remote(1), own.add.remote()]
        ready, rest = wait(refs, num_returns=3, timeout=LIMIT)
        kill(own)
        cancel(refs[1])
        shared.add.remote()
        found.append((ready, rest) == (refs, []) and get(refs, timeout=LIMIT) == [1, 1, 1])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert found == [True] * 6
    assert get(shared.add.remote(), timeout=LIMIT) == 7


def test_a_program_may_end_with_tasks_that_have_not() -> None:
    code = """
import alula
alula.init(num_cpus=1)
first = alula.remote(lambda x: x).remote(1)
rest = [alula.remote(lambda x: x).remote(first) for _ in range(100)]
"""
    with program(code) as driver:
        output, errors = driver.communicate(timeout=LIMIT)
    assert (driver.returncode, output, errors) == (0, "", "")

"""Errors that nobody has read are told once, when nobody can read them any more."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import alula
from alula.futures import cancel, get, remote
from tests.faults.processes import LIMIT, eventually


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    alula.init(num_cpus=1)
    yield
    alula.shutdown()


@remote
def fail(word: str = "bad") -> None:
    raise ValueError(word)


@remote
def echo(value: object) -> object:
    return value


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Give the errors that were logged, once all tasks before have ended."""

    def texts() -> list[str]:
        get(echo.remote(1), timeout=LIMIT)
        return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]

    return texts


def test_an_error_that_nobody_reads_is_told_once(told: Callable[[], list[str]]) -> None:
    fail.remote("dropped at once")
    assert eventually(lambda: len(told()) == 1)
    assert "ValueError: dropped at once" in told()[0]
    assert "in fail" in told()[0]


def test_so_is_that_of_several_references_together(told: Callable[[], list[str]]) -> None:
    fail.options(num_returns=3).remote("three")
    fail.options(num_returns=0).remote("none")
    assert eventually(lambda: len(told()) == 2)


def test_only_the_last_of_a_chain_is_told(told: Callable[[], list[str]]) -> None:
    echo.remote(echo.remote(fail.remote("first")))
    assert eventually(lambda: len(told()) == 1)


def test_what_was_read_or_given_on_is_not_told(told: Callable[[], list[str]]) -> None:
    with pytest.raises(ValueError, match="read"):
        get(fail.remote("read"), timeout=LIMIT)
    ref = fail.remote("watched")
    assert ref.future().exception(LIMIT) is not None
    ref = fail.remote("given on")
    get(echo.remote([ref]), timeout=LIMIT)
    del ref
    assert told() == []


def test_that_a_task_was_cancelled_is_not_told(told: Callable[[], list[str]]) -> None:
    @remote
    def never() -> None:
        raise AssertionError

    with pytest.warns(RuntimeWarning, match="no worker can have"):
        ref = never.options(resources={"unicorn": 1}).remote()
    cancel(ref)
    del ref
    assert told() == []


def test_the_end_of_a_program_is_quiet() -> None:
    code = """
import alula
@alula.remote
def fail(): raise ValueError("bad")
refs = [fail.remote() for _ in range(3)]
alula.wait(refs, num_returns=3)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_program_that_configures_no_log_sees_it_too() -> None:
    code = """
import alula
alula.init(num_cpus=1)
@alula.remote
def fail(): raise ValueError("bad")
fail.remote()
alula.get(alula.remote(lambda: None).remote())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("nobody asked for the value of a task that failed: __main__.fail (pid=")

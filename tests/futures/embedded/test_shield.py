"""Ctrl-C waits for the end of the block, and then is handled as it would have been."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alula._core._shield import Guard, Shield


@pytest.fixture(autouse=True)
def handler() -> Iterator[Any]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_block_runs_to_its_end_and_then_the_handler_is_called() -> None:
    steps: list[str] = []
    shield = Shield(lambda: steps.append("told"))

    def block() -> None:
        with shield:
            ctrl_c()
            steps.append(f"went on, {shield.pending=}")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["told", "went on, shield.pending=True"]
    assert not shield.pending


def test_nested_blocks_are_one() -> None:
    shield = Shield(lambda: None)
    steps: list[str] = []

    def block() -> None:
        with shield:
            with shield:
                ctrl_c()
            steps.append("inner left")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert steps == ["inner left"]


def test_outside_of_the_block_nothing_is_changed() -> None:
    shield = Shield(lambda: None)
    with shield:
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_an_error_of_the_block_is_not_lost_behind_ctrl_c() -> None:
    def block() -> None:
        with Shield(lambda: None):
            ctrl_c()
            raise KeyError("inside")

    with pytest.raises(KeyboardInterrupt) as caught:
        block()
    assert isinstance(caught.value.__context__, KeyError)


@pytest.mark.parametrize("ignored", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_handler_that_is_no_function_stays(ignored: Any) -> None:
    signal.signal(signal.SIGINT, ignored)
    with Shield(lambda: None):
        assert signal.getsignal(signal.SIGINT) is ignored


def test_a_handler_that_was_set_inside_stays() -> None:
    called: list[int] = []
    with Shield(lambda: None):
        signal.signal(signal.SIGINT, lambda number, frame: called.append(number))
    ctrl_c()
    assert called == [signal.SIGINT]


def test_other_threads_are_not_affected() -> None:
    shield = Shield(lambda: None)

    def enter() -> None:
        with shield:
            handlers.append(signal.getsignal(signal.SIGINT))

    handlers: list[Any] = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_a_handler_may_stay_for_good() -> None:
    called: list[str] = []
    shield = Shield(lambda: None)
    shield.stay(lambda number, frame: called.append("handler"))
    ctrl_c()
    with shield:
        ctrl_c()
        called.append("block")
    assert called == ["handler", "block", "handler"]


def test_a_guard_is_a_lock_behind_a_shield() -> None:
    guard = Guard(Shield(lambda: None))
    held: list[bool] = []

    def block() -> None:
        with guard, guard:
            ctrl_c()
            thread = threading.Thread(target=lambda: held.append(guard.bare.acquire(blocking=False)))
            thread.start()
            thread.join()

    with pytest.raises(KeyboardInterrupt):
        block()
    assert held == [False]
    assert guard.bare.acquire(blocking=False)
    guard.bare.release()


STORM = """
import os, signal, threading

from alula._core._shield import Shield

shield, (armed, arm), caught = Shield(lambda: None), os.pipe(), 0

def storm():
    while os.read(armed, 1):
        os.kill(os.getpid(), signal.SIGINT)

thread = threading.Thread(target=storm, daemon=True)
thread.start()
for _ in range(500):
    try:
        os.write(arm, b".")
        while True:
            with shield:
                pass
    except KeyboardInterrupt:
        caught += 1
os.close(arm)
thread.join()
assert caught == 500, caught
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


def test_no_ctrl_c_is_lost_and_none_comes_twice() -> None:
    """Whatever step of entering and leaving it hits: it is raised once, there or at the end.

    In a process of its own and without coverage, whose tracer keeps its lock when it is interrupted.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", STORM], env=plain, timeout=150, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

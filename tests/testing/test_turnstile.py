import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from alula.testing import Turnstile

PASS = "import pickle, sys; pickle.loads(sys.stdin.buffer.read()).wait()"


@pytest.fixture
def turnstile(tmp_path: Path) -> Iterator[Turnstile]:
    with Turnstile(tmp_path) as turnstile:
        yield turnstile


def passing(turnstile: Turnstile) -> Thread:
    thread = Thread(target=turnstile.wait)
    thread.start()
    return thread


def child(turnstile: Turnstile) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([sys.executable, "-c", PASS], stdin=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(pickle.dumps(turnstile))
    return process


def test_who_arrives_waits_until_let_through(turnstile: Turnstile) -> None:
    thread = passing(turnstile)
    turnstile.arrived()
    assert thread.is_alive()
    turnstile.let()
    thread.join()


def test_as_many_pass_as_are_let_through(turnstile: Turnstile) -> None:
    threads = [passing(turnstile) for _ in range(3)]
    for _ in threads:
        turnstile.arrived()
    turnstile.let(2)
    while sum(thread.is_alive() for thread in threads) > 1:
        pass
    turnstile.let(1)
    for thread in threads:
        thread.join()


def test_who_comes_after_it_was_opened_passes_too(turnstile: Turnstile) -> None:
    turnstile.let()
    for _ in range(3):
        turnstile.wait()


def test_it_works_in_another_process(turnstile: Turnstile) -> None:
    process = child(turnstile)
    turnstile.arrived()
    assert process.poll() is None
    turnstile.let()
    assert process.wait() == 0


def test_who_is_killed_while_waiting_harms_nobody(turnstile: Turnstile) -> None:
    process = child(turnstile)
    turnstile.arrived()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    thread = passing(turnstile)
    turnstile.arrived()
    turnstile.let(1)
    thread.join()


def test_who_waits_passes_when_the_test_is_over(tmp_path: Path) -> None:
    with Turnstile(tmp_path) as turnstile:
        process = child(turnstile)
        turnstile.arrived()
    assert process.wait() == 0


def test_who_comes_when_the_test_is_over_fails(tmp_path: Path) -> None:
    turnstile = Turnstile(tmp_path)
    turnstile.close()
    with pytest.raises(OSError, match=r"turnstile\.arrived"):
        turnstile.wait()


def test_who_came_just_before_the_test_was_over_passes(tmp_path: Path) -> None:
    with Turnstile(tmp_path) as turnstile:
        arrived, _ = turnstile._paths
        reader = os.open(arrived, os.O_RDONLY | os.O_NONBLOCK)
    turnstile.wait()  # it says that it is here, and finds nobody who could let it through
    os.close(reader)


def test_nobody_arriving_is_a_timeout(turnstile: Turnstile) -> None:
    with pytest.raises(TimeoutError, match="nobody arrived"):
        turnstile.arrived(timeout=0)


def test_there_may_be_several_in_one_folder(tmp_path: Path) -> None:
    with Turnstile(tmp_path, "first") as first, Turnstile(tmp_path, "second") as second:
        first.let()
        first.wait()
        with pytest.raises(TimeoutError):
            second.arrived(timeout=0)

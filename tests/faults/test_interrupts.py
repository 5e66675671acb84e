"""Ctrl-C: prompt, at any moment, and without losing a message, a value or a process."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alula.errors import TaskCancelledError
from alula.futures import cancel, get, remote, wait
from alula.testing import Turnstile
from tests.faults.processes import LIMIT, TREE, ended, lines, note, program


@remote
def hold(turnstile: Turnstile, value: Any = None) -> Any:
    turnstile.wait()
    return value


@remote
def echo(value: Any) -> Any:
    return value


def interrupt_when_arrived(turnstile: Turnstile) -> threading.Thread:
    """Send Ctrl-C to this process as soon as a task has arrived."""

    def interrupt() -> None:
        turnstile.arrived()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


def without_coverage() -> dict[str, str]:
    """What a program gets that is interrupted: the tracer keeps its lock when that hits it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return kept | {"PYTHONPATH": TREE}


@contextmanager
def handled_by(handler: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("own_engine")
@pytest.mark.parametrize(
    "waiting",
    [get, lambda ref: wait([ref]), lambda ref: ref.future().result()],
    ids=["get", "wait", "future"],
)
def test_ctrl_c_ends_the_wait_and_nothing_else(turnstile: Turnstile, waiting: Any) -> None:
    ref = hold.remote(turnstile, 5)
    thread = interrupt_when_arrived(turnstile)
    with pytest.raises(KeyboardInterrupt):
        waiting(ref)
    thread.join()
    assert get(echo.remote(1), timeout=LIMIT) == 1
    turnstile.let()
    assert get(ref, timeout=LIMIT) == 5


@pytest.mark.usefixtures("own_engine")
def test_ctrl_c_while_another_thread_reads_the_sockets(turnstile: Turnstile) -> None:
    ref = hold.remote(turnstile, 5)
    leader = threading.Thread(target=get, args=(ref,))
    leader.start()
    thread = interrupt_when_arrived(turnstile)
    with pytest.raises(KeyboardInterrupt):
        get(hold.remote(turnstile, 6))
    thread.join()
    turnstile.let()
    leader.join(LIMIT)
    assert not leader.is_alive()


STORM = """
import os, signal, threading

from alula import get, init, remote, shutdown, wait

init(num_cpus=2)
armed, calm = [], threading.Event()

@remote
def echo(value):
    return value

def handler(number, frame):
    if armed:
        armed.clear()
        raise KeyboardInterrupt

def storm():
    while not calm.wait(0.0005):
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, handler)
thread = threading.Thread(target=storm, daemon=True)
thread.start()
refs, caught = [], 0
while caught < 300 or len(refs) < 2000:
    try:
        armed.append(True)
        refs += [echo.remote(len(refs))]
        wait(refs[-50:], num_returns=min(len(refs), 40))
        armed.clear()
    except KeyboardInterrupt:
        caught += 1
calm.set()
thread.join()
assert get(refs, timeout=150) == list(range(len(refs)))
shutdown()
"""


def test_no_message_is_lost_in_a_storm_of_ctrl_c() -> None:
    """Each exception comes at a moment of its own: while tasks are pushed, results read, or between.

    In a process of its own and without coverage, whose tracer keeps its lock when it is interrupted.
    """
    done = subprocess.run(
        [sys.executable, "-c", STORM],
        env=without_coverage(),
        timeout=150,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("own_engine")
def test_a_handler_of_the_user_is_called_and_stays(turnstile: Turnstile) -> None:
    called: list[int] = []

    def handler(number: int, frame: object) -> None:
        called.append(number)
        turnstile.let()

    with handled_by(handler):
        thread = interrupt_when_arrived(turnstile)
        assert get(hold.remote(turnstile, 5), timeout=LIMIT) == 5
        thread.join()
        assert signal.getsignal(signal.SIGINT) is handler
    assert called == [signal.SIGINT]


@pytest.mark.usefixtures("own_engine")
def test_a_task_that_is_cancelled_while_it_waits_loses_no_message(
    tmp_path: Path, turnstile: Turnstile
) -> None:
    """In a worker, too, the interrupt waits until the message at hand has been dealt with."""

    @remote
    def patient(turnstile: Turnstile) -> None:
        refs = [echo.remote(i) for i in range(100)]
        note(tmp_path / "started")
        try:
            get(hold.remote(turnstile))
        finally:
            note(tmp_path / "sum", sum(get(refs)))

    ref = patient.remote(turnstile)
    turnstile.arrived()
    cancel(ref, recursive=False)
    with pytest.raises(TaskCancelledError):
        get(ref, timeout=LIMIT)
    assert lines(tmp_path / "sum") == [str(sum(range(100)))]


# ---------------------------------------------------------------------------------- in a real terminal

PROGRAM = """
import os, sys
from pathlib import Path
import alula
from alula.testing import Turnstile
from tests.faults.test_interrupts import hold
from tests.faults.test_engine import pids

turnstile = Turnstile(Path(sys.argv[1]), "program")
alula.init(num_cpus=2)
found = [*alula.get(pids.remote()), *alula.get(pids.remote())]
refs = [hold.remote(turnstile) for _ in range(4)]
turnstile.arrived()
print(*found, flush=True)
alula.get(refs)
"""


@contextmanager
def in_a_terminal(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """Run the program in a terminal of its own, whose group gets what is typed; without coverage."""
    code = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n" + PROGRAM
    ours, theirs = pty.openpty()
    with open(ours, "rb+", buffering=0) as screen:
        with open(theirs, "rb", buffering=0) as end:
            child = subprocess.Popen(
                [sys.executable, "-c", code, str(folder)],
                env=without_coverage(),
                stdin=end,
                stdout=end,
                stderr=end,
                start_new_session=True,
            )
        yield child, screen
    child.wait()


def test_ctrl_c_in_a_terminal_leaves_no_process(tmp_path: Path) -> None:
    with in_a_terminal(tmp_path) as (child, screen):
        pids = [int(word) for word in screen.readline().split()]
        screen.write(b"\x03")
        assert child.wait() == -signal.SIGINT
    assert all(map(ended, pids))


def test_a_terminal_that_goes_away_leaves_no_process(tmp_path: Path) -> None:
    with in_a_terminal(tmp_path) as (_, screen):
        pids = [int(word) for word in screen.readline().split()]
    assert all(map(ended, pids))


def test_a_program_that_was_interrupted_may_go_on_and_ends_well(tmp_path: Path) -> None:
    code = (
        PROGRAM.replace("print(*found, flush=True)\nalula.get(refs)\n", "")
        + """
try:
    print(*found, flush=True)
    alula.get(refs)
except KeyboardInterrupt:
    turnstile.let()
    print(alula.get(refs, timeout=150), flush=True)
"""
    )
    with program(code, tmp_path, environment=without_coverage()) as child:
        assert child.stdout is not None
        pids = [int(word) for word in child.stdout.readline().split()]
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "[None, None, None, None]\n"
        assert child.wait(LIMIT) == 0
    assert all(map(ended, pids))

"""What tasks and actors write reaches the driver, under their names."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import alula
from alula.errors import WorkerCrashedError
from alula.futures import get, remote
from alula.testing import Turnstile
from tests.faults.processes import LIMIT


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    alula.init(num_cpus=1)
    yield
    alula.shutdown()


@remote
def say(*words: Any, end: str = "\n", to: str = "stdout") -> int:
    print(*words, end=end, file=getattr(sys, to))
    return os.getpid()


class Speaker:
    def __init__(self) -> None:
        print("born")

    def say(self, word: str) -> int:
        print(word)
        return os.getpid()


class Closer:
    count = 0

    def close(self) -> int:
        sys.stdout.close()
        sys.stderr.close()
        self.count += 1
        return self.count


def test_what_a_task_has_written_is_shown_before_get_returns(capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(50):
        pid = get(say.remote("line", i), timeout=LIMIT)
        assert capsys.readouterr().out == f"(say pid={pid}) line {i}\n"


def test_each_stream_goes_to_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    pid = get(say.remote("oh", to="stderr"), timeout=LIMIT)
    assert capsys.readouterr() == ("", f"(say pid={pid}) oh\n")


def test_a_task_with_a_name_of_its_own_writes_under_it(capsys: pytest.CaptureFixture[str]) -> None:
    pid = get(say.options(name="part.one").remote("x"), timeout=LIMIT)
    assert capsys.readouterr().out == f"(part.one pid={pid}) x\n"


def test_an_actor_writes_under_the_name_of_its_class(capsys: pytest.CaptureFixture[str]) -> None:
    pid = get(remote(num_cpus=0)(Speaker).remote().say.remote("hello"), timeout=LIMIT)
    assert capsys.readouterr().out == f"(Speaker pid={pid}) born\n(Speaker pid={pid}) hello\n"


def test_so_does_what_is_no_python(capsys: pytest.CaptureFixture[str]) -> None:
    @remote
    def others() -> None:
        os.system("echo a shell")
        libc = ctypes.CDLL(None)
        libc.puts(b"a library")
        libc.fflush(None)
        subprocess.run([sys.executable, "-c", "print('a program')"], check=True)

    get(others.remote(), timeout=LIMIT)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(") ")[2] for line in lines] == ["a shell", "a library", "a program"]
    assert all(line.startswith("(others pid=") for line in lines)


def test_lines_of_quick_tasks_of_different_names_have_the_right_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [f"task-{i}" for i in range(200)]
    pids = get([say.options(name=name).remote(name) for name in names], timeout=LIMIT)
    shown = capsys.readouterr().out.splitlines()
    assert shown == [f"({name} pid={pid}) {name}" for name, pid in zip(names, pids, strict=True)]


def test_a_task_that_closes_the_streams_harms_nobody() -> None:
    actor = remote(num_cpus=0)(Closer).remote()  # in a process of its own
    assert get([actor.close.remote(), actor.close.remote()], timeout=LIMIT) == [1, 2]


def test_a_crash_tells_what_was_written_and_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    @remote(max_retries=0)
    def crash() -> None:
        print("before")
        ctypes.string_at(0)

    with pytest.raises(WorkerCrashedError):
        get(crash.remote(), timeout=LIMIT)
    out, err = capsys.readouterr()
    assert out.endswith(") before\n")
    assert "Segmentation fault" in err
    assert "in crash" in err


def test_what_a_killed_worker_wrote_before_is_shown(
    capsys: pytest.CaptureFixture[str], turnstile: Turnstile
) -> None:
    @remote(max_retries=0)
    def writes(turnstile: Turnstile) -> None:
        print("a\nb")
        turnstile.wait()

    ref = writes.remote(turnstile)
    turnstile.arrived()
    alula.cancel(ref, force=True)
    with pytest.raises(alula.errors.FutureError):
        get(ref, timeout=LIMIT)
    assert [line.partition(") ")[2] for line in capsys.readouterr().out.splitlines()] == ["a", "b"]


def test_a_flood_comes_whole_and_in_its_order(capsys: pytest.CaptureFixture[str]) -> None:
    @remote
    def flood(count: int) -> None:
        for i in range(count):
            print(i)

    get(flood.remote(50_000), timeout=LIMIT)
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.partition(") ")[2]) for line in lines] == list(range(50_000))


PROGRAM = """
import alula, sys
alula.init(num_cpus=1, log_to_driver={log})
@alula.remote
def say(word):
    print(word, end="")
    return word
print(alula.get(say.remote("quiet")))
"""


@pytest.mark.parametrize(("log", "shown"), [(True, True), (False, False)])
def test_the_end_of_the_program_shows_the_rest_if_it_is_wanted(log: bool, shown: bool) -> None:
    program = [sys.executable, "-c", PROGRAM.format(log=log)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=LIMIT)
    assert ("(say pid=" in done.stdout) is shown
    assert done.stdout.startswith("quiet\n")
    assert done.stderr == ""


@pytest.mark.parametrize("missing", ["0", "1", "2", "0 1 2"])
def test_a_program_that_was_started_without_its_streams_runs(missing: str) -> None:
    closes = "import os\n" + "".join(f"os.close({number})\n" for number in missing.split())
    again = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    program = [sys.executable, "-c", closes + again, PROGRAM.format(log=True)]
    subprocess.run(program, capture_output=True, check=True, timeout=LIMIT)

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alula._core._gates import GATES, arm, disarm, gate

NAME = "task.started"


@pytest.fixture(autouse=True)
def _harmless() -> Iterator[None]:
    yield
    disarm()


def test_an_armed_gate_acts_at_every_passage_until_it_is_disarmed() -> None:
    passed: list[str] = []
    arm(NAME, lambda: passed.append(NAME))
    gate(NAME)
    gate("task.finished")
    gate(NAME)
    disarm(NAME)
    gate(NAME)
    assert passed == [NAME, NAME]


def test_all_gates_can_be_disarmed_at_once() -> None:
    passed: list[str] = []
    for name in GATES:
        arm(name, lambda: passed.append("wrong"))
    disarm()
    for name in GATES:
        gate(name)
    assert passed == []


def test_a_gate_that_does_not_exist_cannot_be_armed() -> None:
    with pytest.raises(LookupError, match=r"no gate 'task.startled'; there are .*task.started"):
        arm("task.startled", lambda: None)


def started(faults: str, passages: int) -> "subprocess.CompletedProcess[str]":
    code = f"for i in range({passages}): print(i, flush=True); gate({NAME!r})"
    return subprocess.run(
        [sys.executable, "-c", "from alula._core._gates import gate\n" + code],
        capture_output=True,
        text=True,
        env=os.environ | {"ALULA_FAULTS": faults},
        check=False,
    )


@pytest.mark.parametrize(("faults", "last"), [(f"{NAME}=kill", 0), (f"{NAME}=kill@3,task.finished=kill", 2)])
def test_a_process_can_be_told_to_die_at_a_passage(faults: str, last: int) -> None:
    child = started(faults, 5)
    assert child.returncode == -signal.SIGKILL
    assert child.stdout.split() == [str(i) for i in range(last + 1)]


def test_one_process_alone_dies_for_a_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch()
    children = [started(f"{NAME}=kill@2:{token}", 3) for _ in range(2)]
    assert [child.returncode for child in children] == [-signal.SIGKILL, 0]
    assert [child.stdout.split() for child in children] == [["0", "1"], ["0", "1", "2"]]
    assert not token.exists()


def test_a_process_can_be_told_to_get_nothing_from_a_passage_on() -> None:
    child = started(f"{NAME}=refuse@2", 5)
    assert child.stdout.split() == ["0", "1"]
    assert "BlockingIOError" in child.stderr


@pytest.mark.parametrize("faults", ["task.startled=kill", NAME, f"{NAME}=explode", f"{NAME}=kill@soon"])
def test_a_process_told_nonsense_does_not_start(faults: str) -> None:
    child = started(faults, 1)
    assert child.returncode == 1
    assert child.stdout == ""
    assert "no gate" in child.stderr or "is not of the form gate=kill@N, gate=kill@N:FILE" in child.stderr

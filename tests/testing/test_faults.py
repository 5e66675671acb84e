import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alula._core._gates import gate
from alula.testing import fail, fault_environment, faults

PASS_TWICE = """
import sys
from alula._core._gates import gate
for name in sys.argv[1:]:
    gate(name)
    print(name, flush=True)
"""


def test_a_gate_does_what_it_is_given_while_the_block_lasts() -> None:
    passed: list[str] = []
    gate("task.started")
    with faults(
        {"task.started": lambda: passed.append("started"), "task.finished": lambda: passed.append("x")}
    ):
        gate("task.started")
        gate("journal.created")
    gate("task.started")
    assert passed == ["started"]


def test_a_gate_is_harmless_again_after_an_error() -> None:
    with pytest.raises(OSError, match="disk full"), faults({"task.started": fail(OSError("disk full"))}):
        gate("task.started")
    gate("task.started")


def test_an_error_comes_at_the_passage_that_was_asked_for_and_once() -> None:
    raised = []
    with faults({"task.started": fail(OSError("now"), at=3)}):
        for passage in range(1, 6):
            try:
                gate("task.started")
            except OSError:
                raised.append(passage)
    assert raised == [3]


def test_a_gate_that_does_not_exist_is_refused_and_none_is_armed() -> None:
    with (
        pytest.raises(LookupError, match=r"no gate 'task\.begun'; there are"),
        faults({"task.started": fail(OSError("armed")), "task.begun": fail(OSError("never"))}),
    ):
        pass
    gate("task.started")


def test_a_process_dies_at_the_passage_that_was_asked_for() -> None:
    gates = ["task.started", "task.finished", "task.started", "task.started"]
    environment = fault_environment({"task.started": 2, "journal.created": 1})
    done = subprocess.run(
        [sys.executable, "-c", PASS_TWICE, *gates],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == gates[:2]


def test_the_environment_is_that_of_this_process_or_the_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEN", "yes")
    assert fault_environment({"task.started": 1})["SEEN"] == "yes"
    assert fault_environment({"task.started": 1}, {"A": "b"}) == {
        "A": "b",
        "ALULA_FAULTS": "task.started=kill@1",
    }
    assert "ALULA_FAULTS" not in os.environ


def test_the_first_one_alone_may_be_told_to_die(tmp_path: Path) -> None:
    token = tmp_path / "token"
    given = fault_environment({"task.started": 2, "task.finished": 1}, {}, once=token)
    assert given == {"ALULA_FAULTS": f"task.started=kill@2:{token},task.finished=kill@1:{token}"}
    with pytest.raises(ValueError, match="comma"):
        fault_environment({"task.started": 1}, once=tmp_path / "a,b")


@pytest.mark.parametrize(
    ("kills", "error"), [({"task.begun": 1}, LookupError), ({"task.started": 0}, ValueError)]
)
def test_an_environment_that_would_do_nothing_is_refused(
    kills: dict[str, int], error: type[Exception]
) -> None:
    with pytest.raises(error, match="task"):
        fault_environment(kills)

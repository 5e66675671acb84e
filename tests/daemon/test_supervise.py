"""What crashes is started again, what cannot start is not, and nobody outlives the other."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from alula.daemon import Supervisor
from alula.errors import CrashLoopError
from tests.server.world import Wire

# A child that counts its starts in a file, says that it is ready, and then does what the test wants.
CHILD = """
import os, signal, sys
with open(sys.argv[1], "a") as tally:
    tally.write("x")
starts = os.path.getsize(sys.argv[1])
watch = int(os.environ["ALULA_SUPERVISED"].split(",")[0])
"""
READY = 'os.write(watch, b"\\n")\n'


def supervisor(tally: Path, then: str, **options: float) -> Supervisor:
    command = [sys.executable, "-S", "-c", CHILD + then, str(tally)]
    return Supervisor(command, [], delays=(0.0, 0.0), **options)  # type: ignore[arg-type]  # numbers, all of them


def test_what_crashes_is_started_again_until_it_ends_by_itself(tmp_path: Path) -> None:
    then = READY + "if starts < 4: os.kill(os.getpid(), signal.SIGKILL)"
    assert supervisor(tmp_path / "t", then).run() == 0
    assert (tmp_path / "t").read_text() == "xxxx"


@pytest.mark.parametrize(
    ("crash", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
        ("sys.exit(3)", "ended with status 3"),
    ],
)
def test_too_many_crashes_in_a_row_are_the_end(tmp_path: Path, crash: str, how: str) -> None:
    with pytest.raises(CrashLoopError, match=f"crashed 3 times in a row.* {how}"):
        supervisor(tmp_path / "t", READY + crash, crashes=3).run()
    assert (tmp_path / "t").read_text() == "xxx"


def test_crashes_after_a_calm_time_are_not_in_a_row(tmp_path: Path) -> None:
    then = READY + "if starts < 6: os.abort()"
    assert supervisor(tmp_path / "t", then, crashes=2, calm=-1.0).run() == 0


def test_what_gives_up_before_it_was_ever_ready_is_not_started_again(tmp_path: Path) -> None:
    assert supervisor(tmp_path / "t", "sys.exit(7)").run() == 7
    assert (tmp_path / "t").read_text() == "x"


def test_a_stop_ends_also_the_wait_for_a_restart(tmp_path: Path) -> None:
    supervised = supervisor(tmp_path / "t", READY + "os.abort()")
    supervised._delays = (3600.0, 3600.0)
    supervised.stop()
    assert supervised.run() == 0


ORPHAN = """
import os, signal, socket
from alula.daemon._supervise import inherited
parent, watch = socket.socketpair()
os.environ["ALULA_SUPERVISED"] = str(watch.detach())
child = inherited()
child.say_ready()
parent.close()
child.follow()
signal.pause()
"""


def test_a_child_whose_parent_died_before_it_heard_that_all_is_ready_ends() -> None:
    done = subprocess.run([sys.executable, "-c", ORPHAN], timeout=150, check=False)
    assert done.returncode == -signal.SIGTERM


# ---------------------------------------------------------------------------------- the real server


@pytest.fixture
def parent(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = ["serve", "--port", "0", "--home", str(tmp_path), "--supervise", "--log-format", "json"]
    command += ["--appendonly", "yes"]
    with subprocess.Popen(
        [sys.executable, "-m", "alula", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    ) as started:
        yield started
        started.kill()


def port_of(parent: "subprocess.Popen[str]") -> int:
    assert parent.stdout is not None
    found = re.search(r":(\d+)$", parent.stdout.readline())
    assert found is not None
    return int(found[1])


def test_a_killed_server_comes_back_at_the_same_port_and_a_signal_ends_both(
    parent: "subprocess.Popen[str]",
) -> None:
    port = port_of(parent)
    with redis.Redis(port=port, protocol=2) as client:
        before = client.info()["process_id"]
        client.set("kept", "yes")
        os.kill(before, signal.SIGKILL)
    with redis.Redis(port=port, protocol=2, socket_timeout=50) as client:  # it waits where the parent listens
        assert client.info()["process_id"] != before
        assert client.get("kept") == b"yes"
    parent.send_signal(signal.SIGTERM)
    _, errors = parent.communicate(timeout=150)
    assert parent.returncode == 0, errors
    assert re.findall('"event": "(start|crash|stop)"', errors) == ["start", "crash", "start", "stop"]


def test_a_server_whose_supervisor_dies_ends(parent: "subprocess.Popen[str]") -> None:
    wire = Wire(port_of(parent))
    assert wire.ask("PING") == b"+PONG\r\n"
    parent.kill()
    assert wire.reply() == b""
    wire.close()

"""``alula-server`` passes for redis-server."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

PROGRAM = [sys.executable, "-c", "from alula.cli import redis_server; redis_server()"]


def ended(*words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PROGRAM, *words], input=stdin, capture_output=True, text=True, timeout=150, check=False
    )


@pytest.mark.parametrize("word", ["--version", "-v"])
def test_its_version_begins_like_redis(word: str) -> None:
    done = ended(word)
    assert done.returncode == 0
    assert re.match(r"Redis server v=7\.2\.0 sha=\S+ malloc=\S+ bits=64 build=\S+\n$", done.stdout)


def test_it_says_how_it_is_used() -> None:
    done = ended("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: alula-server ")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--loadmodule", "f", "THREADS_PER_QUEUE", "0"], "ERR error processing argument: THREADS_PER_QUEUE"),
        (["--zork", "1"], "Bad directive or wrong number of arguments"),
        (["--dir", "/nowhere/at/all"], "/nowhere/at/all"),
        (["nowhere.conf"], "nowhere.conf"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_one_line_and_a_status(words: list[str], why: str) -> None:
    done = ended(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kept", [["--dbfilename", "x.rdb"], ["--appendonly", "yes"]])
def test_it_says_when_it_is_ready_and_a_signal_lets_it_save_and_end(tmp_path: Path, kept: list[str]) -> None:
    for starts, number in enumerate((signal.SIGTERM, signal.SIGINT), 1):
        run_once(tmp_path, kept, number, starts)


def run_once(tmp_path: Path, kept: list[str], number: signal.Signals, starts: int) -> None:
    """Start it, find it as it was left, count this start in it, and end it."""
    module = ["--loadmodule", "redisai.so", "THREADS_PER_QUEUE", "2"]
    words = ["-", "--port", "0", "--dir", str(tmp_path), *module, *kept]
    with subprocess.Popen(
        [*PROGRAM, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(f"requirepass secret\nunixsocket {tmp_path}/s\n")
        server.stdin.close()
        line = server.stdout.readline()
        assert re.match(r"\d+:M \d\d \w{3} \d{4} [\d:]{8}\.\d{3} \* Ready to accept connections$", line)
        with redis.Redis(unix_socket_path=f"{tmp_path}/s", password="secret", protocol=2) as client:
            assert client.ping()
            assert client.exists("k") == starts - 1
            client.execute_command("AI.TENSORSET k UINT8 1")
        server.send_signal(number)
        server.stdout.read()
        assert server.wait(150) == 0

"""The servers that are measured: each a process of its own, started fresh and ended."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

HERE: Final = Path(__file__).parent
START: Final = 90.0  # s that a server may take to listen
TICK: Final = os.sysconf("SC_CLK_TCK")

Word: TypeAlias = str | bytes | int


def request(*words: Word) -> bytes:
    """Write a command as clients send it."""
    given = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(given) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in given)


def post(body: bytes) -> bytes:
    """Write an HTTP request whose connection is kept."""
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Served:
    """A server that runs.

    Attributes
    ----------
    port
        Where it listens.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.port, self._process = port, process

    def ask(self, *words: Word) -> bytes:
        """Send one command whose reply is short; give that reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as client:
            client.sendall(request(*words))
            reply = client.recv(1 << 16)
        if reply[:1] == b"-":
            raise RuntimeError(reply.decode(errors="replace"))
        return reply

    def processor(self) -> float:
        """Give the seconds of processor time that it has used, with all that it has started."""
        return sum(_stat(number)[0] for number in self._all())

    def memory(self) -> int:
        """Give the bytes that are resident."""
        return sum(_stat(number)[1] for number in self._all())

    def _all(self) -> list[int]:
        found, asked = [], [self._process.pid]
        while asked:
            number = asked.pop()
            found.append(number)
            for thread in Path(f"/proc/{number}/task").glob("*"):
                asked += map(int, (thread / "children").read_text().split())
        return found


def _stat(number: int) -> tuple[float, int]:
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def running(command: list[str], port: int, core: int | None = None) -> Iterator[Served]:
    """Run a server until the block ends; `core` is the only one that it may use."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        home = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        process = subprocess.Popen(
            [*pinned, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "ALULA_HOME": home, "RAY_USAGE_STATS_ENABLED": "0"},
        )
        try:
            _await(process, port)
            yield Served(process, port)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not listen")


@contextmanager
def alula(core: int | None = None, *words: str) -> Iterator[Served]:
    """Run ours, from the command line."""
    port = free_port()
    command = [sys.executable, "-m", "alula", "serve", "--port", str(port), *words]
    with running(command, port, core) as served:
        yield served


@contextmanager
def redis(core: int | None = None) -> Iterator[Served]:
    """Run a Redis that keeps nothing."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
    with running(command, port, core) as served:
        yield served


@contextmanager
def echo(reply: bytes, model: Path | None = None, core: int | None = None) -> Iterator[Served]:
    """Run the floor: whatever is asked, the reply is this; a model runs each time, if there is one."""
    port = free_port()
    with tempfile.NamedTemporaryFile() as file:
        file.write(reply)
        file.flush()
        given = [] if model is None else ["--model", str(model)]
        command = [sys.executable, str(HERE / "floors.py"), "echo", str(port), file.name, *given]
        with running(command, port, core) as served:
            yield served


@contextmanager
def peer(name: str, python: str, model: Path, core: int | None = None) -> Iterator[Served]:
    """Run a peer that serves a model by HTTP."""
    port = free_port()
    with running(
        [python, str(HERE / "peers" / f"http_{name}.py"), str(port), str(model)], port, core
    ) as served:
        yield served

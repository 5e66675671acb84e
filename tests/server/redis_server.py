"""A real Redis, on a port and in a folder of its own."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import redis

PATIENCE = 20

ON_ALL_KEYSPACES = pytest.mark.parametrize("keyspace", ["memory", "durable", "redis"], indirect=True)
"""Marks what is to hold wherever the keys are; for tests of the fixture `server`."""


def program() -> str:
    """The path of redis-server; without one a test is skipped, but in CI it fails."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        why = "neither redis-server nor valkey-server is installed"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class RedisServer:
    """One process; it can be killed and started again on the same port with the same data."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._options += ["--save", "", *options]
        self.process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it takes commands."""
        self.process = subprocess.Popen([program(), *self._options], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "eady to accept connections" in line:  # on sockets and on files
                return
        raise AssertionError(f"redis-server did not start: {self._options}")

    def empty(self) -> None:
        """Remove all keys."""
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def kill(self) -> None:
        """End it as a power cut would."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait(PATIENCE)
            assert process.stdout is not None
            process.stdout.close()

"""A real server in a process of its own, for all tests of a module; tests put objects into the same home."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import alula as om
from alula import workflow


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        return self.headers["location"]


@dataclass(frozen=True)
class Api:
    """A client that knows no more of the server than its address."""

    url: str
    process: "subprocess.Popen[str]"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; a path without a leading slash is below the version of the API."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=150)
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path if path.startswith("/") else f"/api/v1/{path}", sent, named)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, found, response.read())
        connection.close()
        return answer


@contextmanager
def serving(*words: str, **environment: str) -> Iterator[Api]:
    """Run `alula api` until the block ends."""
    command = [sys.executable, "-m", "alula", "api", "--port", "0", *words]
    given = {**os.environ, "ALULA_NUM_CPUS": "2", "NO_COLOR": "1", **environment}
    with subprocess.Popen(command, env=given, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("REST"), line
            yield Api(line.split()[1].removesuffix("/api/v1"), process)
        finally:
            process.terminate()
            process.wait(150)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Share one home among the tests of a module and the server."""
    folder = tmp_path_factory.mktemp("web")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALULA_HOME", str(folder))
        yield folder
        om.runtime.close_default()
        workflow.reset_default_executor()


@pytest.fixture(scope="module")
def api(shared_home: Path) -> Iterator[Api]:
    with serving() as api:
        yield api

"""The official client of the archived original, unchanged, with an old redis-py and a new one.

It lies in a folder of its own beside the environment, for it asks for a redis-py older than any that we
take; `make` puts it there.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alula.server import Server
from tests.server.world import MUL

OFFICIAL = Path(sys.prefix) / "redisai"
OLD = Path(sys.prefix) / "redis5"
PROGRAM = Path(__file__).with_name("redisai_program.py")
TORCH = importlib.util.find_spec("torch") is not None


@pytest.mark.parametrize(
    ("folders", "version", "protocol"),
    [
        ((OFFICIAL, OLD), "5", 2),
        ((OFFICIAL, OLD), "5", 3),
        ((OFFICIAL,), None, 2),
        ((OFFICIAL,), None, 3),
    ],
    ids=["redis 5, RESP2", "redis 5, RESP3", "our redis, RESP2", "our redis, RESP3"],
)
def test_its_own_calls_answer_as_it_expects(
    server: Server, tmp_path: Path, folders: tuple[Path, ...], version: str | None, protocol: int
) -> None:
    for folder in folders:
        if not folder.is_dir():
            text = f"{folder} is not there: make check"
            pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    (tmp_path / "mul.onnx").write_bytes(MUL)
    given = [str(server.port), str(protocol), str(tmp_path), "torch" if TORCH else "no torch"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *given],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    used, *tried = done.stdout.split()
    assert tried == ["tensors", "models", "dags", "pipelines", "servers", *(["scripts"] if TORCH else [])]
    assert version in (None, used)

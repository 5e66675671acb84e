"""``alula keyspace``, as people call it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alula.cli._app import app
from alula.errors import StoreUnavailableError
from alula.server import Server, background
from tests.server.world import Wire, request


@pytest.fixture
def url() -> Iterator[str]:
    with background(Server(port=0)) as server:
        wire = Wire(server.port)
        assert wire.ask("AI.TENSORSET x INT8 1 VALUES 7") == b"+OK\r\n"
        wire.close()
        yield f"redis://127.0.0.1:{server.port}"


def test_keys_go_into_a_file_and_back(url: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.aof"
    done = CliRunner().invoke(app, ["keyspace", "export", str(file), "--from", url])
    assert (done.exit_code, done.stdout) == (0, f"1 keys are in {file}\n")
    assert file.read_bytes() == request("AI.TENSORSET", "x", "INT8", 1, "BLOB", b"\7")
    done = CliRunner().invoke(app, ["keyspace", "import", str(file), "--to", url])
    assert (done.exit_code, done.stdout) == (0, "1 commands were carried out, 0 were refused\n")


def test_what_is_refused_gives_another_status(url: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.aof"
    file.write_bytes(request("INCR x") + request("SET y 1"))
    done = CliRunner().invoke(app, ["keyspace", "import", str(file), "--to", url])
    assert (done.exit_code, done.stdout) == (1, "1 commands were carried out, 1 were refused\n")
    wrong = "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert done.stderr == f"refused: INCR x: {wrong}\n"


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["keyspace", "export", str(tmp_path / "x"), "--from", "redis://127.0.0.1:1"]
    )
    assert isinstance(done.exception, StoreUnavailableError)

"""Models and scripts whose backend is not here any more are kept, and say so when they are used."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alula.server import DurableKeyspace, Server, background
from tests.server.torch_world import SCRIPT, torch_model
from tests.server.world import MUL, Connect, Wire

OK = b"+OK\r\n"


@pytest.fixture
def moved(tmp_path: Path, connect: Connect) -> Callable[[Callable[[Wire], None]], None]:
    """Ask a server without backends, on the keyspace of one that had them; then one that has them again."""

    def use(ask: Callable[[Wire], None]) -> None:
        file = tmp_path / "keyspace.db"
        with background(Server(port=0, keyspace=DurableKeyspace.open(file))) as server:
            wire = connect(server)
            assert (
                wire.ask("AI.MODELSTORE", "t", "TORCH", "CPU", "TAG", "v", "BLOB", torch_model("mul")) == OK
            )
            assert wire.ask("AI.MODELSTORE", "o", "ONNX", "CPU", "BLOB", MUL) == OK
            points = ("ENTRY_POINTS", 1, "double", "SOURCE", SCRIPT)
            assert wire.ask("AI.SCRIPTSTORE", "s", "CPU", *points) == OK
            assert wire.ask("AI.TENSORSET a FLOAT 1 VALUES 2") == OK
        with background(Server(port=0, keyspace=DurableKeyspace.open(file), backends={})) as server:
            ask(connect(server))
        with background(Server(port=0, keyspace=DurableKeyspace.open(file))) as server:
            wire = connect(server)
            assert wire.ask("AI.MODELEXECUTE t INPUTS 2 a a OUTPUTS 1 b") == OK
            assert wire.ask("AI.MODELEXECUTE o INPUTS 2 a b OUTPUTS 1 b") == OK
            assert wire.ask("AI.SCRIPTEXECUTE s double INPUTS 1 b OUTPUTS 1 b") == OK
            assert wire.ask("AI.TENSORGET b VALUES") == b"*1\r\n$2\r\n16\r\n"

    return use


def test_a_model_without_its_backend_says_so(moved: Callable[[Callable[[Wire], None]], None]) -> None:
    def ask(wire: Wire) -> None:
        for key, backend in (("t", "TORCH"), ("o", "ONNX")):
            gone = f"-ERR Backend not loaded: {backend}\r\n".encode()
            assert wire.ask(f"AI.MODELGET {key}") == gone
            assert wire.ask(f"AI.MODELEXECUTE {key} INPUTS 2 a a OUTPUTS 1 b") == gone
            assert wire.ask(f"AI.DAGRUN MODELRUN {key} INPUTS a a OUTPUTS b") == gone
        assert wire.ask("AI.MODELGET o BLOB") == b"$%d\r\n%b\r\n" % (len(MUL), MUL)
        assert wire.ask("AI._MODELSCAN") == b"*2\r\n*2\r\n$1\r\no\r\n$0\r\n\r\n*2\r\n$1\r\nt\r\n$1\r\nv\r\n"

    moved(ask)


def test_a_script_without_its_backend_says_so(moved: Callable[[Callable[[Wire], None]], None]) -> None:
    def ask(wire: Wire) -> None:
        gone = b"-ERR Backend not loaded: TORCH\r\n"
        assert wire.ask("AI.SCRIPTEXECUTE s double INPUTS 1 a OUTPUTS 1 b") == gone
        assert wire.ask("AI.DAGRUN SCRIPTRUN s double INPUTS a OUTPUTS b") == b"*1\r\n" + gone
        assert wire.ask("AI.SCRIPTGET s SOURCE") == b"$%d\r\n%b\r\n" % (len(SCRIPT), SCRIPT)

    moved(ask)


def test_a_script_is_moved_as_a_payload(tmp_path: Path, connect: Connect) -> None:
    with background(Server(port=0)) as server:
        wire = connect(server)
        assert wire.ask("AI.SCRIPTSTORE", "s", "CPU", "ENTRY_POINTS", 1, "double", "SOURCE", SCRIPT) == OK
        whole = wire.ask("AI.SCRIPTGET s")
        payload = wire.ask("DUMP s").split(b"\r\n", 1)[1][:-2]
        assert wire.ask("RESTORE", "s", 0, payload, "REPLACE") == OK
        assert wire.ask("DEBUG RELOAD") == OK
        assert wire.ask("AI.SCRIPTGET s") == whole
        assert wire.ask("AI.INFO s").endswith(b"$5\r\ncalls\r\n:0\r\n$6\r\nerrors\r\n:0\r\n")

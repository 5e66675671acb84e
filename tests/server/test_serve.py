import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from alula.errors import CommandError, MissingExtraError, SettingError
from alula.server import Deployment, Server, background, serve
from tests.server.world import MUL, Wire

PROGRAM = """
import sys
from alula.server import Deployment, serve
model = Deployment(name="m", blob=sys.stdin.buffer.read(), tag="1")
serve(port=0, models=[model], ready=lambda port: print(port, flush=True))
print("over", flush=True)
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdin is not None
        started.stdin.write(MUL)
        started.stdin.close()
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_serves_until_a_signal_and_returns(
    process: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    assert process.stdout is not None
    wire = Wire(int(process.stdout.readline()))
    assert wire.ask("AI._MODELSCAN") == b"*1\r\n*2\r\n$1\r\nm\r\n$1\r\n1\r\n"
    os.kill(process.pid, number)
    assert wire.reply() == b""
    wire.close()
    assert (process.stdout.read(), process.wait()) == (b"over\n", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_that_has_served_has_its_handlers_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    serve(port=0, ready=lambda port: os.kill(os.getpid(), number))
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


def test_what_keeps_a_server_from_starting_is_raised(server: Server) -> None:
    with pytest.raises(SettingError, match="cannot listen"):
        serve(port=server.port)
    with pytest.raises(CommandError, match="No graph was found"):
        serve(port=0, models=[Deployment(name="m", blob=b"nonsense")])


def test_without_uvloop_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alula\[serve\]'"), background(Server(port=0)):
        pass


def test_without_a_runtime_the_server_lives_and_says_so_per_model(
    monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == b"-ERR Could not load backend\r\n"
    assert wire.ask("PING") == b"+PONG\r\n"

"""DUMP and RESTORE, and what is said about the disk."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from alula.server import Server, background, open_keyspace
from alula.server._config import Config
from alula.server._dump import dump
from alula.server._forms import ModelForm
from tests.server.redis_server import RedisServer
from tests.server.test_dump import WORKED
from tests.server.world import MUL, Connect, Wire, request

OK = b"+OK\r\n"
FOR_EVER = b":-1\r\n"


def test_the_worked_example_is_restored_and_dumped(wire: Wire) -> None:
    assert wire.ask("RESTORE", "t", 0, WORKED) == OK
    assert wire.ask("AI.TENSORGET t META VALUES") == (
        b"*6\r\n$5\r\ndtype\r\n$5\r\nINT32\r\n$5\r\nshape\r\n*2\r\n:2\r\n:1\r\n$6\r\nvalues\r\n*2\r\n:1\r\n:2\r\n"
    )
    assert wire.ask("DUMP t") == b"$%d\r\n%b\r\n" % (len(WORKED), WORKED)
    assert wire.ask("DUMP nothing") == b"$-1\r\n"


def test_a_model_is_loaded_again(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "cpu", "TAG", "1", "BLOB", MUL) == OK
    payload = wire.ask("DUMP m").split(b"\r\n", 1)[1][:-2]
    assert wire.ask("RESTORE", "m2", 0, payload) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 2 VALUES 2 3") == OK
    assert wire.ask("AI.MODELEXECUTE m2 INPUTS 2 a a OUTPUTS 1 b") == OK
    assert wire.ask("AI.TENSORGET b VALUES") == b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"
    assert wire.ask("AI.MODELGET m2 META") == wire.ask("AI.MODELGET m META")


def model(backend: str, blob: bytes) -> bytes:
    return dump(ModelForm(backend=backend, device=b"CPU", blob=blob))


REFUSED = [
    (("k", 0, WORKED), b"-BUSYKEY Target key name already exists.\r\n"),
    (("k", "x", b""), b"-BUSYKEY Target key name already exists.\r\n"),
    (("n", "x", WORKED), b"-ERR value is not an integer or out of range\r\n"),
    (("n", -1, WORKED), b"-ERR Invalid TTL value, must be >= 0\r\n"),
    (("n", 0, b""), b"-ERR DUMP payload version or checksum are wrong\r\n"),
    (("n", 0, WORKED[:-1]), b"-ERR DUMP payload version or checksum are wrong\r\n"),
    (("n", 0, WORKED, "NOPE"), b"-ERR syntax error\r\n"),
    (("n", 0, WORKED, "IDLETIME"), b"-ERR syntax error\r\n"),
    (("n", 0, WORKED, "IDLETIME", "x"), b"-ERR value is not an integer or out of range\r\n"),
    (("n", 0, WORKED, "IDLETIME", -1), b"-ERR Invalid IDLETIME value, must be >= 0\r\n"),
    (("n", 0, WORKED, "FREQ", 256), b"-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"),
    (("n", 0, model("ONNX", b"x")), b"-No graph was found in the protobuf.\r\n"),
    (("n", 0, model("TF", b"x")), b"-ERR Could not load backend\r\n"),
    (("n", 0, model("TFLITE", b"x")), b"-ERR Could not load backend\r\n"),
    (("n", 0), b"-ERR wrong number of arguments for 'RESTORE' command\r\n"),
]


@pytest.mark.parametrize(("words", "error"), REFUSED)
def test_what_cannot_be_restored(wire: Wire, words: tuple[str | bytes | int, ...], error: bytes) -> None:
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    assert wire.ask("RESTORE", *words) == error
    assert wire.ask("EXISTS n") == b":0\r\n"


PLAIN = [case for case in REFUSED if case[0][2:] and case[0][2] == WORKED]


@pytest.mark.parametrize(("words", "error"), PLAIN)
def test_redis_says_the_same(
    start_redis: Callable[..., RedisServer], words: tuple[str | bytes | int, ...], error: bytes
) -> None:
    with redis.Redis(port=start_redis().port) as client:
        client.set("k", "x")
        payload = client.dump("k")
        assert isinstance(payload, bytes)
        given = [payload if word == WORKED else word for word in words]
        with pytest.raises(redis.ResponseError) as caught:
            client.execute_command("RESTORE", *given)
        assert str(caught.value) in error.decode()


def test_a_key_is_replaced_if_that_is_asked_for(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    assert wire.ask("RESTORE", "k", 0, WORKED, "replace", "idletime", 5, "FREQ", 7) == OK
    assert wire.ask("AI.TENSORGET k VALUES") == b"*2\r\n:1\r\n:2\r\n"
    assert wire.ask("RESTORE", "k", 0, model("ONNX", MUL), "REPLACE") == OK
    assert wire.ask("TYPE k") == b"+AI__MODEL\r\n"


def test_a_time_that_has_passed_restores_nothing(wire: Wire) -> None:
    assert wire.ask("RESTORE", "k", 1, WORKED, "ABSTTL") == OK
    assert wire.ask("EXISTS k") == b":0\r\n"
    assert wire.ask("RESTORE", "k", 60_000, WORKED) == OK
    assert wire.ask("EXISTS k") == b":1\r\n"


def test_in_a_transaction_a_model_is_loaded_in_place(wire: Wire) -> None:
    wire.send(request("MULTI") + request("RESTORE", "m", 0, model("ONNX", MUL)) + request("TYPE m"))
    assert [wire.reply() for _ in range(3)] == [OK, b"+QUEUED\r\n", b"+QUEUED\r\n"]
    assert wire.ask("EXEC") == b"*2\r\n+OK\r\n+AI__MODEL\r\n"


def test_a_key_that_came_up_meanwhile_is_not_replaced(wire: Wire, server: Server, connect: Connect) -> None:
    """Two payloads for one key: the second one to be ready is refused."""
    other, payload = connect(server), model("ONNX", MUL)
    wire.send(request("RESTORE", "m", 0, payload))
    other.send(request("RESTORE", "m", 0, payload))
    replies = {wire.reply(), other.reply()}
    assert replies == {OK, b"-BUSYKEY Target key name already exists.\r\n"}


# ------------------------------------------------------------------------------------------ the disk

IN_MEMORY = (
    b"-ERR store at the keyspace cannot be used: it is in memory alone: start with --appendonly yes\r\n"
)


def test_what_is_in_memory_alone_is_not_saved_and_says_so(wire: Wire) -> None:
    for command in ("SAVE", "BGSAVE", "BGREWRITEAOF"):
        assert wire.ask(command).startswith(b"-ERR ")
        assert b"in memory alone" in wire.ask(command)
    assert wire.ask("BGSAVE NOW") == b"-ERR syntax error\r\n"


@pytest.fixture
def durable(tmp_path: Path, connect: Connect) -> object:
    config = Config(appendonly=True, dir=str(tmp_path))
    with background(Server(port=0, keyspace=open_keyspace(config))) as server:
        yield connect(server)


def test_saving_empties_the_log(durable: Wire, tmp_path: Path) -> None:
    log = tmp_path / "keyspace.db-wal"
    for number, (command, reply) in enumerate((
        ("SAVE", OK),
        ("BGSAVE", b"+Background saving started\r\n"),
        ("BGSAVE SCHEDULE", b"+Background saving started\r\n"),
        ("BGREWRITEAOF", b"+Background append only file rewriting started\r\n"),
    )):  # fmt: skip
        assert durable.ask(f"AI.TENSORSET k INT8 1 VALUES {number}") == OK
        assert log.stat().st_size > 0
        assert durable.ask(command) == reply
        assert log.stat().st_size == 0
    assert int(durable.ask("LASTSAVE")[1:]) > 1_700_000_000


@pytest.mark.parametrize("kind", ["wire", "durable"])
@pytest.mark.parametrize("command", ["DEBUG RELOAD", "DEBUG RELOAD NOSAVE", "DEBUG LOADAOF"])
def test_after_a_reload_everything_is_what_it_was(
    request: pytest.FixtureRequest, kind: str, command: str
) -> None:
    wire: Wire = request.getfixturevalue(kind)
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "cpu", "TAG", "1", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 2 VALUES 2 3") == OK
    assert wire.ask(command) == OK
    assert wire.ask("DBSIZE") == b":2\r\n"
    assert wire.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b") == OK
    assert wire.ask("AI.TENSORGET b VALUES") == b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"


def test_debug_knows_two_subcommands(wire: Wire) -> None:
    assert wire.ask("DEBUG NOPE") == (
        b"-ERR unknown subcommand or wrong number of arguments for 'NOPE'. Try DEBUG HELP.\r\n"
    )
    assert b"RELOAD" in wire.ask("DEBUG HELP")

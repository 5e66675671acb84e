"""What holds where a Redis has the keys and has no room for more."""

from collections.abc import Iterator

import pytest

from alula.errors import SettingError
from alula.server import Config, RedisKeyspace, Server, background
from tests.server.redis_server import RedisServer
from tests.server.world import MUL, Wire, request

OK = b"+OK\r\n"
OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
TWO = b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"


@pytest.fixture
def full(shared_redis: RedisServer) -> Iterator[Wire]:
    """A connection to a Redis that has a tensor and a model, and takes nothing more."""
    shared_redis.empty()
    wire = Wire(shared_redis.port)
    with background(Server(port=0, keyspace=RedisKeyspace(shared_redis.url))) as server:
        ours = Wire(server.port)
        assert ours.ask("AI.TENSORSET x FLOAT 2 VALUES 2 3") == OK
        assert ours.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
        ours.close()
    assert wire.ask("CONFIG SET maxmemory 1") == OK
    yield wire
    assert wire.ask("CONFIG SET maxmemory 0") == OK
    wire.close()


@pytest.fixture
def server(full: Wire, shared_redis: RedisServer) -> Iterator[Server]:
    with background(Server(port=0, keyspace=RedisKeyspace(shared_redis.url))) as running:
        yield running


LARGE = ("AI.TENSORSET", "big", "UINT8", 100_000, "BLOB", b"x" * 100_000)


def test_what_would_need_room_gets_the_error_of_redis(wire: Wire, full: Wire) -> None:
    for words in (
        ("AI.TENSORSET y FLOAT 2",),
        LARGE,
        ("AI.MODELSTORE", "m2", "ONNX", "CPU", "BLOB", MUL),
        ("AI.MODELEXECUTE m INPUTS 2 x x OUTPUTS 1 y",),
        ("AI.MODELRUN m INPUTS x x OUTPUTS y",),
        ("SET s x",),
    ):
        assert wire.ask(*words) == OOM, words
    assert wire.ask("AI.DAGRUN MODELRUN m INPUTS x x OUTPUTS y") == b"*2\r\n+OK\r\n" + OOM
    assert full.ask("KEYS *") in (b"*2\r\n$1\r\nx\r\n$1\r\nm\r\n", b"*2\r\n$1\r\nm\r\n$1\r\nx\r\n")


def test_what_needs_no_room_goes_on(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET y FLOAT 2") == OOM
    volatile = "AI.DAGRUN MODELRUN m INPUTS x x OUTPUTS ~y~ => TENSORGET ~y~ VALUES"
    assert wire.ask(volatile) == b"*2\r\n+OK\r\n" + TWO
    assert wire.ask("AI.TENSORGET x VALUES") == b"*2\r\n$1\r\n2\r\n$1\r\n3\r\n"
    assert wire.ask("AI.MODELDEL m") in (OOM, OK)  # it takes a transaction, which Redis has no room for
    assert wire.ask("DEL x") == b":1\r\n"
    assert wire.ask("DEL m") in (b":1\r\n", b":0\r\n")
    assert wire.ask("EXISTS x m") == b":0\r\n"


def test_of_what_was_sent_ahead_each_has_its_own_reply(wire: Wire, full: Wire) -> None:
    asked = ["AI.TENSORSET x FLOAT 1", "AI.TENSORGET x VALUES", "AI.TENSORSET y FLOAT 1"]
    wire.send(b"".join(map(request, asked)))
    assert [wire.reply() for _ in asked] == [OOM, b"*2\r\n$1\r\n2\r\n$1\r\n3\r\n", OOM]
    wire.send(b"".join(map(request, ["MULTI", "AI.TENSORSET y FLOAT 1", "EXEC"])))
    assert [wire.reply() for _ in range(3)] == [OK, b"+QUEUED\r\n", OOM]
    assert full.ask("CONFIG SET maxmemory 0") == OK
    wire.send(b"".join(map(request, [*asked, "AI.TENSORGET y VALUES"])))
    assert [wire.reply() for _ in range(4)] == [OK, b"*1\r\n$1\r\n0\r\n", OK, b"*1\r\n$1\r\n0\r\n"]


def test_a_run_in_the_background_says_that_it_could_not_store(wire: Wire) -> None:
    number = wire.ask("AI.DAGRUNASYNC MODELRUN m INPUTS x x OUTPUTS y").split()[1]
    status = wire.ask("AI.DAGSTATUS", number, "WAIT", 0)
    assert b"+failed\r\n" in status
    assert OOM in status


@pytest.mark.parametrize("config", [Config(maxmemory=1 << 30), Config(appendonly=True)])
def test_what_has_to_be_set_at_redis_is_refused_here(config: Config) -> None:
    name = "maxmemory" if config.maxmemory else "appendonly"
    with pytest.raises(SettingError, match=f"'{name}'.*redis://localhost:1,.*set it there"):
        Server(port=0, config=config, keyspace=RedisKeyspace("redis://:secret@localhost:1"))

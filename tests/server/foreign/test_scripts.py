"""Scripts and TorchScript models whose keys a real Redis has."""

from collections.abc import Callable, Iterator

import pytest

from alula.server import RedisKeyspace, Server, background
from tests.server.redis_server import RedisServer
from tests.server.torch_world import ENTRY, SCRIPT, torch_model
from tests.server.world import Connect, Wire

OK = b"+OK\r\n"


@pytest.fixture
def redis(start_redis: Callable[..., RedisServer]) -> RedisServer:
    return start_redis()


@pytest.fixture
def server(redis: RedisServer) -> Iterator[Server]:
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url))) as running:
        yield running


@pytest.fixture
def scripted(wire: Wire) -> Wire:
    points = ("TAG", "v1", "ENTRY_POINTS", len(ENTRY), *ENTRY)
    assert wire.ask("AI.SCRIPTSTORE", "s", "CPU", *points, "SOURCE", SCRIPT) == OK
    assert wire.ask("AI.MODELSTORE", "mul", "TORCH", "CPU", "BLOB", torch_model("mul")) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 1 VALUES 2") == OK
    return wire


def test_a_script_runs_and_reaches_the_keys(scripted: Wire, redis: RedisServer) -> None:
    assert scripted.ask("TYPE s") == b"+AI_SCRIPT\r\n"
    assert scripted.ask("AI.SCRIPTEXECUTE s store KEYS 1 k ARGS 1 v INPUTS 1 a OUTPUTS 1 o") == OK
    direct = Wire(redis.port)
    assert direct.ask("GET k") == b"$1\r\nv\r\n"
    direct.close()
    assert scripted.ask("AI.SCRIPTEXECUTE s push KEYS 1 l ARGS 2 4 5 INPUTS 0 OUTPUTS 1 o2") == OK
    assert scripted.ask("AI.TENSORGET o2 VALUES") == b"*2\r\n:4\r\n:5\r\n"
    assert scripted.ask("AI.SCRIPTEXECUTE s through_model KEYS 1 mul INPUTS 2 a a ARGS 1 x OUTPUTS 1 o") == OK
    assert scripted.ask("AI.TENSORGET o VALUES") == b"*1\r\n$1\r\n4\r\n"


def test_what_a_script_cannot_have_says_why(scripted: Wire) -> None:
    assert scripted.ask("AI.SCRIPTEXECUTE s through_model KEYS 1 no INPUTS 1 a ARGS 1 x OUTPUTS 1 o") == (
        b"-ERR model key is empty\r\n"
    )
    assert scripted.ask("AI.DAGRUN_RO SCRIPTEXECUTE s store KEYS 1 k ARGS 1 v") == (
        b"*1\r\n-Redis command returned an error: "
        b"ERR Write commands are not allowed from read-only scripts.\r\n"
    )
    assert scripted.ask("AI.SCRIPTRUN s bar INPUTS a no OUTPUTS o") == (
        b"-ERR tensor key is empty or in a different shard\r\n"
    )
    assert scripted.ask("AI.SCRIPTDEL mul").startswith(b"-WRONGTYPE")


def test_counts_go_on_while_the_value_is_the_same(scripted: Wire) -> None:
    for _ in range(2):
        assert scripted.ask("AI.SCRIPTRUN s bar INPUTS a a OUTPUTS o") == OK
        assert scripted.ask("AI.MODELEXECUTE mul INPUTS 2 a a OUTPUTS 1 o") == OK
    for key in ("s", "mul"):
        assert scripted.ask("AI.INFO", key).endswith(b"$5\r\ncalls\r\n:2\r\n$6\r\nerrors\r\n:0\r\n")
    assert scripted.ask("AI.MODELSTORE", "mul", "TORCH", "CPU", "BLOB", torch_model("mul")) == OK
    assert scripted.ask("AI.INFO mul").endswith(b"$5\r\ncalls\r\n:0\r\n$6\r\nerrors\r\n:0\r\n")


def test_another_server_on_the_same_redis_has_the_script(
    scripted: Wire, redis: RedisServer, connect: Connect
) -> None:
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url))) as other:
        wire = connect(other)
        assert wire.ask("AI._SCRIPTSCAN") == b"*1\r\n*2\r\n$1\r\ns\r\n$2\r\nv1\r\n"
        assert wire.ask("AI.SCRIPTGET s SOURCE") == b"$%d\r\n%b\r\n" % (len(SCRIPT), SCRIPT)
        assert wire.ask("AI.SCRIPTRUN s bar INPUTS a a OUTPUTS o") == OK
        assert wire.ask("AI.SCRIPTDEL s") == OK
    assert scripted.ask("AI.SCRIPTRUN s bar INPUTS a a OUTPUTS o") == b"-ERR script key is empty\r\n"


def test_a_script_without_its_backend_says_so(scripted: Wire, redis: RedisServer, connect: Connect) -> None:
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url), backends={})) as other:
        wire = connect(other)
        gone = b"-ERR Backend not loaded: TORCH\r\n"
        assert wire.ask("AI.SCRIPTRUN s bar INPUTS a a OUTPUTS o") == gone
        assert wire.ask("AI.MODELEXECUTE mul INPUTS 2 a a OUTPUTS 1 o") == gone

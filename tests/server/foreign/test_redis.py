"""The server with a real Redis behind it."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from redis import Redis as Client

from alula.errors import CommandError, StoreUnavailableError
from alula.server import RedisKeyspace, Server, background
from alula.server._dump import dump
from alula.server._forms import ModelForm
from alula.server._keyspace import unpack
from alula.server._tensors import Tensor
from tests.server.redis_server import RedisServer, free_port
from tests.server.test_dump import WORKED
from tests.server.world import MUL, SPLIT, Connect, Wire, request

OK = b"+OK\r\n"
KEPT = ("AI.TENSORSET", "kept", "INT8", 1)
QUEUED = b"+QUEUED\r\n"
WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
Start = Callable[..., RedisServer]


@pytest.fixture
def redis(start_redis: Start) -> RedisServer:
    return start_redis()


@pytest.fixture
def server(redis: RedisServer) -> Iterator[Server]:
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url))) as running:
        yield running


@pytest.fixture
def direct(redis: RedisServer) -> Iterator[Wire]:
    wire = Wire(redis.port)
    yield wire
    wire.close()


# ------------------------------------------------------------------------------------- one by one


def test_a_tensor_is_one_string_there(wire: Wire, direct: Wire) -> None:
    assert wire.ask("AI.TENSORSET k INT8 3 VALUES 1 2 3") == OK
    stored = unpack(bulk(direct.ask("GET k")))
    assert isinstance(stored, Tensor)
    assert (stored.dtype.name, stored.shape, stored.data) == ("INT8", (3,), b"\1\2\3")
    assert wire.ask("AI.TENSORGET k VALUES") == b"*3\r\n:1\r\n:2\r\n:3\r\n"
    assert wire.ask("AI.TENSORGET nothing") == b"-ERR tensor key is empty or in a different shard\r\n"


def bulk(reply: bytes) -> bytes:
    return reply.split(b"\r\n", 1)[1][:-2]


def test_what_is_not_ours_passes_through(wire: Wire) -> None:
    for words, reply in (
        ("SET s text", OK),
        ("GET s", b"$4\r\ntext\r\n"),
        ("INCR n", b":1\r\n"),
        ("ZADD z 1.5 a", b":1\r\n"),
        ("ZRANGE z 0 -1 WITHSCORES", b"*2\r\n$1\r\na\r\n$3\r\n1.5\r\n"),
        ("HSET h f v", b":1\r\n"),
        ("LPUSH l a b", b":2\r\n"),
        ("LRANGE l 0 -1", b"*2\r\n$1\r\nb\r\n$1\r\na\r\n"),
        ("NOSUCHCOMMAND x", b"-ERR unknown command 'NOSUCHCOMMAND', with args beginning with: 'x' \r\n"),
        ("EVAL return{1,2} 0", b"*2\r\n:1\r\n:2\r\n"),
        ("PING", b"+PONG\r\n"),
        ("DBSIZE", b":5\r\n"),
        ("MGET s z nothing", b"*3\r\n$4\r\ntext\r\n$-1\r\n$-1\r\n"),
    ):
        assert wire.ask(words) == reply, words


def test_what_would_make_a_connection_something_else_is_refused(wire: Wire) -> None:
    for name in ("MONITOR", "PSYNC ? -1", "SYNC", "REPLCONF ACK 1"):
        assert b"cannot be handed on: connect to the Redis behind this server" in wire.ask(name)
    assert wire.ask("SET s x") == OK


def test_a_command_that_waits_keeps_nobody_else_waiting(wire: Wire, server: Server, connect: Connect) -> None:
    wire.send(request("BLPOP list 0"))
    other = connect(server)
    assert other.ask("RPUSH list x") == b":1\r\n"
    assert wire.reply() == b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n"
    leaving = connect(server)
    leaving.send(request("BLPOP list 0"))
    leaving.close()
    assert other.ask("GET s") == b"$-1\r\n"


@pytest.mark.parametrize("protocol", [2, 3])
def test_each_client_gets_the_replies_of_its_protocol(server: Server, protocol: int) -> None:
    with Client(port=server.port, protocol=protocol) as client:
        client.hset("h", "f", "v")
        client.zadd("z", {"a": 1.5})
        assert client.hgetall("h") == {b"f": b"v"}
        assert client.zscore("z", "a") == 1.5
        assert client.execute_command("AI.TENSORSET", "t", "DOUBLE", 1, "VALUES", 0.5) in (b"OK", "OK")
        pipeline = client.pipeline(transaction=True)
        pipeline.hgetall("h")
        pipeline.execute_command("AI.TENSORGET", "t", "VALUES")
        found, values = pipeline.execute()
        assert (found, [float(each) for each in values]) == ({b"f": b"v"}, [0.5])


def test_scans_and_patterns_pass_through(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET t:1 INT8 1") == OK
    assert wire.ask("KEYS t:*") == b"*1\r\n$3\r\nt:1\r\n"
    assert wire.ask("SCAN 0 MATCH t:*") == b"*2\r\n$1\r\n0\r\n*1\r\n$3\r\nt:1\r\n"


def test_payloads_of_dump_are_those_of_other_servers(wire: Wire) -> None:
    assert wire.ask("RESTORE", "t", 0, WORKED) == OK
    assert wire.ask("AI.TENSORGET t VALUES") == b"*2\r\n:1\r\n:2\r\n"
    assert wire.ask("DUMP t") == b"$%d\r\n%b\r\n" % (len(WORKED), WORKED)
    assert wire.ask("RESTORE", "t", 0, WORKED) == b"-BUSYKEY Target key name already exists.\r\n"
    assert wire.ask("RESTORE", "t", 60000, WORKED, "REPLACE") == OK
    assert wire.ask("TTL t") == b":60\r\n"
    wire.ask("RPUSH l x")
    payload = bulk(wire.ask("DUMP l"))
    assert wire.ask("RESTORE", "l2", 0, payload) == OK
    assert wire.ask("LRANGE l2 0 -1") == b"*1\r\n$1\r\nx\r\n"
    assert wire.ask("DUMP nothing") == b"$-1\r\n"
    model = dump(ModelForm(backend="ONNX", device=b"CPU", blob=MUL))
    assert wire.ask("RESTORE", "m", 0, model) == OK
    assert wire.ask("TYPE m") == b"+AI__MODEL\r\n"


def test_this_server_is_configured_here_and_the_keys_there(wire: Wire, direct: Wire) -> None:
    assert wire.ask("CONFIG SET maxclients 77") == OK
    assert wire.ask("CONFIG GET maxclients") == b"*2\r\n$10\r\nmaxclients\r\n$2\r\n77\r\n"
    assert wire.ask("CONFIG SET maxmemory 100mb") == OK
    assert direct.ask("CONFIG GET maxmemory") == b"*2\r\n$9\r\nmaxmemory\r\n$9\r\n104857600\r\n"
    assert b"redis_version" in wire.ask("INFO server")


@pytest.mark.parametrize(
    "words",
    [
        *(
            "GET k",
            "APPEND k x",
            "STRLEN k",
            "GETRANGE k 0 3",
            "SETRANGE k 0 x",
            "INCR k",
            "GETSET k x",
            "GETDEL k",
        ),
        *("SET k x GET", "BITCOUNT k", "SETBIT k 1 1", "RPUSH k x", "HSET k f x"),
    ],
)
def test_a_tensor_is_no_string_to_anybody(wire: Wire, words: str) -> None:
    assert wire.ask("AI.TENSORSET k INT8 1 VALUES 7") == OK
    assert wire.ask(words) == WRONGTYPE
    assert wire.ask("AI.TENSORGET k VALUES") == b"*1\r\n:7\r\n"
    assert wire.ask("MGET k") == b"*1\r\n$-1\r\n"


def test_types_are_told_apart(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET t INT8 1") == OK
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    for words in ("SET s x", "SET empty ''", "RPUSH l x"):
        wire.ask(words)
    for key, name in (("t", "AI_TENSOR"), ("m", "AI__MODEL"), ("s", "string"), ("l", "list"), ("n", "none")):
        assert wire.ask("TYPE", key) == f"+{name}\r\n".encode()
    for key in ("m", "s", "l", "empty"):
        assert wire.ask("AI.TENSORSET", key, "INT8", "1") == WRONGTYPE, key
        assert wire.ask("AI.TENSORGET", key) == WRONGTYPE, key
    for key in ("t", "s", "l"):
        assert wire.ask("AI.MODELSTORE", key, "ONNX", "CPU", "BLOB", MUL) == WRONGTYPE, key
        assert wire.ask("AI.MODELGET", key) == WRONGTYPE, key
    assert wire.ask("AI.TENSORSET t FLOAT 2 VALUES 1 2") == OK


def test_keys_are_renamed_copied_expired_and_deleted_by_redis(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET a INT8 1 VALUES 7") == OK
    assert wire.ask("RENAME a b") == OK
    assert wire.ask("COPY b c") == b":1\r\n"
    assert wire.ask("PEXPIRE c 100000") == b":1\r\n"
    assert wire.ask("AI.TENSORGET c VALUES") == b"*1\r\n:7\r\n"
    assert wire.ask("AI.TENSORSET c INT8 1") == OK
    assert wire.ask("PTTL c") == b":-1\r\n"
    assert wire.ask("DEL b c") == b":2\r\n"
    assert wire.ask("AI.TENSORGET b") == b"-ERR tensor key is empty or in a different shard\r\n"


# ------------------------------------------------------------------------------------------ models


def test_models_run_and_are_read(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "cpu", "TAG", "7", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 2 VALUES 2 3") == OK
    assert wire.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b") == OK
    assert wire.ask("AI.TENSORGET b VALUES") == b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"
    assert wire.ask("AI.MODELEXECUTE m INPUTS 2 b b OUTPUTS 1 b") == OK
    assert wire.ask("AI.TENSORGET b VALUES") == b"*2\r\n$2\r\n16\r\n$2\r\n81\r\n"
    assert wire.ask("AI.MODELGET m BLOB") == b"$%d\r\n%b\r\n" % (len(MUL), MUL)
    assert wire.ask("AI._MODELSCAN") == b"*1\r\n*2\r\n$1\r\nm\r\n$1\r\n7\r\n"
    assert wire.ask("AI.MODELEXECUTE nothing INPUTS 2 a a OUTPUTS 1 b") == b"-ERR model key is empty\r\n"
    wire.ask("SET s x")
    assert wire.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 s") == WRONGTYPE
    assert wire.ask("AI.MODELDEL m") == OK
    assert wire.ask("AI.MODELDEL m") == b"-ERR model key is empty\r\n"


def test_another_server_has_the_model_too_and_loads_it_once(
    server: Server, redis: RedisServer, connect: Connect
) -> None:
    wire = connect(server)
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 2 VALUES 2 3") == OK
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url))) as second:
        other = connect(second)
        for _ in range(3):
            assert other.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b") == OK
        assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", SPLIT) == OK
        refused = b"-Number of keys given as INPUTS here does not match model definition\r\n"
        assert other.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b") == refused
        assert other.ask("AI.MODELEXECUTE m INPUTS 1 a OUTPUTS 2 b c") == OK


def test_only_the_head_of_a_loaded_model_is_fetched(wire: Wire, direct: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 2 VALUES 2 3") == OK
    direct.ask("CONFIG RESETSTAT")
    assert wire.ask("AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 b") == OK
    stats = direct.ask("INFO commandstats")
    assert b"cmdstat_getrange:calls=2" in stats  # the model's head, and the type of what is at b
    assert b"cmdstat_get:calls=1" in stats  # the input


def test_a_server_deploys_there(redis: RedisServer, connect: Connect) -> None:
    server = Server(port=0, keyspace=RedisKeyspace(redis.url))
    server.deploy("first", MUL, tag="1")
    with background(server):
        wire = connect(server)
        server.deploy("second", MUL, tag="2")
        server.undeploy("nothing")
        assert wire.ask("AI._MODELSCAN") == (
            b"*2\r\n*2\r\n$6\r\nsecond\r\n$1\r\n2\r\n*2\r\n$5\r\nfirst\r\n$1\r\n1\r\n"
        )
        server.undeploy("second")
        assert wire.ask("EXISTS first second") == b":1\r\n"
        wire.ask("SET s x")
        with pytest.raises(CommandError, match="WRONGTYPE"):
            server.deploy("s", MUL)


# -------------------------------------------------------------------------------------------- DAGs


def test_graphs_read_and_store(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    asked = "AI.DAGRUN TENSORSET ~a~ FLOAT 2 VALUES 2 3 => MODELRUN m INPUTS ~a~ ~a~ OUTPUTS y"
    asked += " => TENSORGET y VALUES"
    assert wire.ask(asked) == b"*3\r\n+OK\r\n+OK\r\n*2\r\n$1\r\n4\r\n$1\r\n9\r\n"
    scoped = "AI.DAGEXECUTE LOAD 1 y PERSIST 1 z |> AI.MODELEXECUTE m INPUTS 2 y y OUTPUTS 1 z"
    assert wire.ask(scoped) == b"*1\r\n+OK\r\n"
    assert wire.ask("AI.TENSORGET z VALUES") == b"*2\r\n$2\r\n16\r\n$2\r\n81\r\n"
    wire.ask("SET s x")
    assert (
        wire.ask("AI.DAGRUN TENSORSET a INT8 1 => TENSORSET s INT8 1") == b"*3\r\n+OK\r\n+OK\r\n" + WRONGTYPE
    )
    assert wire.ask("EXISTS a") == b":0\r\n"
    assert wire.ask("AI.DAGRUN TENSORGET nothing") == b"-ERR tensor key is empty or in a different shard\r\n"
    assert wire.ask("AI.DAGRUN TENSORGET s") == WRONGTYPE


def test_a_graph_in_the_background_stores_too(wire: Wire) -> None:
    number = bulk(wire.ask("AI.DAGRUNASYNC TENSORSET y INT8 1 VALUES 7"))
    assert b"+done" in wire.ask("AI.DAGSTATUS", number, "WAIT", "0")
    assert wire.ask("AI.TENSORGET y VALUES") == b"*1\r\n:7\r\n"


def aof(redis: RedisServer) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(Path(redis.folder).rglob("*.incr.aof")))


def test_nothing_volatile_ever_reaches_the_log_of_redis(start_redis: Start, connect: Connect) -> None:
    redis = start_redis("--appendonly", "yes", "--appendfsync", "always")
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url))) as server:
        wire = connect(server)
        assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", SPLIT) == OK
        before = len(aof(redis))
        secret = b"~SECRETS" * 4
        asked = request(
            "AI.DAGRUN", "TENSORSET", "~hidden~", "UINT8", 32, "BLOB", secret,
            "=>", "TENSORSET", "~x~", "FLOAT", 2, "VALUES", 1, 2,
            "=>", "MODELRUN", "m", "INPUTS", "~x~", "OUTPUTS", "out1", "~wings~",
            "=>", "TENSORSET", "out2", "INT8", 1, "VALUES", 7, "=>", "TENSORGET", "~wings~",
        )  # fmt: skip
        wire.send(asked)
        assert wire.reply().startswith(b"*5\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n*6")
        local = ("AI.TENSORSET", "local", "UINT8", 32, "BLOB", secret)
        wire.send(request("AI.DAGEXECUTE", "PERSIST", 1, "kept", "|>", *local, "|>", *KEPT))
        assert wire.reply() == b"*2\r\n+OK\r\n+OK\r\n"
        log = aof(redis)[before:]
    for word in (b"hidden", b"~x~", b"wings", b"SECRETS", b"local"):
        assert word not in log, word
    outputs, _, rest = log.partition(b"*1\r\n$4\r\nEXEC\r\n")
    assert outputs.startswith(b"*1\r\n$5\r\nMULTI\r\n")
    assert outputs.count(b"\r\nSET\r\n") == 2
    assert b"out1" in outputs
    assert b"out2" in outputs
    assert rest.count(b"\r\nSET\r\n") == 1  # one alone needs no MULTI, so Redis leaves it away
    assert b"kept" in rest


# ------------------------------------------------------------------------------------ transactions


def test_a_transaction_mixes_ours_with_those_of_redis(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    commands = [
        "MULTI", "AI.TENSORSET t INT8 1 VALUES 7", "SET s x", "AI.TENSORGET t VALUES", "GET s",
        "AI.TENSORGET nothing", "AI.MODELRUN m INPUTS t t OUTPUTS y", "INCR s",
    ]  # fmt: skip
    wire.send(b"".join(map(request, commands)))
    assert [wire.reply() for _ in commands] == [OK, *[QUEUED] * 7]
    assert wire.ask("EXEC") == (
        b"*7\r\n+OK\r\n+OK\r\n*1\r\n:7\r\n$1\r\nx\r\n-ERR tensor key is empty or in a different shard\r\n"
        b"-ERR Cannot run RedisAI command within a transaction or a LUA script\r\n"
        b"-ERR value is not an integer or out of range\r\n"
    )
    assert wire.ask("AI.TENSORGET t VALUES") == b"*1\r\n:7\r\n"
    assert wire.ask("EXEC") == b"-ERR EXEC without MULTI\r\n"


def test_in_a_transaction_what_was_changed_by_redis_is_not_guessed(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET t INT8 1 VALUES 7") == OK
    commands = ["MULTI", "DEL t", "AI.TENSORGET t VALUES", "EXEC"]
    wire.send(b"".join(map(request, commands)))
    assert [wire.reply() for _ in range(3)] == [OK, QUEUED, QUEUED]
    assert wire.reply() == (
        b"*2\r\n:1\r\n-ERR a key that was changed in this transaction before cannot be read in it\r\n"
    )


def test_a_watched_key_that_changes_stops_a_transaction(wire: Wire, direct: Wire) -> None:
    for change, reply in (("SET other x", b"*1\r\n+OK\r\n"), ("SET t x", b"*-1\r\n")):
        wire.ask("DEL t")
        assert wire.ask("WATCH t") == OK
        assert direct.ask(change) == OK
        wire.send(b"".join(map(request, ["MULTI", "SET y 1"])))
        assert [wire.reply(), wire.reply()] == [OK, QUEUED]
        assert wire.ask("EXEC") == reply
    assert wire.ask("WATCH t") == OK
    assert direct.ask("SET t z") == OK
    assert wire.ask("UNWATCH") == OK
    wire.send(b"".join(map(request, ["MULTI", "DISCARD", "MULTI", "NOSUCH", "EXEC"])))
    assert [wire.reply() for _ in range(4)] == [OK, OK, OK, QUEUED]
    assert wire.reply().startswith(b"-ERR unknown command 'NOSUCH'")


# ------------------------------------------------------------------------------------- channels


def test_messages_pass_through(wire: Wire, direct: Wire, server: Server, connect: Connect) -> None:
    assert wire.ask("SUBSCRIBE news") == b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
    assert direct.ask("PUBLISH news hello") == b":1\r\n"
    assert wire.reply() == b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n"
    assert connect(server).ask("PUBLISH news again") == b":1\r\n"
    assert wire.reply() == b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nagain\r\n"
    assert wire.ask("UNSUBSCRIBE news") == b"*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n"


def test_our_events_are_told_once_all_keys_are_there(wire: Wire, server: Server, connect: Connect) -> None:
    hears, reads = connect(server), connect(server)
    assert wire.ask("CONFIG SET notify-keyspace-events KEd") == OK
    assert hears.ask("PSUBSCRIBE __key*__:*").startswith(b"*3\r\n$10\r\npsubscribe")
    assert wire.ask("AI.DAGRUN TENSORSET a INT8 1 => TENSORSET b INT8 1") == b"*2\r\n+OK\r\n+OK\r\n"
    heard = [hears.reply() for _ in range(4)]
    assert [b"tensorset" in each for each in heard] == [True] * 4
    assert heard[0].endswith(b"$16\r\n__keyspace@0__:a\r\n$9\r\ntensorset\r\n")
    assert heard[3].endswith(b"$24\r\n__keyevent@0__:tensorset\r\n$1\r\nb\r\n")
    assert reads.ask("EXISTS a b") == b":2\r\n"
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert b"modelstore" in hears.reply()


# ----------------------------------------------------------------------------------- many at once


def test_many_clients_share_a_few_connections(
    server: Server, direct: Wire, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alula.server._foreign._pool._MOST", 2)
    wires = [connect(server) for _ in range(20)]
    for number, wire in enumerate(wires):
        wire.send(request(f"AI.TENSORSET k{number} INT8 1 VALUES {number}") * 5)
        wire.send(request("MULTI") + request(f"AI.TENSORGET k{number} VALUES") + request("EXEC"))
    for number, wire in enumerate(wires):
        assert [wire.reply() for _ in range(7)] == [*[OK] * 6, QUEUED]
        assert wire.reply() == b"*1\r\n*1\r\n:%d\r\n" % number
    assert direct.ask("INFO clients").partition(b"connected_clients:")[2].startswith(b"4\r\n")


def test_of_writers_to_one_key_each_is_heard(server: Server, connect: Connect) -> None:
    wires = [connect(server) for _ in range(8)]
    for number, wire in enumerate(wires):
        wire.send(b"".join(request(f"AI.TENSORSET k INT8 1 VALUES {number}") for _ in range(10)))
    for wire in wires:
        assert [wire.reply() for _ in range(10)] == [OK] * 10


# ------------------------------------------------------------------------------------ faults


def test_redis_restarts_and_nobody_restarts_us(redis: RedisServer, server: Server, connect: Connect) -> None:
    wire = connect(server)
    assert wire.ask("AI.TENSORSET t INT8 1") == OK
    redis.kill()
    for words in (
        "AI.TENSORSET t INT8 1",
        "AI.TENSORGET t",
        "GET s",
        "AI.DAGRUN TENSORSET a INT8 1",
        "INCR n",
        "TYPE t",
    ):
        said = b"-ERR the keyspace at redis://127.0.0.1:%d cannot be reached: " % redis.port
        assert wire.ask(words).startswith(said), words
    assert wire.ask("PING") == b"+PONG\r\n"
    redis.start()
    assert wire.ask("AI.TENSORSET t INT8 1 VALUES 5") == OK
    assert wire.ask("AI.TENSORGET t VALUES") == b"*1\r\n:5\r\n"


def test_a_subscriber_is_disconnected_with_redis(redis: RedisServer, wire: Wire) -> None:
    assert wire.ask("SUBSCRIBE news").startswith(b"*3")
    redis.kill()
    assert wire.reply() == b""


def test_a_redis_that_is_not_there_keeps_the_server_from_starting() -> None:
    nobody = Server(port=0, keyspace=RedisKeyspace(f"redis://127.0.0.1:{free_port()}"))
    with (
        pytest.raises(StoreUnavailableError, match="cannot be reached: Connection refused"),
        background(nobody),
    ):
        pass


def test_a_redis_that_asks_for_a_password(start_redis: Start, connect: Connect) -> None:
    redis = start_redis("--requirepass", "geheim")
    with background(
        Server(port=0, keyspace=RedisKeyspace(f"redis://:geheim@127.0.0.1:{redis.port}/3"))
    ) as server:
        wire = connect(server)
        assert wire.ask("AI.TENSORSET t INT8 1") == OK
    direct = Wire(redis.port)
    direct.ask("AUTH geheim")
    assert direct.ask("INFO keyspace").endswith(b"db3:keys=1,expires=0,avg_ttl=0\r\n\r\n")
    direct.close()
    wrong = Server(port=0, keyspace=RedisKeyspace(f"redis://:falsch@127.0.0.1:{redis.port}"))
    with pytest.raises(StoreUnavailableError, match="WRONGPASS"), background(wrong):
        pass


def test_a_redis_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alula.server._foreign._link._ANSWER", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(StoreUnavailableError, match=r"no answer for 0\.05 s"),
            background(Server(port=0, keyspace=RedisKeyspace(url))),
        ):
            pass


def test_what_is_no_redis_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            connection.sendall(b"$nonsense\r\n")
            connection.recv(1000)
            connection.close()

        thread = Thread(target=answer)
        thread.start()
        url = f"redis://127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(StoreUnavailableError, match="what answers there is no Redis"),
            background(Server(port=0, keyspace=RedisKeyspace(url))),
        ):
            pass
        thread.join()


def test_a_replica_serves_what_reads_and_refuses_the_rest(
    redis: RedisServer, start_redis: Start, wire: Wire, connect: Connect
) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET a FLOAT 2 VALUES 2 3") == OK
    replica = start_redis("--replicaof", f"127.0.0.1 {redis.port}")
    direct = Wire(replica.port)
    while b"master_link_status:up" not in direct.ask("INFO replication"):
        pass
    assert wire.ask("WAIT 1 5000") == b":1\r\n"
    with background(Server(port=0, keyspace=RedisKeyspace(replica.url))) as server:
        other = connect(server)
        readonly = b"-READONLY You can't write against a read only replica.\r\n"
        asked = "AI.DAGRUN_RO LOAD 1 a |> AI.MODELRUN m INPUTS a a OUTPUTS y |> AI.TENSORGET y VALUES"
        assert other.ask(asked) == b"*2\r\n+OK\r\n*2\r\n$1\r\n4\r\n$1\r\n9\r\n"
        asked = "AI.DAGEXECUTE_RO LOAD 1 a |> AI.MODELEXECUTE m INPUTS 2 a a OUTPUTS 1 y"
        assert other.ask(asked) == b"*1\r\n+OK\r\n"
        assert other.ask("AI.TENSORGET a VALUES") == b"*2\r\n$1\r\n2\r\n$1\r\n3\r\n"
        for words in ("AI.TENSORSET a INT8 1", "AI.DAGRUN TENSORGET a", "SET s x", "AI.MODELDEL m"):
            assert other.ask(words) == readonly, words
        other.send(request("MULTI") + request("AI.TENSORSET a INT8 1"))
        assert [other.reply(), other.reply()] == [OK, QUEUED]
        assert other.ask("EXEC") == readonly
        assert direct.ask("REPLICAOF NO ONE") == OK
        assert other.ask("AI.TENSORSET b INT8 1") == OK
    direct.close()

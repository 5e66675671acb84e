"""What clients send ahead, and what many of them send at one time, where a Redis has the keys."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alula.server import RedisKeyspace, Server, background
from alula.server._foreign._pipeline import Ahead
from alula.server._resp import ProtocolError
from tests.server.redis_server import RedisServer
from tests.server.world import MUL, Connect, Wire, request

OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"
WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
LARGE = 70_000  # bytes of a tensor that goes to Redis by itself


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    shared_redis.empty()
    return shared_redis


@pytest.fixture
def server(redis: RedisServer) -> Iterator[Server]:
    with background(Server(port=0, keyspace=RedisKeyspace(redis.url))) as running:
        yield running


@pytest.fixture
def direct(redis: RedisServer) -> Iterator[Wire]:
    wire = Wire(redis.port)
    yield wire
    wire.close()


def at_once(wire: Wire, *commands: str | bytes) -> list[bytes]:
    wire.send(b"".join([each if isinstance(each, bytes) else request(each) for each in commands]))
    return [wire.reply() for _ in commands]


def count(direct: Wire, command: str) -> int:
    _, _, rest = direct.ask("INFO commandstats").partition(b"cmdstat_%b:calls=" % command.encode())
    return int(rest.split(b",")[0] or 0)


# ---------------------------------------------------------------------------------- one connection


def test_what_is_sent_ahead_shares_the_way_to_redis(wire: Wire, direct: Wire) -> None:
    assert wire.ask("PING") == b"+PONG\r\n"
    assert direct.ask("CONFIG RESETSTAT") == OK
    sets = [f"AI.TENSORSET k{number} INT8 1 VALUES {number}" for number in range(10)]
    gets = [f"AI.TENSORGET k{number} VALUES" for number in range(10)]
    replies = at_once(wire, *sets, *gets[:5])
    assert replies == [OK] * 10 + [b"*1\r\n:%d\r\n" % number for number in range(5)]
    assert (count(direct, "exec"), count(direct, "set")) == (1, 10)
    assert at_once(wire, *gets) == [b"*1\r\n:%d\r\n" % number for number in range(10)]
    assert count(direct, "exec") == 1


def test_each_sees_what_those_before_it_have_done(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert at_once(
        wire,
        "AI.TENSORGET t VALUES",
        "AI.TENSORSET t INT8 1 VALUES 1",
        "AI.TENSORGET t VALUES",
        "AI.TENSORSET t INT8 1 VALUES 2",
        "AI.TENSORGET t VALUES",
        "AI.TENSORGET m",
        "AI.TENSORSET m INT8 1",
        "AI.MODELDEL m",
        "AI.TENSORSET m INT8 1 VALUES 3",
        "AI.TENSORGET m VALUES",
        "SET s x",
        "AI.TENSORSET s INT8 1",
        "DEL s",
        "AI.TENSORSET s INT8 1 VALUES 4",
        "TYPE s",
        "AI.TENSORGET s VALUES",
    ) == [
        b"-ERR tensor key is empty or in a different shard\r\n",
        OK,
        b"*1\r\n:1\r\n",
        OK,
        b"*1\r\n:2\r\n",
        *(WRONGTYPE, WRONGTYPE, OK, OK),
        b"*1\r\n:3\r\n",
        *(OK, WRONGTYPE, b":1\r\n", OK),
        b"+AI_TENSOR\r\n",
        b"*1\r\n:4\r\n",
    ]


def test_what_refuses_a_tensor_says_what_it_was_at_that_time(wire: Wire) -> None:
    asked = ["INCR t", "STRLEN t", "GET t", "DEL t", "INCR t", "GET t"]
    assert wire.ask("AI.TENSORSET t INT8 1") == OK
    assert at_once(wire, *asked) == [WRONGTYPE] * 3 + [b":1\r\n", b":1\r\n", b"$1\r\n1\r\n"]


_KEYS = st.sampled_from(["a", "b", "c"])
_NUMBERS = st.integers(0, 99)
_COMMANDS = st.one_of(
    st.builds("AI.TENSORSET {} INT8 1 VALUES {}".format, _KEYS, _NUMBERS),
    st.builds("AI.TENSORSET {} INT8 1 VALUES 1 {}".format, _KEYS, _NUMBERS),
    st.builds("AI.TENSORSET {} INT8 {}".format, _KEYS, st.just(LARGE)),
    st.builds("AI.TENSORGET {} VALUES".format, st.sampled_from(["a", "b", "c"])),
    st.builds(
        "AI.DAGRUN TENSORGET {} VALUES => TENSORSET {} INT8 1 VALUES {}".format, _KEYS, _KEYS, _NUMBERS
    ),
    st.builds("SET {} {}".format, _KEYS, _NUMBERS),
    st.builds("SET {} {} GET".format, _KEYS, _NUMBERS),
    st.builds(
        "{} {}".format, st.sampled_from(["GET", "DEL", "INCR", "TYPE", "STRLEN", "LPOP", "ZCARD"]), _KEYS
    ),
    st.builds("RPUSH {} {}".format, _KEYS, _NUMBERS),
    st.builds("MGET {} {}".format, _KEYS, _KEYS),
    st.sampled_from(
        ["PING", "MULTI", "EXEC", "DISCARD", "AI.TENSORGET", "NOSUCH", "HELLO 2", "AI.TENSORSET a"]
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_COMMANDS, min_size=2, max_size=40))
def test_at_once_is_as_one_by_one(server: Server, direct: Wire, commands: list[str]) -> None:
    replies = []
    for send in (lambda wire: [wire.ask(each) for each in commands], lambda wire: at_once(wire, *commands)):
        direct.ask("FLUSHALL")
        wire = Wire(server.port)
        replies.append([each for each in send(wire) if b"$6\r\nserver\r\n" not in each])
        wire.close()
    assert replies[0] == replies[1]


def test_a_row_ends_where_the_protocol_is_left(wire: Wire) -> None:
    wire.send(request("AI.TENSORSET a INT8 1") + request("AI.TENSORGET a VALUES") + b"*1\r\n:nonsense\r\n")
    assert [wire.reply(), wire.reply()] == [OK, b"*1\r\n:0\r\n"]
    assert wire.reply() == b"-ERR Protocol error: expected '$', got ':'\r\n"
    assert wire.reply() == b""


def test_a_request_that_was_looked_at_is_still_given_out() -> None:
    parser = Ahead()
    assert parser.peek() is None
    parser.feed(request("PING") + request("ECHO x") + b"*x\r\n")
    assert (parser.peek(), parser.peek(), parser.next()) == ([b"PING"], [b"PING"], [b"PING"])
    assert parser.next() == [b"ECHO", b"x"]
    assert parser.peek() is None
    with pytest.raises(ProtocolError, match="invalid multibulk length"):
        parser.next()


def test_long_rows_with_long_replies_are_cut(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET", "t", "UINT8", LARGE, "BLOB", b"x" * LARGE) == OK
    replies = at_once(wire, *["AI.TENSORGET t BLOB"] * 300)
    assert replies == [b"$%d\r\n%b\r\n" % (LARGE, b"x" * LARGE)] * 300


def test_one_of_a_row_counts_as_one(server: Server, wire: Wire) -> None:
    before = server._services.commands
    at_once(wire, *["AI.TENSORSET t INT8 1"] * 5, *["SET s x"] * 5)
    assert server._services.commands == before + 10


def test_an_idle_client_keeps_nothing(server: Server, wire: Wire) -> None:
    at_once(wire, *["AI.TENSORSET t INT8 1", "AI.TENSORGET t"] * 3)
    (client,) = server._services.clients.values()
    assert client.keyspace is server._services.keyspace


def test_a_stranger_gets_no_row(redis: RedisServer, connect: Connect) -> None:
    with background(Server(port=0, password="geheim", keyspace=RedisKeyspace(redis.url))) as server:
        wire = connect(server)
        refused = b"-NOAUTH Authentication required.\r\n"
        asked = ["AI.TENSORSET t INT8 1", "AI.TENSORGET t VALUES", "AUTH geheim", "AI.TENSORGET t VALUES"]
        assert at_once(wire, *asked) == [
            refused,
            refused,
            OK,
            b"-ERR tensor key is empty or in a different shard\r\n",
        ]


# ------------------------------------------------------------------------------------ many clients


def test_writers_that_wait_go_together(server: Server, direct: Wire, connect: Connect) -> None:
    wires = [connect(server) for _ in range(9)]
    assert [wire.ask("PING") for wire in wires] == [b"+PONG\r\n"] * 9
    direct.ask("CONFIG RESETSTAT")
    assert direct.ask("CLIENT PAUSE 20000 WRITE") == OK
    for number, wire in enumerate(wires[:8]):
        wire.send(request(f"AI.TENSORSET k{number} INT8 1 VALUES {number}"))
    while wires[8].ask("CLIENT LIST").count(b"cmd=ai.tensorset") < 8:
        pass
    assert direct.ask("CLIENT UNPAUSE") == OK
    assert [wire.reply() for wire in wires[:8]] == [OK] * 8
    assert count(direct, "set") == 8
    assert count(direct, "exec") <= 3
    assert [wires[0].ask(f"AI.TENSORGET k{number} VALUES") for number in range(8)] == [
        b"*1\r\n:%d\r\n" % number for number in range(8)
    ]


def test_an_error_is_told_to_whom_it_is_for(server: Server, direct: Wire, connect: Connect) -> None:
    """Also where a key holds bytes of ours that nobody can read: who does not ask for it gets his reply."""
    assert direct.ask("SET", "broken", b"\x9aALULA\x01T\xff\xff\xff\xff") == OK
    assert direct.ask("SET", "cut", b"\x9aALULA\x01") == OK
    wire = connect(server)
    unreadable = b"-ERR a key holds bytes that begin like a value of Alula and are none it can read\r\n"
    asked = ["AI.TENSORSET t INT8 1", "AI.TENSORGET broken", "AI.TENSORGET t VALUES", "AI.TENSORGET nothing"]
    empty = b"-ERR tensor key is empty or in a different shard\r\n"
    assert at_once(wire, *asked) == [OK, unreadable, b"*1\r\n:0\r\n", empty]
    assert at_once(wire, *asked[1:]) == [unreadable, b"*1\r\n:0\r\n", empty]
    assert wire.ask("AI.TENSORGET cut") == unreadable
    others = [connect(server) for _ in range(2)]
    others[0].send(request("AI.TENSORGET broken"))
    others[1].send(request("AI.TENSORGET t VALUES"))
    assert [other.reply() for other in others] == [unreadable, b"*1\r\n:0\r\n"]


# ----------------------------------------------------------------------------------------- faults


class Meddler:
    """Stands between a server and a Redis; before it hands on an EXEC it has its way."""

    def __init__(self, port: int, act: Callable[[], None]) -> None:
        self._port, self._act = port, act
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                try:
                    theirs = socket.create_connection(("127.0.0.1", self._port))
                except OSError:
                    ours.close()
                    continue
                for pair in ((ours, theirs, True), (theirs, ours, False)):
                    self._threads.append(Thread(target=self._carry, args=pair, daemon=True))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket, meddle: bool) -> None:
        with source, suppress(OSError):
            while data := source.recv(1 << 20):
                if meddle and b"\r\nEXEC\r\n" in data:
                    self._act()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(150)


def test_if_somebody_else_is_faster_each_is_carried_out_alone(
    redis: RedisServer, direct: Wire, connect: Connect
) -> None:
    acts = iter(["SET b other", "SET a other"])

    def act() -> None:
        if (words := next(acts, None)) is not None:
            direct.ask(words)

    meddler = Meddler(redis.port, act)
    with background(Server(port=0, keyspace=RedisKeyspace(meddler.url))) as server:
        wire = connect(server)
        asked = ["AI.TENSORSET a INT8 1 VALUES 1", "AI.TENSORSET b INT8 1 VALUES 2", "AI.TENSORGET a VALUES"]
        assert at_once(wire, *asked) == [WRONGTYPE] * 3
        assert next(acts, None) is None
        assert direct.ask("DEL a b") == b":2\r\n"
        assert at_once(wire, *asked) == [OK, OK, b"*1\r\n:1\r\n"]
        wire.close()
    meddler.close()


def test_a_redis_that_dies_on_the_way_leaves_nobody_waiting(start_redis: Callable[..., RedisServer]) -> None:
    redis = start_redis()
    acts = iter([redis.kill])
    meddler = Meddler(redis.port, lambda: next(acts, lambda: None)())
    with background(Server(port=0, keyspace=RedisKeyspace(meddler.url))) as server:
        wire, other = Wire(server.port), Wire(server.port)
        other.send(request("AI.TENSORSET b INT8 1"))
        for reply in [*at_once(wire, *["AI.TENSORSET a INT8 1", "AI.TENSORGET a"] * 3), other.reply()]:
            assert reply.startswith((b"-ERR the keyspace at redis://127.0.0.1:", OK))
        assert wire.ask("AI.TENSORGET a").startswith(b"-ERR the keyspace at redis://127.0.0.1:")
        redis.start()
        assert at_once(wire, *["AI.TENSORSET a INT8 1"] * 3) == [OK] * 3
        wire.close()
        other.close()
    meddler.close()

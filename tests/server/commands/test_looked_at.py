"""Clients that hear nothing, are held up, or are told what others do: as from a real Redis, to the byte."""

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
import redis
from redis.cache import CacheConfig

from alula.server import RedisKeyspace, Server, _tracking, background
from alula.server._commands import _connection
from tests.server.redis_server import RedisServer
from tests.server.world import MUL, Connect, Wire, request

OK = b"+OK\r\n"
To: TypeAlias = Callable[[], Wire]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    started = RedisServer(tmp_path_factory.mktemp("redis"))
    yield started
    started.kill()


@pytest.fixture
def both(real: RedisServer, server: Server) -> Iterator[tuple[To, To]]:
    """What connects to a real Redis, which is empty, and to ours."""
    real.empty()
    made: list[Wire] = []

    def to(port: int) -> To:
        def connect() -> Wire:
            made.append(Wire(port))
            return made[-1]

        return connect

    yield to(real.port), to(server.port)
    for wire in made:
        wire.close()


def heard(wire: Wire) -> list[bytes]:
    """What has come to a client by now."""
    found = [wire.ask("ECHO", "so far")]
    while found[-1] != b"$6\r\nso far\r\n":
        found.append(wire.reply())
    return found[:-1]


# ------------------------------------------------------------------------------------ CLIENT REPLY

STREAMS = [
    "client reply off|set k v|nope|get|get k|client reply on|get k",
    "client reply skip|set k v|get k|client reply skip|nope|get k|client reply skip|get|echo x",
    "client reply off|client reply skip|get k|get k|client reply on|get k",
    "client reply skip|client reply on|get k",
    "client reply skip|client reply skip|get k|echo x",
    "client reply off|multi|set k v|exec|client reply nope|client reply on|get k",
    "client reply off|subscribe c|ping|client reply on|ping",
    "client reply off|reset|get k",
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("stream", STREAMS)
def test_replies_that_are_not_wanted_are_not_sent(both: tuple[To, To], stream: str, protocol: int) -> None:
    heard_there, heard_here = (said(connect(), stream, protocol) for connect in both)
    assert heard_here == heard_there


def said(wire: Wire, stream: str, protocol: int) -> list[bytes]:
    wire.ask("HELLO", protocol)
    wire.send(b"".join(request(line) for line in stream.split("|")) + request("QUIT"))
    found = [wire.reply()]
    while found[-1]:
        found.append(wire.reply())
    return found


def test_what_nobody_hears_of_is_done(both: tuple[To, To]) -> None:
    wire = both[1]()
    wire.send(request("CLIENT REPLY OFF") + request("SET k v") + request("AI.TENSORSET t INT8 1 VALUES 7"))
    wire.send(request("CLIENT REPLY ON"))
    assert [wire.reply(), wire.ask("GET k")] == [OK, b"$1\r\nv\r\n"]
    assert wire.ask("AI.TENSORGET t VALUES") == b"*1\r\n:7\r\n"


def test_a_run_whose_reply_is_skipped_is_run(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET x FLOAT 1 VALUES 3") == OK
    wire.send(request("CLIENT REPLY SKIP") + request("AI.MODELRUN m INPUTS x x OUTPUTS y"))
    assert wire.ask("AI.TENSORGET y VALUES") == b"*1\r\n$1\r\n9\r\n"


# --------------------------------------------------------------------------------- CLIENT TRACKING

# What one client does, several commands at once behind ";", and after "!" another one.
TRACKS = [
    "client tracking on|get a|get b|!set a 1|!set a 2|!del b|get a|!append a x|!get a",
    "client tracking on|mget a b c|!mset a 1 b 2|!flushall|get a|!flushall",
    "client tracking on|get a|set a 1|get a|incr a|!set a 5",
    "client tracking on noloop|get a|set a 1|!set a 2|get a|!set a 3",
    "client tracking on|hget h f|smembers s|lrange l 0 -1|exists e|!hset h f 1|!sadd s 1|!rpush l 1|!set e 1",
    "client tracking on|get a|client tracking off|!set a 1",
    "client tracking on optin|get a|client caching yes;get b|get c|!mset a 1 b 2 c 3",
    "client tracking on optout|get a|client caching no;get b|get c|!mset a 1 b 2 c 3",
    "client tracking on optin|client caching yes;multi;get a;get b;exec|get c|!mset a 1 b 2 c 3",
    "client tracking on bcast|!set a 1|!mset b 1 c 1|!del a|set own 1|!flushall",
    "client tracking on bcast prefix ab prefix c|!mset abc 1 a 1 cd 1 ab 1|!set x 1|get abc|!set ba 1",
    "client tracking on bcast noloop|set own 1|!set a 1|mset p 1 q 1",
    "client tracking on|get a|!set b 1|get b|!rename x y|!set x 1|get x|get y|!rename x y",
    "client tracking on|object encoding a|type b|ttl c|dump d|!mset a 1 b 1 c 1 d 1",
    "client tracking on|get a|!expire a 100|!set a 1|get a|!expire a 100|get a|!persist a|get a|!getdel a",
    "client tracking on|get a|reset|!set a 1",
]


@pytest.mark.parametrize("track", TRACKS)
def test_who_keeps_copies_is_told_when_they_are_good_no_more(both: tuple[To, To], track: str) -> None:
    there, here = (played(connect(), connect(), track) for connect in both)
    assert here == there


def played(wire: Wire, other: Wire, track: str) -> list[list[bytes]]:
    wire.ask("HELLO 3")
    found = []
    for line in track.split("|"):
        if line.startswith("!"):
            other.ask(line[1:])
            found.append(heard(wire))
        else:
            wire.send(b"".join(map(request, line.split(";"))))
            found.append(heard(wire))
    return found


@pytest.mark.parametrize("protocol", [2, 3])
def test_another_connection_may_be_told(both: tuple[To, To], protocol: int) -> None:
    there, here = (redirected(connect, protocol) for connect in both)
    assert here == there
    assert any(b"invalidate" in each for each in here[2])


def redirected(connect: To, protocol: int) -> list[list[bytes]]:
    wire, listener, other = connect(), connect(), connect()
    wire.ask("HELLO 3")
    number = listener.ask("CLIENT ID")[1:-2].decode()
    listener.ask("HELLO", protocol)
    assert wire.ask(f"CLIENT TRACKING ON REDIRECT {number}") == OK
    found = []
    wire.ask("GET a")
    other.ask("SET a 1")
    listener.ask("SUBSCRIBE __redis__:invalidate")
    for key in "ab":
        wire.ask("GET", key)
        other.ask("SET", key, "2")
    found.append(heard(wire))
    other.ask("FLUSHALL")
    listener.send(request("PING end"))
    messages = [listener.reply()]
    while b"end" not in messages[-1]:
        messages.append(listener.reply())
    found += [
        heard(wire),
        [each.replace(b"\n_\r", b"\n$-1\r") for each in messages[:-1]],
    ]  # Redis' is RESP3 in RESP2
    listener.ask("RESET")
    listener.close()
    while other.ask(f"CLIENT LIST ID {number}") != b"$0\r\n\r\n":
        pass
    wire.ask("GET a")
    other.ask("SET a 3")
    found.append([re.sub(rb":[0-9]+", b":N", each) for each in heard(wire)])
    found.append([wire.ask("CLIENT TRACKINGINFO").split(b"redirect\r\n")[0]])
    return found


def test_tensors_are_told_of_as_well(server: Server, connect: Connect) -> None:
    wire, other = connect(server), connect(server)
    wire.ask("HELLO 3")
    wire.ask("CLIENT TRACKING ON")
    assert other.ask("AI.TENSORSET x FLOAT 1 VALUES 2") == OK
    assert other.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    wire.ask("AI.TENSORGET x VALUES")
    wire.ask("AI.DAGRUN_RO TENSORGET y")
    assert other.ask("AI.MODELRUN m INPUTS x x OUTPUTS x") == OK
    assert heard(wire) == [b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n"]


def test_a_key_that_expires_is_told_of(server: Server, connect: Connect) -> None:
    wire = connect(server)
    wire.ask("HELLO 3")
    wire.ask("CLIENT TRACKING ON")
    wire.ask("SET k v PX 20")
    wire.ask("GET k")
    assert wire.reply() == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"


def test_what_is_remembered_has_a_limit(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tracking, "_MOST", 2)
    wire = connect(server)
    wire.ask("HELLO 3")
    wire.ask("CLIENT TRACKING ON")
    for key in "abc":
        wire.ask("GET", key)
    assert heard(wire) == [b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"]


def test_the_cache_of_a_client_library_is_never_old(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connection, "VERSION", "7.4.0")  # from which on that library uses its cache
    with (
        redis.Redis(port=server.port, protocol=3, cache_config=CacheConfig(), decode_responses=True) as one,
        redis.Redis(port=server.port, decode_responses=True) as other,
    ):
        for number in range(5):
            other.set("k", number)
            other.ping()  # what is told of the change is on its way when the next command is carried out
            assert [one.get("k"), one.get("k")] == [str(number)] * 2
        cache = one.get_cache()
        assert cache is not None
        assert cache.size == 1


def test_with_a_redis_behind_it_is_refused(start_redis: Callable[..., RedisServer]) -> None:
    with background(Server(port=0, keyspace=RedisKeyspace(start_redis().url))) as server:
        wire = Wire(server.port)
        assert b"CLIENT TRACKING cannot be had here" in wire.ask("CLIENT TRACKING ON")
        wire.send(request("CLIENT REPLY SKIP") + request("SET k v"))
        assert wire.ask("CLIENT PAUSE 1000000 WRITE") == OK
        assert wire.ask("GET k") == b"$1\r\nv\r\n"
        wire.send(request("SET k w"))
        other = Wire(server.port)
        assert other.ask("CLIENT UNPAUSE") == OK
        assert wire.reply() == OK
        for each in (wire, other):
            each.close()


# ----------------------------------------------------------------------------------------- MONITOR

WATCHED = [
    "set k v", "nope a", "get", "get k", "hello 3", "auth x", "auth default x", "hello 3 auth default x",
    "config get port", "client list", "client setname a", "client id", "select 0", "slowlog len", "multi",
    "set a 1", "get a", "client list", "exec", "multi", "nope", "exec", "multi", "discard", "subscribe c",
    "unsubscribe c", "ping", "info server", "command count", "lpush k x", "dbsize", "object encoding k",
]  # fmt: skip


def test_a_monitor_is_told_every_command_as_redis_tells_it(both: tuple[To, To]) -> None:
    there, here = (watched(connect(), connect()) for connect in both)
    assert here == there
    assert len(here) > 20


def watched(monitor: Wire, other: Wire) -> list[bytes]:
    assert monitor.ask("MONITOR") == OK
    for line in WATCHED:
        other.ask(*line.split())
    other.ask("SET", "k", bytes(range(256)))
    other.ask("ECHO", "the end")
    found = [monitor.reply()]
    while b"the end" not in found[-1]:
        found.append(monitor.reply())
    assert all(re.match(rb"\+[0-9]{10}\.[0-9]{6} \[0 127\.0\.0\.1:[0-9]+\] ", line) for line in found)
    return [line.partition(b"] ")[2] for line in found]


def test_who_monitors_may_not_touch_keys_and_is_free_again_after_a_reset(both: tuple[To, To]) -> None:
    wire = both[1]()
    assert wire.ask("MONITOR") == OK
    assert wire.ask("GET k") == b"-ERR Replica can't interact with the keyspace\r\n"
    assert wire.ask("AI.TENSORSET k INT8 1") == b"-ERR Replica can't interact with the keyspace\r\n"
    assert wire.ask("RESET") == b"+RESET\r\n"
    assert wire.ask("GET k") == b"$-1\r\n"


# ------------------------------------------------------------------------------------ CLIENT PAUSE


def test_writes_wait_and_reads_do_not(both: tuple[To, To]) -> None:
    for connect in both:
        operator, wire, third = connect(), connect(), connect()
        assert operator.ask("CLIENT PAUSE 1000000 WRITE") == OK
        wire.send(request("SET k v") + request("GET k"))
        third.send(request("MULTI") + request("ECHO x"))
        assert [third.reply(), third.reply()] == [OK, b"+QUEUED\r\n"]
        third.send(request("SET m v") + request("EXEC"))
        assert operator.ask("GET k") == operator.ask("GET m") == b"$-1\r\n"
        assert operator.ask("CLIENT UNPAUSE") == OK
        assert [wire.reply(), wire.reply()] == [OK, b"$1\r\nv\r\n"]
        assert [third.reply(), third.reply()] == [b"+QUEUED\r\n", b"*2\r\n$1\r\nx\r\n+OK\r\n"]


def test_a_pause_ends_by_itself(both: tuple[To, To]) -> None:
    for connect in both:
        wire, other = connect(), connect()
        assert wire.ask("CLIENT PAUSE 30") == OK
        other.send(request("PING") + request("NOPE"))
        assert wire.ask("PING") == other.reply() == b"+PONG\r\n"
        assert other.reply().startswith(b"-ERR unknown command 'NOPE'")


def test_who_leaves_during_a_pause_has_nothing_done(server: Server, connect: Connect) -> None:
    operator, leaving = connect(server), connect(server)
    assert operator.ask("CLIENT PAUSE 1000000 WRITE") == OK
    leaving.send(request("SET k v"))
    number = leaving_number(operator)
    leaving.close()
    while number in operator.ask("CLIENT LIST"):
        pass
    assert operator.ask("CLIENT UNPAUSE") == OK
    assert operator.ask("GET k") == b"$-1\r\n"


def leaving_number(operator: Wire) -> bytes:
    """The entry of the client that waits, once it does."""
    while (found := re.search(rb"(id=\d+) [^\n]* cmd=set ", operator.ask("CLIENT LIST"))) is None:
        pass
    return found[1]


def test_what_fails_after_a_pause_fails_as_ever(wire: Wire, server: Server, connect: Connect) -> None:
    operator = connect(server)
    assert operator.ask("CLIENT PAUSE 1000000 WRITE") == OK
    wire.send(request("INCRBY k x"))
    assert operator.ask("CLIENT UNPAUSE") == OK
    assert wire.reply() == b"-ERR value is not an integer or out of range\r\n"


def test_a_server_that_ends_lets_go_of_who_is_held_up(server: Server, connect: Connect) -> None:
    wire = connect(server)
    assert wire.ask("CLIENT PAUSE 1000000 WRITE") == OK
    wire.send(request("SET k v"))
    connect(server).ask("SHUTDOWN")
    assert wire.reply() == OK


# --------------------------------------------------------------------------------------- all of it


def test_nothing_is_left_of_clients_that_looked_and_are_gone(server: Server, connect: Connect) -> None:
    wire, services = connect(server), server._services
    for words in ("CLIENT TRACKING ON", "CLIENT TRACKING ON BCAST", "MONITOR"):
        looker = connect(server)
        assert looker.ask(words) == OK
        looker.ask("GET k")
        assert wire.ask("SET k v") == OK
        looker.close()
    while len(services.clients) > 1:
        assert wire.ask("PING") == b"+PONG\r\n"
    assert (services.tracking._told, services.tracking._readers, bool(services.monitors)) == ({}, {}, False)
    assert [client.free for client in services.clients.values()] == [True]

"""Channels, and what happens to keys, told on them."""

from collections.abc import Iterator

import pytest

from alula.server import MemoryKeyspace, Server, background
from alula.testing import Clock
from tests.server.redis_server import RedisServer
from tests.server.world import Connect, Wire, request

OK = b"+OK\r\n"


def pushed(*words: str, protocol: int = 2) -> bytes:
    """The bytes of a message of words; of digits alone, a number."""
    mark = b"*" if protocol == 2 else b">"
    body = [
        b":%b\r\n" % word.encode() if word.isdigit() else b"$%d\r\n%b\r\n" % (len(word), word.encode())
        for word in words
    ]
    return mark + b"%d\r\n" % len(words) + b"".join(body)


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_message_reaches_whoever_listens_to_its_channel(
    server: Server, connect: Connect, wire: Wire, protocol: int
) -> None:
    listener = connect(server)
    listener.ask("HELLO", protocol)
    assert listener.ask("SUBSCRIBE news") == pushed("subscribe", "news", "1", protocol=protocol)
    assert listener.ask("PSUBSCRIBE n*") == pushed("psubscribe", "n*", "2", protocol=protocol)
    assert wire.ask("PUBLISH news hello") == b":2\r\n"
    assert listener.reply() == pushed("message", "news", "hello", protocol=protocol)
    assert listener.reply() == pushed("pmessage", "n*", "news", "hello", protocol=protocol)
    assert wire.ask("PUBLISH other hello") == b":0\r\n"
    assert listener.ask("UNSUBSCRIBE") == pushed("unsubscribe", "news", "1", protocol=protocol)
    assert wire.ask("PUBSUB NUMSUB news") == b"*2\r\n$4\r\nnews\r\n:0\r\n"
    assert wire.ask("PUBSUB NUMPAT") == b":1\r\n"


def test_messages_of_one_sender_come_in_order_with_other_replies(wire: Wire) -> None:
    wire.ask("HELLO 3")
    wire.send(request("SUBSCRIBE c") + b"".join(request("PUBLISH", "c", n) for n in range(100)))
    assert wire.reply() == pushed("subscribe", "c", "1", protocol=3)
    for number in range(100):
        assert wire.reply() == b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n%d\r\n" % (len(str(number)), number)
        assert wire.reply() == b":1\r\n"


def test_who_is_gone_listens_to_nothing(server: Server, connect: Connect, wire: Wire) -> None:
    listener = connect(server)
    listener.ask("SUBSCRIBE a")
    listener.ask("PSUBSCRIBE b*")
    listener.send(request("QUIT"))
    assert (listener.reply(), listener.reply()) == (OK, b"")
    while wire.ask("PUBSUB CHANNELS") != b"*0\r\n":
        pass
    assert wire.ask("PUBSUB NUMPAT") == b":0\r\n"
    assert wire.ask("PUBLISH a x") == b":0\r\n"


def test_a_listener_may_be_told_while_it_waits_for_a_reply(
    server: Server, connect: Connect, wire: Wire
) -> None:
    listener = connect(server)
    listener.ask("HELLO 3")
    listener.ask("SUBSCRIBE c")
    listener.send(request("DEBUG SLEEP 0.05"))
    while wire.ask("PUBLISH c x") != b":1\r\n":
        pass
    assert listener.reply() == pushed("message", "c", "x", protocol=3)
    assert listener.reply() == OK


# --------------------------------------------------------------------------------- notifications

CHANGES = """
    set k v|set k v ex 100|setex k 100 v|psetex k 100000 v|setnx n v|getset k w|append k x|mset a 1 b 2
    incr c|decrby c 2|expire k 100|persist k|expire k -1|pexpireat a 99999999999000|rename a d
    renamenx b e|getdel d|del e nope|rpush l 1 2|lpush l 0|lpop l|rpop l 2|hset h f 1 g 2|hmset h f 2
    hdel h f nope|hdel h g|set s v keepttl|unlink s k c|set m v|flushall|rpush l x|expire l 100
    rename l l2|set l2 v|sadd s1 a b|sadd s1 a|srem s1 a x|srem s1 b|sadd s2 a b c|smove s2 s3 a|smove s2 s3 a
    sunionstore s4 s2 s3|sinterstore s5 s2 s4|sdiffstore s6 s4 s5|sinterstore s6 s2 s3|spop s3|spop s2 5
    copy s4 s7|getex l2 ex 100|getex l2 persist|getex l2|getex l2 exat 1|incrbyfloat f 1.5|setrange r 0 abc
    hincrby hh f 2|hincrbyfloat hh f 2|hsetnx hh f 1|hsetnx hh g 1|msetnx q1 a q2 b|rpush ll a b c d
    linsert ll before c x|lset ll 0 A|lrem ll 1 b|ltrim ll 0 1|lmove ll lm left right|rpoplpush ll lm
    lpushx ll a|lpushx lm a|rpushx lm b|ltrim lm 5 6
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server.port
    server.kill()


@pytest.mark.parametrize("classes", ["KEA", "Kg", "E$lx", "KEh", "Es", "A", "K"])
def test_what_happens_to_plain_keys_is_told_as_redis_tells_it(
    redis: int, server: Server, connect: Connect, classes: str
) -> None:
    heard = [told(redis, classes), told(server.port, classes)]
    assert heard[0] == heard[1]
    assert (len(heard[0]) > 1) == (classes not in ("A", "K"))


def told(port: int, classes: str) -> list[bytes]:
    """What a listener hears of CHANGES."""
    listener, wire = Wire(port), Wire(port)
    wire.ask("FLUSHALL")
    assert wire.ask("CONFIG", "SET", "notify-keyspace-events", classes) == OK
    listener.ask("PSUBSCRIBE *")
    for words in CHANGES.replace("\n", "|").split("|"):
        if words.strip():
            assert not wire.ask(words.strip()).startswith(b"-")
    wire.ask("PUBLISH end x")
    heard: list[bytes] = []
    while not heard or b"$3\r\nend\r\n" not in heard[-1]:
        heard.append(listener.reply())
    listener.close()
    wire.close()
    return heard


@pytest.fixture
def listener(models: Server, connect: Connect) -> Wire:
    """Hears of all events of keys."""
    made = connect(models)
    assert made.ask("CONFIG SET notify-keyspace-events EA") == OK
    made.ask("PSUBSCRIBE *")
    return made


def event(name: str, key: str) -> bytes:
    return pushed("pmessage", "*", f"__keyevent@0__:{name}", key)


def test_tensors_models_and_what_a_dag_stores_are_told(
    wire: Wire, listener: Wire, blobs: dict[str, bytes]
) -> None:
    assert wire.ask("AI.TENSORSET a FLOAT 1 VALUES 2") == OK
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", blobs["mul"]) == OK
    assert wire.ask(
        "AI.DAGRUN MODELRUN m INPUTS a a OUTPUTS b => MODELRUN m INPUTS b ~x~ OUTPUTS c"
    ).startswith(b"-")
    wire.ask("AI.DAGRUN MODELRUN m INPUTS a a OUTPUTS b => MODELRUN m INPUTS a b OUTPUTS c")
    assert wire.ask("AI.MODELDEL m") == OK
    expected = [("tensorset", "a"), ("modelstore", "m"), ("tensorset", "b"), ("tensorset", "c"), ("del", "m")]
    assert [listener.reply() for _ in expected] == [event(*each) for each in expected]


def test_nothing_volatile_is_told(wire: Wire, listener: Wire) -> None:
    wire.ask("AI.DAGRUN TENSORSET ~a~ INT8 1 => TENSORSET b INT8 1")
    assert listener.reply() == event("tensorset", "b")


def test_what_expires_is_told_though_nobody_asks() -> None:
    clock = Clock(1000.0)
    with background(Server(port=0, clock=clock, keyspace=MemoryKeyspace(clock))) as server:
        wire, listener = Wire(server.port), Wire(server.port)
        assert wire.ask("CONFIG SET notify-keyspace-events Ex") == OK
        listener.ask("PSUBSCRIBE *")
        wire.ask("SET k v PX 500")
        clock.advance(1)
        assert listener.reply() == event("expired", "k")
        wire.close()
        listener.close()


@pytest.mark.parametrize("classes", ["", "K", "E", "Kx", "g$lshzxetd"])
def test_classes_that_are_not_asked_for_are_not_told(
    wire: Wire, server: Server, connect: Connect, classes: str
) -> None:
    listener = connect(server)
    wire.ask("CONFIG", "SET", "notify-keyspace-events", "KEA")
    wire.ask("CONFIG", "SET", "notify-keyspace-events", classes)
    listener.ask("PSUBSCRIBE *")
    wire.ask("SET k v")
    wire.ask("PUBLISH c x")
    assert listener.reply() == pushed("pmessage", "*", "c", "x")

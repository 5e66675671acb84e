"""The same commands to a real Redis and to ours: the same bytes come back.

Names are written in lower case where an error text shows one: Redis shows it so, we as the client wrote it.
"""

from collections.abc import Iterator
from typing import Any

import hiredis
import pytest

from tests.server.redis_server import RedisServer
from tests.server.world import Wire

SCRIPTS = {
    "strings": """
        get k|set k v|get k|GET k|set k w nx|set k w xx|get k|set new v xx|set k 2 get|set new 1 get nx
        get new|set k v ex 100 keepttl|set k v ex 0|set k v ex -1|set k v px x
        set k v ex 9223372036854775807|set k v ex|set k v nx xx|set k v exat 99999999999 nope
        set k v exat 99999999999|expiretime k|set k w keepttl|expiretime k|set k w pxat 99999999999123
        pexpiretime k|set k u|expiretime k|set k v ex 10 px 10|set k v px 0|setex k 0 v|setex k -1 v
        setex k x v|setex k 100 v|get k|psetex k 0 v|psetex k 100000 v|setnx k v|setnx n v|mset a 1 b 2
        mset a|mset a 1 b|mget a b nope h|strlen a|strlen nope|getset a 5|getset nope2 5|getdel a
        getdel a|append s abc|append s def|get s|set a k|get|get a b|set k|strlen
    """,
    "numbers": """
        incr n|incr n|incrby n 10|decr n|decrby n 5|incrby n x|incrby n 1.5|incrby n -3|get n|set s x
        incr s|decr s|set m 9223372036854775807|incr m|decr m|set m -9223372036854775808|decr m
        incrby m -1|decrby m 1|decrby n -9223372036854775808|set z 01|incr z|set z +1|incr z|set z -0
        incr z|incrby n 9223372036854775808|expire n 100|incr n|persist n
    """,
    "lists": """
        rpush l a b c|lpush l x y|lrange l 0 -1|lrange l 1 2|lrange l -2 -1|lrange l -100 100
        lrange l 5 10|lrange l 2 1|lrange l -1 -3|lrange l x 1|lrange l 0 y|lrange nope 0 -1|llen l
        llen nope|lpop l|rpop l|lpop l 2|rpop l 0|lpop nope|lpop nope 2|lpop nope 0|lpop l -1|lpop l x
        rpop l 100|exists l|type l|lpop l|set s v|rpush s x|lrange s 0 1|llen s|lpop s|lpop s 1
        lpop l 1 2|rpush l|lrange l 0|rpush l 1|expire l 100|rpush l 2|persist l|rpop l 1
    """,
    "hashes": """
        hset h f 1 g 2|hset h f 3 i 4|hset h f|hset h f 1 g|hget h f|hget h nope|hget nope f
        hmget h f nope g|hmget nope f|hlen h|hlen nope|hkeys h|hvals h|hgetall h|hgetall nope
        hexists h f|hexists h nope|hdel h f nope|hdel nope f|hmset h a 1 b 2|hmset h a|hdel h g i a b
        exists h|type h|set s v|hset s f v|hget s f|hgetall s|hlen s|hdel s f|hkeys s|hvals s|hmget s f
        hexists s f|hset l a b|get l|incr l|append l x|strlen l|getset l x|getdel l|set l x get|hget h
        hset|hgetall h x
    """,
    "keys": """
        dbsize|set a 1|set b 2|rpush c x|hset d f v|dbsize|exists a b c nope a|type a|type c|type d
        type nope|touch a b nope|del a a|unlink b nope|exists a b|keys c|keys nope*|keys [c]*
        rename nope x|rename c c|rename c e|type e|exists c|renamenx e d|renamenx e f|renamenx nope f
        renamenx nope nope|renamenx f f|rename f d|type d|set x 1 ex 100|rename x y|persist y
        randomkey x|flushdb nope|flushall sync async|flushdb async|dbsize|randomkey|keys|del|exists
        rename a|flushall|object encoding nope|set i 12|object encoding i|set i abc|object encoding i
        set i 0123|object encoding i|set i 12345678901234567890|object encoding i|rpush l a
        object encoding l|hset h f v|object encoding h|object refcount i|object refcount nope
        object freq nope|object freq i|object nope|object encoding|object|object encoding a b
        swapdb 0 0|swapdb x 0|swapdb 0 x|swapdb 99 0|swapdb 0
    """,
    "expiry": """
        expire nope 10|set k v|ttl k|pttl k|ttl nope|pttl nope|expiretime k|expiretime nope
        pexpiretime nope|expire k 100|expireat k 99999999999|expiretime k|pexpiretime k
        pexpireat k 99999999999499|expiretime k|pexpireat k 99999999999500|expiretime k|persist k
        persist k|persist nope|expire k x|expire k 10 nope|expire k 10 nx xx|expire k 10 gt lt
        expire k 10 nx gt|expire k 10 xx|expire k 100 gt|expireat k 99999999990 lt
        expireat k 99999999991 lt|expireat k 99999999980 gt|expireat k 99999999995 gt
        expireat k 99999999999 nx|expireat k 99999999998 xx|expiretime k|expire k 9223372036854775807
        expire k -9223372036854775807|expire k 9223372036854775|pexpire k 9223372036854775807
        expireat k 1|exists k|set k v|expire k -1|exists k|set k v|pexpire k 0|exists k|expire k|ttl
        persist|expire k 10 xx lt|set k v|expire k 10 lt|persist k|expire k 10 xx gt|pexpireat k 0
        get k
    """,
    "scan": """
        scan 0|scan x|scan 0 count 0|scan 0 count x|scan 0 match|scan 0 nope x|set a 1
        scan 0 match b* count 100|scan 0 type string|scan 0 type list|scan 0 type nope
        scan 0 match a type STRING count 5|scan|scan 18446744073709551616
    """,
    "transactions": """
        exec|discard|multi|multi|watch k|set k v|incr n|get|exec|multi|set k v|incr k|get k|lpop nope 1
        exec|get k|multi|discard|watch a b|set a 1|multi|set b 2|exec|get b|watch a|unwatch|set a 2
        multi|set b 3|exec|get b|watch a|multi|discard|multi x|watch|exec x|multi|nope|exec|multi|exec
        multi|client nope|exec|multi|client id x|exec|multi|shutdown|exec|multi|ping|echo x|hgetall h
        select 0|object encoding nope|exec|watch a|expire a 100|multi|exec|watch nope|multi|exec
    """,
    "connection": """
        ping|ping x|ping x y|echo x|echo|echo x y|select 0|select x|select -1|select 99999
        client getname|client setname me|client getname|client setname 'a b'|client nope|client
        client id x|client setname|client no-evict on|client no-evict x|client getredir
        client kill 1.2.3.4:5|client kill id 99999|client kill id x|client kill id 1 addr
        client kill nope x|client kill type nope|client kill skipme maybe
        client kill id 9999 addr x:1 laddr y:1|client list type nope|client list id x|client list nope
        client list id 999999|client kill user nope|auth x|auth default x|auth a b c|hello 1|hello x
        hello 2 nope|nope|nope a b|reset|quit
    """,
    "server": """
        config get|config set|config set a|config nope|config get a b c|time x|lastsave x|debug
        debug sleep 0|debug sleep x|debug object nope|save x|slowlog nope|slowlog len|slowlog get -2
        slowlog get x|slowlog get 0|slowlog reset|slowlog get|slowlog|slowlog len x|slowlog get 1 2
        role|command nope|command count x|command getkeys|command getkeys nope|command getkeys get
        command getkeys ping|command getkeys mset a 1 b 2|command getkeys get a|command getkeys del a b
        command getkeys config get x|command info nope|command list filterby
        command list filterby nope x|wait 0 0|wait x 0|wait 0 x|wait 0 -1|wait|shutdown nope|eval
        module nope|module|config rewrite|config resetstat|role x|swapdb
    """,
    "pubsub": """
        publish c m|publish c|pubsub nope|pubsub channels|pubsub numsub|pubsub numsub a b|pubsub numpat
        pubsub channels a b|pubsub numpat x|pubsub|unsubscribe|unsubscribe a|punsubscribe|subscribe
        subscribe a b|psubscribe p*|get k|ping|ping x|subscribe a|publish a x|unsubscribe b
        unsubscribe nope|unsubscribe|punsubscribe|ping|multi|subscribe x|exec|ping|set k v|reset
        set k v
    """,
}  # fmt: skip

MANY = {"subscribe a b": 2}  # replies to one command


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--enable-debug-command", "yes")
    yield server.port
    server.kill()


@pytest.fixture
def theirs(redis: int) -> Iterator[Wire]:
    wire = Wire(redis)
    assert wire.ask("FLUSHALL") == b"+OK\r\n"
    yield wire
    wire.close()


def lines(script: str) -> list[str]:
    return [line.strip() for part in script.splitlines() for line in part.split("|") if line.strip()]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", SCRIPTS)
def test_replies_are_those_of_redis(theirs: Wire, wire: Wire, name: str, protocol: int) -> None:
    for each in (theirs, wire):
        each.ask("HELLO", protocol)
        each.ask("CONFIG SET slowlog-log-slower-than -1")  # on a busy machine anything may be slow
    differ = []
    for line in lines(SCRIPTS[name]):
        words = line.replace("'a b'", "a_b").split()
        words = [word.replace("a_b", "a b") for word in words]
        expected, got = theirs.ask(*words), wire.ask(*words)
        for _ in range(MANY.get(line, 1) - 1):
            expected, got = expected + theirs.reply(), got + wire.reply()
        if got != expected:
            differ.append((line, expected, got))
    assert differ == []


def test_commands_are_described_as_redis_describes_them(theirs: Wire, wire: Wire) -> None:
    """Name, number of words, flags, positions of keys and categories; of all that Redis has, too."""
    names = [str(name) for name in read(wire.ask("COMMAND LIST"))]
    differ = []
    for name in names:
        (expected,), (got,) = (read(each.ask("COMMAND", "INFO", name)) for each in (theirs, wire))
        if expected is not None and name not in NOT_IN_TRANSACTIONS and described(got) != described(expected):
            differ.append((name, described(expected), described(got)))
    assert differ == []
    assert len(names) > 90


NOT_IN_TRANSACTIONS = {"bgsave", "bgrewriteaof"}  # ours save at once, and half a transaction must not be


def read(reply: bytes) -> Any:
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(reply)
    return reader.gets()


def described(entry: list[Any]) -> list[Any]:
    """What can be compared: the order of flags and categories says nothing."""
    name, arity, flags, first, last, step, categories, *_ = entry
    return [name, arity, sorted(flags), first, last, step, sorted(categories)]

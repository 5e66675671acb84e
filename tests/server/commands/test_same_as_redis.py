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
    "parts": """
        getrange s 0 1|set s hello|getrange s 0 1|getrange s -3 -1|getrange s 0 -100|getrange s 3 1
        getrange s -1 -3|getrange s -100 100|getrange s 5 9|getrange s x 1|getrange s 1 x|substr s 1 2
        setrange s 1 XY|get s|setrange s 8 end|get s|setrange n 3 a|get n|setrange m 3 '' |setrange s 0 ''
        exists m|setrange s -1 a|setrange s x a|setrange s 536870912 a|expire s 100|setrange s 0 J|persist s
        rpush l a|getrange l 0 1|setrange l 0 a|setrange l 0 ''|msetnx a 1 b 2|msetnx b 3 c 4|mget a b c
        msetnx|msetnx a|msetnx a 1 b|msetnx l 1 q 2|getex s|getex nope|getex s ex 100|persist s
        getex s persist|getex s px 100000|getex s persist|persist s|getex s exat 99999999999|expiretime s
        getex s ex 0
        getex s ex x|getex s ex|getex s nope|getex s persist ex|getex s ex 10 px 10|getex nope ex 0
        getex s exat 1|exists s|getex l|getex l ex 0|getex
    """,
    "floats": """
        incrbyfloat f 0.1|incrbyfloat f 0.2|incrbyfloat f -0.3|set f 5.0e3|incrbyfloat f 2.0e2|get f
        incrbyfloat f x|incrbyfloat f inf|incrbyfloat f nan|incrbyfloat f 1e5000|incrbyfloat f 1e-6000
        incrbyfloat f 0x10|incrbyfloat f 1e|incrbyfloat f .5|incrbyfloat f 5.|incrbyfloat f .
        incrbyfloat f +1
        incrbyfloat f 0x|incrbyfloat f 0x1.8p3|incrbyfloat f 1e99999999999999999999
        incrbyfloat f ' 1'|set f 1e300|incrbyfloat f 1|set f 3
        incrbyfloat f -3|incrbyfloat f 1e-30|incrbyfloat f 1e-17|incrbyfloat f 0.1234567890123456789
        set f abc|incrbyfloat f 1
        rpush l a|incrbyfloat l 1|incrbyfloat|expire f 100|set g 1.5 ex 100|incrbyfloat g 1|persist g
        incrbyfloat big 17179869184.00000001|incrbyfloat big 0.00000001|incrbyfloat m -1.5|incrbyfloat m 0.5
        set i inf|incrbyfloat i 1|set i -inf|incrbyfloat i inf|set e ''|incrbyfloat e 1|incrbyfloat q ''
        hincrbyfloat h f 10.5|hincrbyfloat h f 0.1|hincrbyfloat h f -5|hincrbyfloat h g 5.0e3|hget h f
        hset h x abc|hincrbyfloat h x 1|hincrbyfloat h f x|hincrbyfloat h f inf|hincrbyfloat h f nan
        hincrbyfloat l f 1|hincrbyfloat h f 1e4932|hincrbyfloat h f 1e4932|hincrbyfloat k f 1|hgetall k
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
    "edits": """
        rpush l a b c b a|lindex l 0|lindex l -1|lindex l 5|lindex l -6|lindex l x|lindex nope 0
        lindex nope x
        lset l 0 A|lset l -1 Z|lset l 5 x|lset l x y|lset nope 0 a|lrange l 0 -1|linsert l before c n
        linsert l AFTER c m|linsert l nope c m|linsert l before q m|linsert nope before a b|lrange l 0 -1
        lrem l 1 b|lrem l -1 b|lrem l 0 q|lrem l x a|lrem nope 1 a|lrange l 0 -1|rpush r a b a b a
        lrem r -2 a|lrange r 0 -1|lrem r 0 b|lrem r 0 a|exists r|rpush t 1 2 3 4 5|ltrim t 1 3|lrange t 0 -1
        ltrim t -2 -1|lrange t 0 -1|ltrim t 5 9|exists t|ltrim nope 0 1|ltrim nope x 1|rpush t 1 2
        ltrim t 1 0
        exists t|rpush t 1 2|ltrim t 0 100|ltrim t -100 0|lrange t 0 -1|lpushx nope a|rpushx nope a
        lpushx t x y|rpushx t z|lrange t 0 -1|rpush p a b c d b b b|lpos p b|lpos p b rank 2
        lpos p b rank -1
        lpos p b rank -5|lpos p b count 0|lpos p b count 2|lpos p b count 2 rank -1|lpos p b rank 3 count 0
        lpos p b count 0 maxlen 3|lpos p b maxlen 1|lpos p d rank -1 maxlen 3|lpos p d rank -1 maxlen 4
        lpos p q|lpos p q count 0|lpos nope a|lpos nope a count 1|lpos p b rank 0|lpos p b rank x
        lpos p b count -1|lpos p b count x|lpos p b maxlen -1|lpos p b rank|lpos p b nope 1|lpos p b rank 9
        lpos p b rank 100 count 0|lmove p t left right|lmove p t right left|lmove p p left right
        lmove p n nope left|lmove nope p left left|lmove nope p x y|lrange p 0 -1|lrange t 0 -1
        rpoplpush p t
        rpoplpush nope t|rpoplpush p p|rpush one x|lmove one two left left|exists one
        lmove two two left right
        lrange two 0 -1|set s v|lmove t s left left|lmove s t left left|rpoplpush s t|rpoplpush t s
        lindex s 0|lset s 0 a|ltrim s 0 1|lrem s 0 a|linsert s before a b|lpos s a|lpushx s a|rpushx s a
        lmove|linsert l before a|lpos l|lset l 0|ltrim l 0|lrem l 0
    """,
    "sets": """
        sadd s a b c a|sadd s a|scard s|scard nope|sismember s a|sismember s q|sismember nope a
        smismember s a q b|smismember nope a b|smembers s|smembers nope|srem s a q|srem nope a|srem s b c
        exists s|sadd i 3 1 2|smembers i|type i|object encoding i|sadd i x|object encoding i|sadd i 2
        spop nope|spop nope 1|spop nope 0|spop i 0|spop i -1|spop i x|spop i 1 2|spop i 100|exists i
        sadd o x|spop o|exists o|sadd o x|srandmember o|srandmember o 5|srandmember o -3|srandmember o 0
        srandmember nope|srandmember nope 1|srandmember nope -1|srandmember o x|srandmember o 1 2|spop o 1
        sadd a 1 2 3 4|sadd b 3 4 5|sadd c 4|sunion a b|sinter a b|sdiff a b|sunion a|sinter a nope
        sdiff nope a|sdiff a nope|sinter a b c|sunion nope|sinter nope|sdiff a a|sunionstore d a b
        smembers d
        sinterstore d a b|smembers d|sdiffstore d a b|smembers d|sinterstore d a nope|exists d
        set str v|sadd str a|srem str a|smembers str|scard str|sismember str a|smismember str a|spop str
        spop str 1|srandmember str|srandmember str 1|sunion a str|sinter nope str|sdiff a str
        sinter str nope
        sunionstore d a str|sunionstore str a|smembers str|set str v|sdiffstore str nope|exists str
        smove a b 1|smove a b 1|smove a nope 2|smove nope a 1|smove a a 3|smove a a q|smembers nope
        smembers a
        set str v|smove a str 3|smove str a 3|smove nope str 3|smove c z 4|exists c|sintercard 2 a b
        sintercard 2 a b limit 1|sintercard 1 a|sintercard 0 a|sintercard x a|sintercard 3 a b
        sintercard 1 a limit -1|sintercard 1 a limit x|sintercard 1 a nope 1|sintercard 1 a limit
        sintercard 1
        sintercard 1 str|sintercard 2 nope a|sintercard 1 a limit 0|command getkeys sintercard 2 a b limit 1
        command getkeys sunionstore d a b|expire a 100|sadd a 9|persist a|sadd|sadd s|smove a b|sunion
        object encoding s|sadd s 01|object encoding s|object encoding a|copy a a2|smembers a2|rename a2 a3
        scard a3|sadd l x|lpop l|hget l x|get l|rpush q a|sadd q b
    """,
    "hashes": """
        hset h f 1 g 2|hset h f 3 i 4|hset h f|hset h f 1 g|hget h f|hget h nope|hget nope f
        hmget h f nope g|hmget nope f|hlen h|hlen nope|hkeys h|hvals h|hgetall h|hgetall nope
        hexists h f|hexists h nope|hdel h f nope|hdel nope f|hmset h a 1 b 2|hmset h a|hdel h g i a b
        exists h|type h|set s v|hset s f v|hget s f|hgetall s|hlen s|hdel s f|hkeys s|hvals s|hmget s f
        hexists s f|hset l a b|get l|incr l|append l x|strlen l|getset l x|getdel l|set l x get|hget h
        hset|hgetall h x|hset n a 5|hincrby n a 3|hincrby n a -10|hincrby n b 7|hincrby n a x
        hincrby n a 1.5
        hset n t text|hincrby n t 1|hincrby m a 1|hgetall m|hset n big 9223372036854775807|hincrby n big 1
        hincrby l a 1|hsetnx n a 1|hsetnx n new 1|hsetnx k a 1|hget k a|hsetnx l a 1|hstrlen n t
        hstrlen n nope|hstrlen nope t|hstrlen l t|hset z big 01|hincrby z big 1|hrandfield k|hrandfield nope
        hrandfield k 1|hrandfield k -2|hrandfield k 5 withvalues|hrandfield k -2 withvalues|hrandfield k 0
        hrandfield nope 1|hrandfield k x|hrandfield k 1 nope|hrandfield k 1 withvalues x|hrandfield l
        hrandfield l 1|hrandfield|hincrby n a
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
        set a 1 ex 100|copy a b|ttl b|copy a b|copy a b replace|copy a a|copy nope b|copy a c db 0
        copy a c db x|copy a c db|copy a c nope|copy a c replace db 0|rpush cl 1 2|copy cl a
        copy cl a replace
        lpush a 0|lrange cl 0 -1|hset ch f v|copy ch chc|hset chc f w|hget ch f|copy|copy a
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
        hset h a 1 b 2 c 3|hscan h 0|hscan h 0 match [ab]|hscan h 0 match q* count 100|hscan nope 0
        hscan h x
        hscan h 0 count 0|hscan h 0 count x|hscan h 0 match|hscan h 0 type hash|hscan h 0 nope x
        hscan nope x
        hscan nope 0 nope x|hscan a 0|hscan h|hscan h 18446744073709551616|sadd s 1 2 3|sscan s 0
        sscan s 0 match 1|sscan nope 0|sscan s x|sscan s 0 count 0|sscan s 0 type set|sscan h 0|sscan a 0
        hscan s 0|sscan s|sscan nope 0 nope|sadd t x|sscan t 0|sscan t 0 count 5 match x
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
    "clients": """
        client tracking|client tracking nope|client tracking on nope|client tracking off|client getredir
        client trackinginfo|client tracking on prefix a|client tracking on optin optout
        client tracking on bcast optin|client tracking on redirect 99999|client tracking on redirect x
        client tracking on redirect 9 redirect 2|client tracking on|client trackinginfo|client getredir
        client tracking on bcast|client tracking on optin|client caching yes|client caching no
        client caching x
        client tracking off|client caching yes|client tracking on optin|client trackinginfo
        client caching yes
        client trackinginfo|ping|client trackinginfo|client caching no|client tracking on optout
        client tracking off|client tracking on optout|client caching no|client caching yes
        client trackinginfo
        client tracking off|client tracking on bcast prefix a prefix b|client tracking on bcast prefix ab
        client trackinginfo|client tracking on bcast prefix c|client trackinginfo|client tracking off
        client tracking on bcast prefix a prefix ab|client tracking on bcast noloop|client trackinginfo
        client tracking off|client trackinginfo|client tracking on prefix|client tracking on redirect
        client tracking on noloop|client trackinginfo|client tracking off redirect 9999
        client tracking off prefix a|client tracking off bcast optin|client tracking|client caching
        client pause|client pause x|client pause -1|client pause 10 nope|client pause 0|client pause 1 write
        client pause 1 all|ping|client unpause|client unpause x|client pause 99999999999999999999
        client pause 9223372036854775807 write|get k|client unpause|set k v|client reply|client reply x
        client reply on|multi|monitor|exec|monitor x|monitor|get k|set k v
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

QUOTED = {"'a_b'": "a b", "'_1'": " 1", "''": ""}
UNORDERED = {"smembers", "sunion", "sinter", "sdiff", "sscan", "spop"}
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
        words = [
            QUOTED.get(word, word) for word in line.replace("'a b'", "'a_b'").replace("' 1'", "'_1'").split()
        ]
        expected, got = theirs.ask(*words), wire.ask(*words)
        for _ in range(MANY.get(line, 1) - 1):
            expected, got = expected + theirs.reply(), got + wire.reply()
        if line.split()[0] in UNORDERED:
            expected, got = [b"\r\n".join(sorted(each.split(b"\r\n"))) for each in (expected, got)]
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

"""Keys out of one keyspace and into another, through files of commands and a Redis' snapshots."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from redis import Redis

from alula.errors import CommandError, SettingError, StoreUnavailableError
from alula.server import (
    DurableKeyspace,
    RedisKeyspace,
    Server,
    background,
    export_keys,
    import_keys,
)
from alula.server._checksum import crc64
from alula.server._clients._connect import reached
from alula.server._dump import Dumped, body, undump
from alula.server._forms import ModelForm, ScriptForm
from alula.server._moving._rebuilding import rebuilding
from alula.server._moving._snapshots import snapshot
from alula.server._rdb import length, string
from alula.server._tensors import DTYPES, Tensor
from tests.server.dumped import facts, values
from tests.server.redis_server import RedisServer
from tests.server.test_dump import WORKED, module
from tests.server.world import MUL, Connect, Wire, request

OK = b"+OK\r\n"
LATER = 4_000_000_000_000  # ms
MODEL = ("AI.MODELSTORE", "m", "ONNX", "cpu", "TAG", "v1", "BATCHSIZE", 4, "MINBATCHSIZE", 2, "BLOB", MUL)
PLAIN = ("SET s text", "RPUSH l a b c", "HSET h f v g w", "SADD t x y", f"PEXPIREAT s {LATER}", "SET n 12")
LOOKS = (
    "AI.TENSORGET x", "AI.TENSORGET words VALUES", "AI.TENSORGET scalar", "AI.MODELGET m", "GET s", "GET n",
    "LRANGE l 0 -1", "HGETALL h", "PEXPIRETIME s", "PEXPIRETIME x", "SCARD t", "DBSIZE", "EXISTS gone",
)  # fmt: skip


def fill(wire: Wire) -> list[bytes]:
    """Put a key of each kind there; give what is seen of them."""
    for command in PLAIN:
        assert not wire.ask(command).startswith(b"-")
    assert wire.ask("AI.TENSORSET", "x", "FLOAT", 2, "BLOB", b"\r\n\0\1*2\r\n") == OK
    assert wire.ask("AI.TENSORSET words STRING 2 VALUES one two") == OK
    assert wire.ask("AI.TENSORSET scalar DOUBLE VALUES 0.5") == OK
    assert wire.ask(*MODEL) == OK
    assert wire.ask("SET gone x") == OK
    assert wire.ask("PEXPIREAT gone 1") == b":1\r\n"
    return looks(wire)


def looks(wire: Wire) -> list[bytes]:
    return [wire.ask(words) for words in LOOKS]


@pytest.fixture
def other(connect: Connect) -> Iterator[tuple[str, Wire]]:
    """An empty server: its URL, and a connection."""
    with background(Server(port=0)) as server:
        yield f"redis://127.0.0.1:{server.port}", connect(server)


# -------------------------------------------------------------------------------- from and to servers


def test_the_keys_of_a_server_come_back_in_another(
    server: Server, wire: Wire, other: tuple[str, Wire], tmp_path: Path
) -> None:
    seen = fill(wire)
    file = tmp_path / "keys.aof"
    assert export_keys(f"redis://127.0.0.1:{server.port}", file) == 9
    assert [each.name for each in tmp_path.iterdir()] == ["keys.aof"]
    url, empty = other
    for _ in range(2):  # a second time nothing doubles
        assert import_keys(file, url).refused == []
        assert looks(empty) == seen


def test_any_client_can_replay_the_file(
    server: Server, wire: Wire, other: tuple[str, Wire], tmp_path: Path
) -> None:
    seen = fill(wire)
    export_keys(f"redis://127.0.0.1:{server.port}", tmp_path / "keys.aof", chunk=50)
    url, empty = other
    command = ["redis-cli", "-u", url, "--pipe"]
    with (tmp_path / "keys.aof").open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=True, timeout=150)
    assert "errors: 0" in done.stdout
    assert looks(empty) == seen


def test_redis_replays_what_is_plain(
    server: Server, wire: Wire, shared_redis: RedisServer, tmp_path: Path
) -> None:
    fill(wire)
    shared_redis.empty()
    export_keys(f"redis://127.0.0.1:{server.port}", tmp_path / "keys.aof")
    with Redis(port=shared_redis.port, decode_responses=True) as client:
        moved = import_keys(tmp_path / "keys.aof", shared_redis.url)
        assert sorted(line.partition(":")[0] for line in moved.refused) == [
            *("AI.MODELSTORE m", "AI.TENSORSET scalar", "AI.TENSORSET words", "AI.TENSORSET x"),
        ]
        assert (client.get("s"), client.lrange("l", 0, -1), client.hgetall("h"), client.smembers("t")) == (
            *("text", ["a", "b", "c"], {"f": "v", "g": "w"}, {"x", "y"}),
        )
        assert client.pexpiretime("s") == LATER


def test_the_keys_that_a_redis_has(connect: Connect, shared_redis: RedisServer, tmp_path: Path) -> None:
    shared_redis.empty()
    with background(Server(port=0, keyspace=RedisKeyspace(shared_redis.url))) as server:
        wire = connect(server)
        seen = fill(wire)
        assert export_keys(f"redis://127.0.0.1:{server.port}", tmp_path / "keys.aof") == 9
        shared_redis.empty()
        assert import_keys(tmp_path / "keys.aof", f"redis://127.0.0.1:{server.port}").refused == []
        assert looks(wire) == seen


def test_a_server_of_before_says_only_how_long_a_key_has(
    start_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    redis = start_redis("--rename-command", "PEXPIRETIME", "")
    with Redis(port=redis.port) as client:
        client.set("s", "x", pxat=LATER)
        export_keys(redis.url, tmp_path / "keys.aof")
    last = (tmp_path / "keys.aof").read_bytes().split()[-1]
    assert abs(int(last) - LATER) < 10_000


def test_the_file_of_a_server_that_runs(connect: Connect, other: tuple[str, Wire], tmp_path: Path) -> None:
    kept = tmp_path / "keyspace.db"
    url, empty = other
    with background(Server(port=0, keyspace=DurableKeyspace.open(kept))) as server:
        seen = fill(connect(server))
        assert export_keys(str(kept), tmp_path / "keys.aof") == 9
        assert import_keys(kept, url).refused == []
    assert looks(empty) == seen
    before = (tmp_path / "keys.aof").read_bytes()
    assert export_keys(str(kept), tmp_path / "keys.aof") == 9
    assert (tmp_path / "keys.aof").read_bytes() == before


def test_what_cannot_be_had_is_named_and_nothing_written(shared_redis: RedisServer, tmp_path: Path) -> None:
    shared_redis.empty()
    with Redis(port=shared_redis.port) as client:
        client.zadd("scores", {"a": 1})
    (tmp_path / "keys.aof").write_text("before")
    with pytest.raises(CommandError, match="'scores' holds a zset that cannot be had here"):
        export_keys(shared_redis.url, tmp_path / "keys.aof")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["before"]


def test_what_is_refused_is_told_and_the_rest_goes_on(other: tuple[str, Wire], tmp_path: Path) -> None:
    url, empty = other
    commands = [
        "SET a 1",
        "AI.MODELSTORE m TFLITE CPU BLOB x",
        "MULTI",
        "SET b 2",
        "EXEC",
        "SELECT 0",
        "INCR l",
    ]
    (tmp_path / "keys.aof").write_bytes(b"".join(map(request, commands)) + b"#TS:17\r\n" + request("SET c 3"))
    moved = import_keys(tmp_path / "keys.aof", url)
    assert (moved.commands, moved.refused) == (4, ["AI.MODELSTORE m: Could not load backend"])
    assert empty.ask("MGET a b c") == b"*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (request("SET a 1") + b"*3\r\n$3\r\nSET\r\n$1\r\nb", "ends in the middle of a command"),
        (request("SET a 1") + b"*1\r\n+x\r\n", "damaged: Protocol error: expected"),
        (b"SET a 1\r\n", "neither a file of values nor a snapshot"),
        (b"", "neither a file of values nor a snapshot"),
    ],
)
def test_a_file_that_is_damaged(other: tuple[str, Wire], tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "keys").write_bytes(data)
    with pytest.raises(CommandError, match=why):
        import_keys(tmp_path / "keys", other[0])


def test_a_model_may_take_any_time_to_load() -> None:
    with reached("redis://localhost") as client:
        assert isinstance(client, Redis)
        assert client.get_connection_kwargs()["socket_timeout"] is None


def test_nothing_is_sent_twice(tmp_path: Path) -> None:
    """A client that tries again by itself would append to a list what is in it already."""
    (tmp_path / "keys").write_bytes(request("RPUSH l a"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked = list[bytes]()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        while (data := connection.recv(1000)) and b"RPUSH" not in data:
                            connection.sendall(b"+OK\r\n" * data.count(b"SETINFO"))
                        asked.append(data)

        thread = Thread(target=accept, daemon=True)
        thread.start()
        with pytest.raises(StoreUnavailableError):
            import_keys(tmp_path / "keys", f"redis://127.0.0.1:{listener.getsockname()[1]}?protocol=2")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(150)
    assert len(asked) == 1


def test_who_is_not_there(tmp_path: Path) -> None:
    nobody = "redis://:secret@127.0.0.1:1"
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1") as caught:
        export_keys(nobody, tmp_path / "keys")
    assert "secret" not in str(caught.value)
    with pytest.raises(SettingError, match="url"):
        export_keys("nonsense://:secret@h", tmp_path / "keys")
    with pytest.raises(FileNotFoundError):
        import_keys(tmp_path / "nothing", nobody)
    (tmp_path / "bad.db").write_bytes(b"SQLite format 3\0" + b"x" * 100)
    with pytest.raises(StoreUnavailableError, match=r"bad\.db"):
        export_keys(str(tmp_path / "bad.db"), tmp_path / "keys")
    assert not (tmp_path / "keys").exists()


# --------------------------------------------------------------------------------------- commands


def test_the_commands_are_those_of_the_original() -> None:
    def made(value: Dumped, expires: int | None = None, chunk: int = 4) -> list[list[bytes]]:
        return [[bytes(word) for word in words] for words in rebuilding((b"k", value, expires), chunk)]

    tensor = Tensor(DTYPES[b"INT8"], (2, 1), b"\1\2")
    assert made(tensor) == [b"AI.TENSORSET k INT8 2 1 BLOB \1\2".split(b" ")]
    model = ModelForm(
        backend="TF", device=b"cpu", tag=b"t", batchsize=4, minbatchsize=2, minbatchtimeout=9,
        inputs=(b"a", b"b"), outputs=(b"c",), blob=b"123456789",
    )  # fmt: skip
    options = (
        b"AI.MODELSTORE k TF cpu TAG t BATCHSIZE 4 MINBATCHSIZE 2 MINBATCHTIMEOUT 9 INPUTS 2 a b OUTPUTS 1 c"
    )
    assert made(model) == [[*options.split(), b"BLOB", b"1234", b"5678", b"9"]]
    named = ScriptForm(device=b"CPU", tag=b"", entry_points=(b"f", b"g"), source=b"def")
    assert made(named) == [b"AI.SCRIPTSTORE k CPU TAG  ENTRY_POINTS 2 f g SOURCE def".split(b" ")]
    assert made(ScriptForm(device=b"CPU", tag=b"v", source=b"def")) == [
        b"AI.SCRIPTSET k CPU TAG v SOURCE def".split()
    ]
    assert made(b"x", LATER) == [[b"SET", b"k", b"x"], [b"PEXPIREAT", b"k", b"%d" % LATER]]
    items = [b"%d" % number for number in range(100)]
    delete, first, rest = made(items)
    assert (delete, first[2:] + rest[2:], len(first)) == ([b"DEL", b"k"], items, 66)
    assert made(Tensor(DTYPES[b"INT8"], (0,), b""))[0][0] == b"RESTORE"


# --------------------------------------------------------------------------------------- snapshots


def written(*sections: bytes, version: int = 9) -> bytes:
    data = b"REDIS%04d" % version + b"".join(sections) + b"\xff"
    return data + crc64(data).to_bytes(8, "little")


def entry(key: bytes, value: bytes) -> bytes:
    return value[:1] + string(key) + value[1:]


@given(values)
def test_a_snapshot_gives_what_was_saved(value: Dumped) -> None:
    times = b"\xfc" + LATER.to_bytes(8, "little") + entry(b"k", body(value))
    other = b"\xfd" + (7).to_bytes(4, "little") + b"\xf8\5\xf9\1" + entry(b"", body(b"x"))
    found = list(snapshot(written(b"\xfa\3key\5value\xfe\0\xfb\2\1", times, other, entry(b"n", body(b"1")))))
    assert [(key, expires) for key, _, expires in found] == [(b"k", LATER), (b"", 7000), (b"n", None)]
    assert facts(found[0][1]) == facts(value)


def test_what_modules_keep_beside_keys_is_stepped_over() -> None:
    aside = b"\xf7" + length(77) + b"\2\1\1\5\2\x14\3abcd\4abcdefgh\5\2hi\0"
    assert list(snapshot(written(aside, entry(b"k", body(b"v"))))) == [(b"k", b"v", None)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (written(b"\3\1k\0"), "'k' holds a sorted set, which"),
        (written(b"\x15\1k\0"), "'k' holds a stream, which"),
        (written(b"\x40\1k\0"), "'k' holds a value of type 64, which"),
        (written(entry(b"k", module(b"ReJSON-RL", 3))), "'k' holds a value of the module type 'ReJSON-RL'"),
        (written(entry(b"k", module(b"AI_TENSOR", 9))), "'k' holds a value of the module type 'AI_TENSOR'"),
        (written(b"\xfe\1"), "keys in database 1"),
        (written(b"\xf5\2hi"), "a section that is not known here: 0xf5"),
        (written(version=99), "no snapshot of a version that is known"),
        (b"REDIS", "no snapshot of a version that is known"),
        (written()[:-1] + b"\1", "its checksum is wrong"),
        (written()[:-1], "damaged at byte"),
        (written() + b"*", "something behind the end"),
        (written(b"\0\1k\x44x"), "damaged at byte"),
    ],
)
def test_what_a_snapshot_may_not_hold_is_named(data: bytes, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        list(snapshot(data))


def test_a_snapshot_of_a_real_redis(
    start_redis: Callable[..., RedisServer], other: tuple[str, Wire], tmp_path: Path
) -> None:
    redis = start_redis()
    with Redis(port=redis.port) as client:
        client.set("s", "text" * 100, px=10_000_000)
        client.set("n", -70_000)
        client.rpush("short", "a", 5, "b" * 100)
        client.rpush("long", *["item" * 20 + str(number) for number in range(500)])
        client.hset("small", mapping={"f": "v", "n": 1})
        client.hset("large", mapping={f"field{number}": "v" * 70 for number in range(600)})
        client.sadd("numbers", *range(50))
        client.sadd("words", *[f"word{number}" for number in range(300)])
        client.set("gone", "x", pxat=int(time.time() * 1000) + 60_000)
        client.save()
        client.zadd("z", {"a": 1})
        url, _ = other
        assert import_keys(redis.folder / "dump.rdb", url).refused == []
        with Redis.from_url(url) as ours:
            for key in client.scan_iter():
                if key != b"z":
                    assert undump(ours.dump(key)) == undump(client.dump(key)), key
                    assert ours.pexpiretime(key) == client.pexpiretime(key), key
        client.save()
    with pytest.raises(CommandError, match="'z' holds a sorted set"):
        import_keys(redis.folder / "dump.rdb", url)


def test_a_snapshot_with_values_of_redisai(other: tuple[str, Wire], tmp_path: Path) -> None:
    model = ModelForm(backend="ONNX", device=b"cpu", tag=b"v", blob=MUL)
    file = tmp_path / "dump.rdb"
    file.write_bytes(written(entry(b"t", WORKED[:-10]), entry(b"m", body(model))))
    assert export_keys(str(file), tmp_path / "keys.aof") == 2
    url, empty = other
    assert import_keys(tmp_path / "keys.aof", url).refused == []
    assert empty.ask("AI.TENSORGET t VALUES") == b"*2\r\n:1\r\n:2\r\n"
    assert empty.ask("AI.MODELGET m META").startswith(
        b"*16\r\n$7\r\nbackend\r\n$4\r\nONNX\r\n$6\r\ndevice\r\n$3\r\ncpu"
    )

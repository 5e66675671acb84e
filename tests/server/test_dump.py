import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server._checksum import crc64
from alula.server._dump import Dumped, dump, undump
from alula.server._forms import ModelForm, ScriptForm
from alula.server._rdb import FormError, length, string, unpacked
from alula.server._tensors import DTYPES, Tensor
from tests.server.dumped import facts, values
from tests.server.redis_server import RedisServer

WORKED = bytes.fromhex(
    "07 81 008fd310d48e4404 02 00 02 20 02 02 02 02 02 01 05 08 01000000 02000000 00 0900 566979ab34bedd82"
)
SOUND = "ERR DUMP payload version or checksum are wrong"
BAD = "ERR Bad data format"


def signed(body: bytes, version: int = 9) -> bytes:
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def module(name: bytes, version: int, *fields: int | bytes) -> bytes:
    """The payload of a module value, spelled out."""
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    number = 0
    for letter in name:
        number = number << 6 | letters.index(letter)
    head = b"\x07\x81" + (number << 10 | version).to_bytes(8, "big")
    spelled = [b"\2" + length(f) if isinstance(f, int) else b"\5" + string(f) for f in fields]
    return signed(head + b"".join(spelled) + b"\0")


# ------------------------------------------------------------------------------------- what is read


def test_the_worked_example_is_read_and_written_byte_by_byte() -> None:
    value = undump(WORKED)
    assert facts(value) == (DTYPES[b"INT32"], (2, 1), struct.pack("<2i", 1, 2))
    assert dump(value) == WORKED


@given(values)
def test_what_was_dumped_comes_back(value: Dumped) -> None:
    assert facts(undump(dump(value))) == facts(value)


@given(values, st.data())
def test_no_damage_goes_unnoticed(value: Dumped, data: st.DataObject) -> None:
    payload = dump(value)
    at = data.draw(st.integers(0, len(payload) - 1))
    for damaged in (payload[:at], payload[:at] + bytes((payload[at] ^ 1,)) + payload[at + 1 :]):
        with pytest.raises(CommandError, match=SOUND):
            undump(damaged)


@given(values, st.data())
def test_what_is_signed_and_makes_no_sense_is_refused_without_a_fault(
    value: Dumped, data: st.DataObject
) -> None:
    body = bytearray(dump(value)[:-10])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(CommandError):
        undump(signed(bytes(body)))


@pytest.mark.parametrize(
    "body",
    [
        b"\x63",
        b"\0\3abcd",
        b"\0\x05ab",
        b"\0\x82",
        b"\0\xc9",
        b"\1\2\1a",
        b"\1\0",
        b"\4\0",
        b"\2\0",
        b"\7\x81" + b"\xff" * 8 + b"\0",
    ],
)
def test_what_nobody_can_read_is_bad_data(body: bytes) -> None:
    with pytest.raises(CommandError, match=BAD):
        undump(signed(body))


def test_a_version_that_nobody_has_written_yet_is_refused() -> None:
    assert undump(signed(b"\0\1a", 80)) == b"a"
    with pytest.raises(CommandError, match=SOUND):
        undump(signed(b"\0\1a", 81))


# ---------------------------------------------------------------------------------- older versions


@pytest.mark.parametrize("version", range(4))
def test_tensors_of_older_versions_say_where_each_element_lies(version: int) -> None:
    data = struct.pack("<6f", *range(6))
    transposed = module(b"AI_TENSOR", version, 1, 0, 32, 2, 1, 2, 3, 2, 1, 3, 0, data)
    value = undump(transposed)
    assert isinstance(value, Tensor)
    assert value.array().tolist() == [[0, 3], [1, 4], [2, 5]]
    shifted = module(b"AI_TENSOR", version, 1, 0, 32, 2, 1, 1, 2, 1, 16, data)
    assert facts(undump(shifted)) == (DTYPES[b"FLOAT"], (2,), struct.pack("<2f", 4, 5))


@pytest.mark.parametrize(
    "fields",
    [
        (1, 0, 32, 2, 1, 1, 7, 1, 0, bytes(24)),  # more than there is
        (1, 0, 32, 2, 1, 1, 1 << 40, 0, 0, bytes(24)),  # one element, again and again
        (1, 0, 8, 7, 1, 1, 1, 1, 0, b"a\0"),  # there were no strings
        (1, 0, 16, 2, 1, 1, 1, 1, 0, bytes(2)),  # there are no half floats
    ],
)
def test_tensors_of_older_versions_that_cannot_be(fields: tuple[int | bytes, ...]) -> None:
    with pytest.raises(CommandError, match=BAD):
        undump(module(b"AI_TENSOR", 3, *fields))


@pytest.mark.parametrize(
    "fields",
    [
        (2, 32, 65, *[1] * 65, bytes(4)),
        (6, 8, 1, 1, b"\2"),
        (0, 32, 1, 2, bytes(4)),
        (7, 8, 1, 1, b"a", 0),
        (7, 8, 1, 1, b"a\0", 2),
        (b"0", 32, 0, bytes(4)),
        (0, 32, 0, 4),
    ],
)
def test_tensors_that_cannot_be(fields: tuple[int | bytes, ...]) -> None:
    with pytest.raises(CommandError, match=BAD):
        undump(module(b"AI_TENSOR", 4, *fields))


BLOB = (6, 2, b"gra", b"phs")
MODEL = ModelForm(
    backend="TF", device=b"cpu", tag=b"t", batchsize=4, minbatchsize=2, inputs=(b"a", b"b"),
    outputs=(b"c",), blob=b"graphs",
)  # fmt: skip
NAMES = (2, b"a\0", b"b\0", 1, b"c\0")


@pytest.mark.parametrize(
    ("version", "fields", "timeout"),
    [
        (0, (0, b"cpu\0", b"t\0", 4, 2, *NAMES, b"graphs"), 0),
        (1, (0, b"cpu\0", b"t", 4, 2, *NAMES, *BLOB), 0),
        (2, (0, b"cpu\0", b"t", 4, 2, 9, *NAMES, *BLOB), 9),
        (3, (0, b"cpu\0", b"t", 4, 2, 9, *NAMES, *BLOB), 9),
        (4, (0, b"cpu\0", b"t", 4, 2, 9, *NAMES, *BLOB), 9),
    ],
)
def test_models_of_all_versions(version: int, fields: tuple[int | bytes, ...], timeout: int) -> None:
    found = undump(module(b"AI__MODEL", version, *fields))
    assert isinstance(found, ModelForm)
    assert (found.minbatchtimeout, found.blob) == (timeout, b"graphs")
    assert (found.backend, found.device, found.tag) == (MODEL.backend, MODEL.device, MODEL.tag)
    assert (found.batchsize, found.minbatchsize) == (4, 2)
    assert (found.inputs, found.outputs) == (MODEL.inputs, MODEL.outputs)


@pytest.mark.parametrize(
    "fields",
    [(4, b"cpu\0", b"", 0, 0, 0, 0, 0, 1, 1, b"x"), (3, b"cpu\0", b"", 0, 0, 0, 0, 0, 2, 1, b"x")],
)
def test_models_that_cannot_be(fields: tuple[int | bytes, ...]) -> None:
    with pytest.raises(CommandError, match=BAD):
        undump(module(b"AI__MODEL", 4, *fields))


@pytest.mark.parametrize(
    ("version", "fields", "entries"),
    [
        (0, (b"CPU\0", b"t\0", b"def\0"), ()),
        (1, (b"CPU\0", b"t", b"def\0"), ()),
        (2, (b"CPU\0", b"t", b"def\0"), ()),
        (3, (b"CPU\0", b"t", b"def\0", 1, b"f\0"), (b"f",)),
        (4, (b"CPU\0", b"t", b"def\0", 1, b"f\0"), (b"f",)),
    ],
)
def test_scripts_of_all_versions(
    version: int, fields: tuple[int | bytes, ...], entries: tuple[bytes, ...]
) -> None:
    expected = ScriptForm(device=b"CPU", tag=b"t", source=b"def", entry_points=entries)
    assert undump(module(b"AI_SCRIPT", version, *fields)) == expected


def test_a_version_to_come_is_refused() -> None:
    with pytest.raises(CommandError, match=BAD):
        undump(module(b"AI_SCRIPT", 5, b"CPU\0", b"t", b"def\0", 0))


# -------------------------------------------------------------------------------------- the alphabet


@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_a_checksum_does_not_depend_on_how_the_data_is_cut(data: bytes, zeros: int) -> None:
    crc, polynomial = 0, 0x95AC9329AC4BC9B5
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    assert crc64(data) == crc == crc64(bytes(zeros) + data)


def test_the_checksum_of_the_usual_example() -> None:
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (b"\x02abc", b"abc"),
        (b"\x00a\xe0\x17\x00", b"a" * 33),
        (b"\x02abc\x60\x02", b"abcabcab"),
        (b"\x01ab\x20\x01\x00c", b"ababac"),
    ],
)
def test_compressed_strings(packed: bytes, plain: bytes) -> None:
    assert unpacked(packed, len(plain)) == plain


@pytest.mark.parametrize(
    ("packed", "size"),
    [(b"\x02ab", 3), (b"\x20", 3), (b"\x00a\x20\x01", 4), (b"\x00a", 2), (b"\x01ab", 1), (b"\xe0", 9)],
)
def test_compressed_strings_that_cannot_be(packed: bytes, size: int) -> None:
    with pytest.raises(FormError):
        unpacked(packed, size)


# ---------------------------------------------------------------------------------- a real Redis

TEXTS = [b"", b"a", b"0", b"-1", b"127", b"-129", b"40000", b"2147483647", b"2147483648", b"007", b"x" * 70]


def test_strings_are_dumped_as_redis_does(start_redis: Callable[..., RedisServer]) -> None:
    with redis.Redis(port=start_redis("--rdbcompression", "no").port) as client:
        for text in [*TEXTS, b"y" * 20_000]:
            client.set("k", text)
            theirs = client.dump("k")
            assert isinstance(theirs, bytes)
            assert dump(text)[:-10] == theirs[:-10]


def test_redis_restores_what_is_dumped_here(start_redis: Callable[..., RedisServer]) -> None:
    with redis.Redis(port=start_redis().port) as client:
        client.restore("s", 0, dump(b"text"))
        client.restore("l", 0, dump([b"1", b"two"]))
        client.restore("h", 0, dump({b"f": b"1"}))
        client.restore("m", 0, dump(frozenset((b"1", b"two"))))
        assert client.get("s") == b"text"
        assert client.lrange("l", 0, -1) == [b"1", b"two"]
        assert client.hgetall("h") == {b"f": b"1"}
        assert client.smembers("m") == {b"1", b"two"}


def test_what_redis_compresses_is_read(start_redis: Callable[..., RedisServer]) -> None:
    with redis.Redis(port=start_redis().port) as client:
        for text in [*TEXTS, b"abc" * 5000, b"\0" * 100_000, bytes(range(256)) * 9]:
            client.set("k", text)
            theirs = client.dump("k")
            assert isinstance(theirs, bytes)
            assert undump(theirs) == text


@pytest.mark.parametrize("size", [1, 60, 70, 5000])
def test_lists_and_hashes_of_redis_are_read(start_redis: Callable[..., RedisServer], size: int) -> None:
    items = [
        b"",
        b"x" * size,
        b"y" * 65,
        *[b"%d" % (sign * (1 << bits)) for bits in range(0, 63, 3) for sign in (1, -1)],
    ]
    with redis.Redis(port=start_redis().port) as client:
        for small in ("0", "-2"):
            client.config_set("list-max-listpack-size", small if small != "0" else "1")
            client.delete("l", "h")
            client.rpush("l", *items)
            client.hset("h", mapping={item: item[::-1] for item in items})
            dumped, of_hash = client.dump("l"), client.dump("h")
            assert isinstance(dumped, bytes)
            assert isinstance(of_hash, bytes)
            assert undump(dumped) == items
            assert undump(of_hash) == {item: item[::-1] for item in items}


@pytest.mark.parametrize(
    "members",
    [
        {b"1", b"-2", b"30000"},
        {b"70000", b"-1"},
        {b"5000000000"},
        {b"x", b"1"},
        set(map(b"%d".__mod__, range(600))),
    ],
)
def test_sets_of_redis_are_read(start_redis: Callable[..., RedisServer], members: set[bytes]) -> None:
    with redis.Redis(port=start_redis().port) as client:
        client.sadd("s", *members)
        theirs = client.dump("s")
        assert isinstance(theirs, bytes)
        assert undump(theirs) == frozenset(members)


def test_sets_of_a_newer_redis_are_read_and_damaged_ones_are_not() -> None:
    packed = bytes(6) + b"\x01\x01" + b"\x81x\x02" + b"\xff"
    assert undump(signed(b"\x14" + string(packed))) == frozenset((b"1", b"x"))
    for damaged in (b"\2\0\0\0\2\0\0\0\1\0", b"\3\0\0\0\1\0\0\0\1\0\0", b"\2\0\0\0\0\0\0\0", b"\2"):
        with pytest.raises(CommandError, match=BAD):
            undump(signed(b"\x0b" + string(damaged)))


def test_lists_and_hashes_of_an_older_redis_are_read() -> None:
    entries = [
        b"\x00\x03abc", b"\x05\xc0\x34\x12", b"\x04\xfe\xff", b"\x03\xf1", b"\x02\xf0\x00\x00\x01",
        b"\x05\x41\x00" + b"z" * 256, b"\xfe\x03\x01\x00\x00\xd0\x00\x00\x00\x80",
        b"\x06\xe0" + (1 << 40).to_bytes(8, "little"), b"\x0a\x80\x00\x00\x00\x02hi",
    ]  # fmt: skip
    packed = bytes(10) + b"".join(entries) + b"\xff"
    items = [b"abc", b"4660", b"-1", b"0", b"65536", b"z" * 256, b"-2147483648", b"1099511627776", b"hi"]
    assert undump(signed(b"\x0a" + string(packed))) == items
    assert undump(signed(b"\x0e" + length(2) + string(packed) * 2)) == items * 2
    with pytest.raises(CommandError, match=BAD):
        undump(signed(b"\x0d" + string(packed)))  # a field without a value
    even = bytes(10) + b"\x00\x01f\x03\xf3\xff"
    assert undump(signed(b"\x0d" + string(even))) == {b"f": b"2"}
    for damaged in (packed[:-1], packed + b"x", bytes(10) + b"\x00\xf0\xff", bytes(10) + b"\x00\xff\xff"):
        with pytest.raises(CommandError, match=BAD):
            undump(signed(b"\x0a" + string(damaged)))

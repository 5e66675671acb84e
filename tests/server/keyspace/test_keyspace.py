"""What every keyspace does."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server import DurableKeyspace, Keyspace, MemoryKeyspace, Tensor
from alula.server._keyspace import HashValue, ListValue, SetValue
from alula.server._tensors import DTYPES
from alula.testing import Clock

TENSOR = Tensor(DTYPES[b"INT8"], (1,), b"\7")
MAKERS: dict[str, Callable[[Path, Clock], Keyspace]] = {
    "memory": lambda folder, clock: MemoryKeyspace(clock),
    "durable": lambda folder, clock: DurableKeyspace.open(folder / "keyspace.db", clock=clock),
}

Heard = list[tuple[str, list[bytes]]]


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture(params=MAKERS)
def keyspace(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Keyspace]:
    made = MAKERS[request.param](tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def heard(keyspace: Keyspace) -> Heard:
    events: Heard = []

    def listen(event: str, keys: Sequence[bytes]) -> None:
        events.append((event, list(keys)))

    keyspace.listen(listen)
    return events


def test_what_was_written_is_read(keyspace: Keyspace) -> None:
    keyspace.write({b"a": TENSOR, b"b": b"text"})
    assert (keyspace.read(b"a"), keyspace.read(b"b"), keyspace.read(b"c")) == (TENSOR, b"text", None)
    assert len(keyspace) == 2


def test_of_a_write_over_another_type_nothing_is_written(keyspace: Keyspace, heard: Heard) -> None:
    keyspace.put(b"b", b"text")
    with pytest.raises(CommandError, match=r"^WRONGTYPE"):
        keyspace.write({b"a": TENSOR, b"b": TENSOR})
    assert keyspace.read(b"a") is None
    assert heard == [("set", [b"b"])]


def test_put_takes_the_place_of_any_type(keyspace: Keyspace) -> None:
    keyspace.write({b"k": TENSOR})
    keyspace.put(b"k", b"text")
    assert keyspace.read(b"k") == b"text"


def test_an_expired_key_is_there_for_nobody(keyspace: Keyspace, clock: Clock, heard: Heard) -> None:
    for key in (b"a", b"b", b"c"):
        keyspace.put(key, b"x", expires=1_000_500)
    clock.advance(0.5)
    keyspace.write({b"a": TENSOR})
    assert (keyspace.read(b"a"), keyspace.read(b"b"), keyspace.delete([b"c"])) == (TENSOR, None, 0)
    assert heard[3:] == [("expired", [b"a"]), ("tensorset", [b"a"]), ("expired", [b"b"]), ("expired", [b"c"])]


def test_what_nobody_asks_for_expires_too(keyspace: Keyspace, clock: Clock, heard: Heard) -> None:
    keyspace.put(b"a", b"x", expires=1_000_200)
    keyspace.put(b"b", b"x", expires=1_000_100)
    keyspace.put(b"c", b"x", expires=1_000_300)
    keyspace.expire(b"a", 1_000_400)
    clock.advance(0.3)
    keyspace.reap()
    assert (len(keyspace), keyspace.expiring) == (1, 1)
    assert heard[4:] == [("expired", [b"b"]), ("expired", [b"c"])]


def test_all_keys_are_those_that_have_not_expired(keyspace: Keyspace, clock: Clock) -> None:
    keyspace.put(b"a", b"x", expires=1_000_001)
    keyspace.put(b"b", b"y")
    clock.advance(1)
    assert keyspace.scan() == [(b"b", b"y")]


@pytest.mark.parametrize("write", ["put", "write", "persist"])
def test_a_key_that_is_written_anew_does_not_expire(keyspace: Keyspace, clock: Clock, write: str) -> None:
    keyspace.put(b"k", b"x", expires=1_000_500)
    assert keyspace.expires(b"k") == 1_000_500
    match write:
        case "put":
            keyspace.put(b"k", b"y")
        case "write":
            keyspace.write({b"k": b"y"})
        case _:
            keyspace.expire(b"k", None, event="persist")
    assert keyspace.expires(b"k") is None
    clock.advance(1)
    keyspace.reap()
    assert keyspace.read(b"k") is not None


def test_a_key_whose_expiry_is_set_again_and_again_holds_no_more(keyspace: Keyspace, clock: Clock) -> None:
    keyspace.put(b"k", b"x")
    for at in range(500):
        keyspace.expire(b"k", 1_000_000 + at)
    clock.advance(0.498)
    keyspace.reap()
    assert keyspace.read(b"k") == b"x"
    clock.advance(0.002)
    keyspace.reap()
    assert len(keyspace) == 0


def test_a_list_or_hash_that_is_empty_is_gone(keyspace: Keyspace, heard: Heard) -> None:
    items, fields = ListValue([b"x", b"y"]), HashValue({b"f": b"x"})
    keyspace.put(b"l", items, event="rpush")
    keyspace.put(b"h", fields, event="hset")
    keyspace.expire(b"l", 1_000_500)
    items.pop()
    keyspace.changed(b"l", "rpop")
    assert (keyspace.read(b"l"), keyspace.expires(b"l")) == (ListValue([b"x"]), 1_000_500)
    items.pop()
    keyspace.changed(b"l", "rpop")
    del fields[b"f"]
    keyspace.changed(b"h", "hdel")
    assert (keyspace.read(b"l"), keyspace.read(b"h"), len(keyspace)) == (None, None, 0)
    assert heard[4:] == [("rpop", [b"l"]), ("del", [b"l"]), ("hdel", [b"h"]), ("del", [b"h"])]


def test_a_set_is_changed_in_place_as_a_list_is(keyspace: Keyspace, heard: Heard) -> None:
    members = SetValue([b"x", b"y", b"x"])
    keyspace.put(b"s", members, event="sadd")
    assert members.remove(b"x")
    keyspace.changed(b"s", "srem")
    assert keyspace.read(b"s") is members
    assert members.remove(b"y")
    keyspace.changed(b"s", "srem")
    assert (keyspace.read(b"s"), len(keyspace)) == (None, 0)
    assert heard[1:] == [("srem", [b"s"]), ("srem", [b"s"]), ("del", [b"s"])]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=1))))
def test_a_set_is_what_a_set_is(steps: list[tuple[bool, bytes]]) -> None:
    members, expected = SetValue(), set[bytes]()
    for adds, member in steps:
        there = member in expected
        if adds:
            expected.add(member)
            assert members.add(member) is not there
        else:
            expected.discard(member)
            assert members.remove(member) is there
        assert (set(members), len(members)) == (expected, len(expected))
        assert all(each in members for each in expected)
        assert not expected or members.any() in expected


def test_listeners_hear_what_happened_once_it_can_be_seen(keyspace: Keyspace, heard: Heard) -> None:
    seen: list[object] = []

    def look(event: str, keys: Sequence[bytes]) -> None:
        seen.append([keyspace.read(key) for key in keys])

    keyspace.listen(look)
    keyspace.write({b"a": TENSOR, b"b": b"x", b"c": TENSOR})
    keyspace.unlisten(look)
    keyspace.delete([b"a", b"nope", b"b"])
    keyspace.clear()
    assert seen == [[TENSOR, TENSOR], [b"x"]]
    assert heard == [
        ("tensorset", [b"a", b"c"]),
        ("set", [b"b"]),
        ("del", [b"a", b"b"]),
        ("flush", [b"c"]),
    ]


def test_after_clearing_nothing_is_left(keyspace: Keyspace, clock: Clock) -> None:
    keyspace.put(b"a", b"x", expires=1_000_001)
    keyspace.clear()
    assert (len(keyspace), keyspace.expiring, keyspace.scan()) == (0, 0, [])
    keyspace.put(b"a", b"y")
    clock.advance(1)
    keyspace.reap()
    assert keyspace.read(b"a") == b"y"

"""What comparing replies does not show: pages of large collections, chance, every kind of keyspace."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.server._commands._scans import _page, _slice
from alula.server._keyspace import HashValue, SetValue
from tests.server.redis_server import ON_ALL_KEYSPACES
from tests.server.world import MUL, Wire, tensor

OK = b"+OK\r\n"


@ON_ALL_KEYSPACES
def test_sets_are_there_wherever_the_keys_are(wire: Wire) -> None:
    for words, reply in (
        ("SADD s a b", b":2\r\n"),
        ("TYPE s", b"+set\r\n"),
        ("SADD t b", b":1\r\n"),
        ("SINTER s t", b"*1\r\n$1\r\nb\r\n"),
        ("SDIFFSTORE d s t", b":1\r\n"),
        ("SPOP d", b"$1\r\na\r\n"),
        ("EXISTS d", b":0\r\n"),
        ("SCARD s", b":2\r\n"),
        ("COPY s u", b":1\r\n"),
        ("SREM u a b", b":2\r\n"),
        ("SCARD s", b":2\r\n"),
        ("AI.TENSORSET s INT8 1", b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    ):
        assert wire.ask(words) == reply, words
    payload = wire.ask("DUMP s").split(b"\r\n", 1)[1][:-2]
    assert wire.ask("RESTORE", "v", 0, payload) == OK
    assert wire.ask("SMISMEMBER v a b c") == b"*3\r\n:1\r\n:1\r\n:0\r\n"


@ON_ALL_KEYSPACES
def test_what_looks_into_strings_finds_no_tensor_there(wire: Wire) -> None:
    tensor(wire, "k", 1)
    for words in ("GETRANGE k 0 1", "SUBSTR k 0 1", "SETRANGE k 0 x", "GETEX k", "GETEX k EX 10",
                  "SADD k a", "LSET k 0 a", "HINCRBY k f 1", "SSCAN k 0", "HSCAN k 0"):  # fmt: skip
        assert wire.ask(words).startswith(b"-WRONGTYPE"), words
    assert wire.ask("INCRBYFLOAT k 1").startswith(b"-")
    assert wire.ask("AI.TENSORGET k VALUES") == b"*1\r\n:1\r\n"


@ON_ALL_KEYSPACES
def test_tensors_and_models_are_copied_and_live_apart(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "TAG", "one", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET x FLOAT 2 VALUES 2 3") == OK
    assert wire.ask("AI.MODELRUN m INPUTS x x OUTPUTS y") == OK
    assert wire.ask("COPY m n") == wire.ask("COPY x z") == b":1\r\n"
    assert wire.ask("DEL m x") == b":2\r\n"
    assert wire.ask("AI.MODELRUN n INPUTS z z OUTPUTS y") == OK
    assert wire.ask("AI.TENSORGET y VALUES") == b"*2\r\n$1\r\n4\r\n$1\r\n9\r\n"


def test_the_counts_of_a_copy_begin_anew(wire: Wire) -> None:
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK
    assert wire.ask("AI.TENSORSET x FLOAT 2 VALUES 2 3") == OK
    assert wire.ask("AI.MODELRUN m INPUTS x x OUTPUTS y") == OK
    assert wire.ask("COPY m n") == b":1\r\n"
    assert wire.ask("AI.INFO m").endswith(b"calls\r\n:1\r\n$6\r\nerrors\r\n:0\r\n")
    assert wire.ask("AI.INFO n").endswith(b"calls\r\n:0\r\n$6\r\nerrors\r\n:0\r\n")


# -------------------------------------------------------------------------------------------- pages


def test_a_large_collection_comes_in_pages(wire: Wire) -> None:
    members = [b"%d" % number for number in range(2000)]
    wire.ask("SADD", "s", *members)
    wire.ask("HSET", "h", *[word for member in members for word in (member, b"v")])
    for command, size in (("SSCAN s", 1), ("HSCAN h", 2)):
        seen, cursor, pages = list[bytes](), b"0", 0
        while pages == 0 or cursor != b"0":
            lines = wire.ask(f"{command} {cursor.decode()} COUNT 100").split(b"\r\n")
            cursor, pages = lines[2], pages + 1
            seen += lines[5::2][::size]
        assert (sorted(word for word in seen if word), pages) == (sorted(members), 20)


steps = st.lists(st.tuples(st.sampled_from(["add", "remove", "page"]), st.integers(0, 1200)), max_size=60)


@given(steps, st.booleans())
def test_a_scan_meets_everything_that_stays(given_steps: list[tuple[str, int]], is_hash: bool) -> None:
    """Whatever comes and goes between the pages; in the way in which the two commands read a page."""
    numbers = [b"%d" % number for number in range(600)]
    fields, members = HashValue(dict.fromkeys(numbers, b"")), SetValue(numbers)
    stays, seen, cursor, over = set(numbers), set[bytes](), 0, False

    def page() -> None:
        nonlocal cursor, over
        cursor, stop = _page(len(members), cursor, 97)
        if is_hash:
            seen.update(field for field, _ in _slice(fields, cursor, stop))
        else:
            seen.update(members.members[cursor:stop])
        over = cursor == 0

    for what, number in given_steps:
        word = b"%d" % number
        if what == "page" and not over:
            page()
        elif what == "add":
            fields[word] = b""
            members.add(word)
        elif what == "remove":
            fields.pop(word, None)
            members.remove(word)
            stays.discard(word)
    while not over:
        page()
    assert stays <= seen


# ------------------------------------------------------------------------------------------- chance


def test_what_is_given_by_chance_is_any_of_them_and_never_twice_unless_asked(wire: Wire) -> None:
    wire.ask("SADD s a b c d")
    wire.ask("HSET h a 1 b 2 c 3 d 4")
    for command in ("SRANDMEMBER s", "HRANDFIELD h"):
        several = [wire.ask(f"{command} 3").split(b"\r\n")[2::2] for _ in range(20)]
        assert all(len(set(each)) == 3 for each in several)
        counts = Counter(wire.ask(f"{command} -400").split(b"\r\n")[2::2])
        assert (len(counts), sum(counts.values())) == (4, 400)
        assert len({wire.ask(command) for _ in range(100)}) == 4
    assert wire.ask("SCARD s") == b":4\r\n"


@pytest.mark.parametrize("command", ["SRANDMEMBER s", "HRANDFIELD h"])
def test_nobody_is_given_more_than_a_reply_can_hold(wire: Wire, command: str) -> None:
    wire.ask("SADD s a")
    wire.ask("HSET h a 1")
    assert wire.ask(f"{command} -9223372036854775807") == b"-ERR value is out of range\r\n"

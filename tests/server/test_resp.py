from contextlib import suppress

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server._resp import (
    NO_ARRAY,
    Limits,
    Parser,
    ProtocolError,
    Push,
    Reply,
    Several,
    Unordered,
    Verbatim,
    encode,
    split_line,
)
from tests.server.world import request

words = st.lists(st.binary(max_size=40), min_size=1, max_size=8)


def parsed(data: bytes, cuts: list[int], limits: Limits | None = None) -> list[list[bytes]]:
    """What a parser gives that gets the data in pieces."""
    parser, found, at = Parser(limits), [], 0
    for cut in [*sorted(cuts), len(data)]:
        parser.feed(data[at:cut])
        at = max(at, cut)
        while (request := parser.next()) is not None:
            found.append(request)
    assert parser.held == 0
    return found


def encoded(reply: Reply, protocol: int = 2) -> bytes:
    out: list[bytes | memoryview] = []
    encode(reply, out.append, protocol)
    return b"".join(out)


@given(st.lists(words, max_size=5), st.data())
def test_requests_come_out_as_they_went_in_however_the_stream_is_cut(
    requests: list[list[bytes]], data: st.DataObject
) -> None:
    stream = b"".join(request(*each) for each in requests)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    assert parsed(stream, cuts) == requests


@given(words, st.data())
def test_a_request_that_is_not_whole_is_not_given_out(each: list[bytes], data: st.DataObject) -> None:
    stream = request(*each)
    parser = Parser()
    parser.feed(stream[: data.draw(st.integers(0, len(stream) - 1))])
    assert parser.next() is None


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_give_requests_or_one_protocol_error(stream: bytes, cuts: list[int]) -> None:
    parser, at = Parser(), 0
    with suppress(ProtocolError):
        for cut in [*sorted(cuts), len(stream)]:
            parser.feed(stream[at:cut])
            at = max(at, cut)
            while (words := parser.next()) is not None:
                assert words


@pytest.mark.parametrize("nothing", [b"\r\n", b"*0\r\n", b"*-1\r\n", b"\n", b"  \r\n"])
def test_a_request_of_no_words_is_passed_over(nothing: bytes) -> None:
    assert parsed(nothing + request("PING"), []) == [[b"PING"]]


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n:5\r\n", "expected '$', got ':'"),
        (b"*1\r\n\r\n", "expected '$', got '\r'"),
        (b"*1\r\nPI", "expected '$', got 'P'"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$01\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$4\r\nPINGxx", "expected CRLF after a bulk string"),
        (b"*" + b"1" * 70000, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 70000, "too big bulk count string"),
        (b"a" * 70000, "too big inline request"),
        (b'PING "a\r\n', "unbalanced quotes in request"),
        (b'PING "a"b\r\n', "unbalanced quotes in request"),
        (b"PING 'a\r\n", "unbalanced quotes in request"),
    ],
)
def test_what_is_not_resp_is_refused_with_the_reason(stream: bytes, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parsed(stream, [])
    assert str(caught.value) == f"ERR Protocol error: {why}"


def test_a_word_that_is_too_long_is_refused_when_it_is_announced() -> None:
    parser = Parser(Limits(bulk=10))
    parser.feed(b"*2\r\n$10\r\n0123456789\r\n$11\r\n")
    with pytest.raises(ProtocolError, match="invalid bulk length"):
        parser.next()


def test_a_request_that_is_too_large_is_refused_when_the_word_too_many_is_announced() -> None:
    parser = Parser(Limits(request=12))
    parser.feed(b"*2\r\n$10\r\n0123456789\r\n$3\r\n")
    with pytest.raises(ProtocolError, match="query buffer limit"):
        parser.next()
    two = request(b"0123456789") * 2
    assert parsed(two, [], Limits(request=12)) == [[b"0123456789"]] * 2  # each has the limit to itself


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"set  a\tb ", [b"set", b"a", b"b"]),
        (b'"a b" c', [b"a b", b"c"]),
        (rb'"\x41\n\"\q\\"', [b'A\n"q\\']),
        (rb"'it\'s \n'", [rb"it's \n"]),
        (b"x'y z'", [b"xy z"]),
        (b"'' \"\"", [b"", b""]),
        (b"a\0b", [b"a", b"b"]),
    ],
)
def test_an_inline_command_is_cut_as_a_shell_would(line: bytes, found: list[bytes]) -> None:
    assert split_line(line) == found


@pytest.mark.parametrize(
    ("reply", "data"),
    [
        ("OK", b"+OK\r\n"),
        (b"", b"$0\r\n\r\n"),
        (b"a\r\nb", b"$4\r\na\r\nb\r\n"),
        (memoryview(b"abc"), b"$3\r\nabc\r\n"),
        (-7, b":-7\r\n"),
        (None, b"$-1\r\n"),
        (5.0, b"$1\r\n5\r\n"),
        (0.10000000149011612, b"$19\r\n0.10000000149011612\r\n"),
        (float("inf"), b"$3\r\ninf\r\n"),
        (float("-inf"), b"$4\r\n-inf\r\n"),
        (-float("nan"), b"$3\r\nnan\r\n"),
        ([], b"*0\r\n"),
        ([b"a", (1, [None])], b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n*1\r\n$-1\r\n"),
        (CommandError("ERR a\r\nb\nc"), b"-ERR a  b c\r\n"),
        (CommandError("Invalid argument: \udcff"), b"-Invalid argument: \xff\r\n"),
    ],
)
def test_replies_are_written_as_resp2(reply: Reply, data: bytes) -> None:
    assert encoded(reply) == data


@pytest.mark.parametrize(
    ("reply", "two", "three"),
    [
        (None, b"$-1\r\n", b"_\r\n"),
        (NO_ARRAY, b"*-1\r\n", b"_\r\n"),
        (0.1, b"$19\r\n0.10000000000000001\r\n", b",0.10000000000000001\r\n"),
        (5.0, b"$1\r\n5\r\n", b",5\r\n"),
        (float("inf"), b"$3\r\ninf\r\n", b",inf\r\n"),
        (-float("inf"), b"$4\r\n-inf\r\n", b",-inf\r\n"),
        (float("nan"), b"$3\r\nnan\r\n", b",nan\r\n"),
        ({b"a": 1, b"b": [None]}, b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n$-1\r\n",
         b"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n_\r\n"),
        ({}, b"*0\r\n", b"%0\r\n"),
        (Verbatim(b"a\r\nb"), b"$4\r\na\r\nb\r\n", b"=8\r\ntxt:a\r\nb\r\n"),
        (Push((b"m", 1)), b"*2\r\n$1\r\nm\r\n:1\r\n", b">2\r\n$1\r\nm\r\n:1\r\n"),
        (Unordered(("a", None)), b"*2\r\n+a\r\n$-1\r\n", b"~2\r\n+a\r\n_\r\n"),
        (Several(("a", None)), b"+a\r\n$-1\r\n", b"+a\r\n_\r\n"),
        (Several(()), b"", b""),
        ([1, "OK", b"x"], b"*3\r\n:1\r\n+OK\r\n$1\r\nx\r\n", b"*3\r\n:1\r\n+OK\r\n$1\r\nx\r\n"),
    ],
)  # fmt: skip
def test_the_versions_differ_in_the_forms_of_some_replies(reply: Reply, two: bytes, three: bytes) -> None:
    assert (encoded(reply), encoded(reply, 3)) == (two, three)


numbers = st.floats(allow_nan=False) | st.integers(-(1 << 63), (1 << 63) - 1)
leaves = st.binary(max_size=20) | numbers | st.none() | st.from_regex(r"[A-Z]{1,9}", fullmatch=True)


@given(st.recursive(leaves, lambda inner: st.lists(inner, max_size=4), max_leaves=12))
def test_a_client_reads_what_was_replied(reply: Reply) -> None:
    reader = hiredis.Reader()
    reader.feed(encoded(reply))
    assert reader.gets() == as_read(reply)


@given(
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=5), inner, max_size=3),
        max_leaves=12,
    )
)
def test_a_client_of_resp3_reads_what_was_replied(reply: Reply) -> None:
    reader = hiredis.Reader()
    reader.feed(encoded(reply, 3))
    assert reader.gets() == as_read_in_3(reply)


def as_read_in_3(reply: Reply) -> object:
    """What a client makes of a reply in RESP3: numbers stay numbers."""
    match reply:
        case list():
            return [as_read_in_3(item) for item in reply]
        case dict():
            return {name: as_read_in_3(value) for name, value in reply.items()}
        case str():
            return reply.encode()
        case _:
            return reply


def as_read(reply: Reply) -> object:
    """What a client makes of a reply: text and numbers with a fraction are bytes."""
    match reply:
        case list():
            return [as_read(item) for item in reply]
        case str():
            return reply.encode()
        case float():
            return f"{reply:.17g}".encode()
        case _:
            return reply


@given(st.floats(allow_nan=False))
def test_a_number_can_be_read_back_from_its_reply(number: float) -> None:
    text = encoded(number).split(b"\r\n")[1]
    assert float(text) == number

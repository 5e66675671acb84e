import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server._foreign._replies import Answer, Replies, read, request, split

lines = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=9)
answers: st.SearchStrategy[Answer] = st.recursive(
    st.one_of(st.none(), st.binary(max_size=40), st.integers(-(1 << 63), (1 << 63) - 1), lines),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


def written(answer: Answer) -> bytes:
    match answer:
        case None:
            return b"$-1\r\n"
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(answer), answer)
        case int():
            return b":%d\r\n" % answer
        case list():
            return b"*%d\r\n" % len(answer) + b"".join(map(written, answer))
        case str():
            return f"+{answer}\r\n".encode()
        case _:
            raise AssertionError(answer)


@given(st.lists(answers, max_size=6), st.data())
def test_replies_are_found_however_they_are_cut(given: list[Answer], data: st.DataObject) -> None:
    stream = b"".join(map(written, given))
    replies, found, at = Replies(), list[bytes](), 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        replies.feed(stream[at : at + size])
        at += size
        while (reply := replies.next()) is not None:
            found.append(reply)
    assert found == list(map(written, given))
    assert list(map(read, found)) == given


@given(st.lists(answers, max_size=6))
def test_an_array_is_split_into_its_items(given: list[Answer]) -> None:
    assert split(written(given)) == list(map(written, given))


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (b"_\r\n", None),
        (b"*-1\r\n", None),
        (b"%1\r\n+a\r\n:1\r\n", ["a", 1]),
        (b"~2\r\n:1\r\n:2\r\n", [1, 2]),
        (b">1\r\n$1\r\nx\r\n", [b"x"]),
        (b"=7\r\ntxt:abc\r\n", b"txt:abc"),
        (b",1.5\r\n", "1.5"),
        (b"#t\r\n", "t"),
    ],
)
def test_what_only_the_newer_protocol_has(reply: bytes, answer: Answer) -> None:
    replies = Replies()
    for byte in reply:
        assert replies.next() is None
        replies.feed(bytes((byte,)))
    assert replies.next() == reply
    assert read(reply) == answer


def test_an_attribute_belongs_to_the_reply_behind_it() -> None:
    replies = Replies()
    replies.feed(b"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n:7\r\n")
    assert [replies.next(), replies.next()] == [b"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n", b":7\r\n"]


def test_errors_are_errors() -> None:
    answer = read(b"-ERR no\r\n")
    assert isinstance(answer, CommandError)
    assert answer.text == "ERR no"
    assert split(b"-ERR no\r\n") is None
    assert split(b"*-1\r\n") is None


def test_a_command_is_written_as_an_array() -> None:
    assert request((b"GET", b"k")) == b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"

"""What a parser gives for a request does not depend on those before, however much they look like it."""

from hypothesis import given
from hypothesis import strategies as st

from alula.server._resp import Parser, ProtocolError
from tests.server.world import request

WORDS = ["AI.DAGRUN", "TENSORSET", "~a~", "FLOAT", "BLOB", "=>", "k"]
payload = st.integers(30, 34).flatmap(lambda size: st.binary(min_size=size, max_size=size))
word = st.sampled_from(WORDS).map(str.encode) | payload
commands = st.lists(word, min_size=1, max_size=6)


def parsed(parser: Parser, data: bytes) -> list[list[bytes]] | str:
    """Give all requests in the data, or what is wrong with it."""
    parser.feed(data)
    found = []
    try:
        while (words := parser.next()) is not None:
            found.append(words)
    except ProtocolError as error:
        return str(error)
    return found


@given(st.lists(commands, min_size=1, max_size=3), st.data())
def test_each_of_many_is_parsed_as_if_it_were_the_first(
    shapes: list[list[bytes]], data: st.DataObject
) -> None:
    parser = Parser()
    for _ in range(8):
        words = [
            data.draw(st.binary(min_size=len(w), max_size=len(w))) if len(w) > 29 else w
            for w in data.draw(st.sampled_from(shapes))
        ]
        assert parsed(parser, request(*words)) == [words]


@given(commands, st.data())
def test_what_only_looks_alike_is_parsed_for_what_it_is(words: list[bytes], data: st.DataObject) -> None:
    parser, whole = Parser(), request(*words)
    for _ in range(3):
        assert parsed(parser, whole) == [words]
    at = data.draw(st.integers(0, len(whole) - 1))
    other = whole[:at] + data.draw(st.binary(min_size=1, max_size=1)) + whole[at + 1 :]
    assert parsed(parser, other) == parsed(Parser(), other)


def test_an_empty_request_in_front_is_no_part_of_the_shape() -> None:
    words = [b"SET", b"k", b"x" * 40]
    parser = Parser()
    for letter in b"abc":
        words[2] = bytes([letter]) * 40
        assert parsed(parser, b"*0\r\n" + request(*words)) == [words]


def test_data_that_was_seen_is_not_kept() -> None:
    parser = Parser()
    parsed(parser, request(b"SET", b"k", b"x" * 40))
    shape = parser._alike._shape
    assert shape is not None
    assert shape.words == [b"SET", b"k", b""]


def test_a_request_of_many_words_is_not_kept() -> None:
    parser, words = Parser(), [b"MSET", *[b"k"] * 1000]
    for _ in range(3):
        assert parsed(parser, request(*words)) == [words]
    assert parser._alike._shape is None

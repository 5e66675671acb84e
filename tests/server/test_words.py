import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.server._words import integer, said, shown


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_every_number_of_64_bits_is_read(number: int) -> None:
    assert integer(b"%d" % number) == number


@pytest.mark.parametrize(
    "word", [b"", b"+1", b" 1", b"1 ", b"01", b"-0", b"--1", b"1.0", b"1_0", b"0x1", b"\xd9\xa1", b"1\n"]
)
def test_other_spellings_are_no_numbers(word: bytes) -> None:
    assert integer(word) is None


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 10**30])
def test_larger_numbers_are_refused(number: int) -> None:
    assert integer(b"%d" % number) is None


def test_a_keyword_is_upper_case_and_behind_the_end_there_is_none() -> None:
    assert said([b"a", b"blob"], 1) == b"BLOB"
    assert said([b"a"], 1) == b""


@given(st.binary())
def test_a_word_in_a_message_keeps_its_bytes(word: bytes) -> None:
    assert shown(word).encode(errors="surrogateescape") == word

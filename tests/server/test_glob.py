import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.server._glob import matcher

# Patterns of letters, stars and question marks, for which a regular expression is soon written.
patterns = st.text("ab*?", max_size=8)
keys = st.text("abc", max_size=10)


@given(patterns, keys)
def test_stars_and_question_marks_match_as_in_a_regular_expression(pattern: str, key: str) -> None:
    expression = pattern.replace("*", ".*").replace("?", ".")
    assert matcher(pattern.encode())(key.encode()) == bool(re.fullmatch(expression, key))


@pytest.mark.parametrize(
    ("pattern", "key", "found"),
    [
        (b"h[ae]llo", b"hallo", True),
        (b"h[ae]llo", b"hillo", False),
        (b"h[^e]llo", b"hallo", True),
        (b"h[^e]llo", b"hello", False),
        (b"h[a-c]llo", b"hbllo", True),
        (b"h[c-a]llo", b"hbllo", True),
        (rb"h\*llo", b"h*llo", True),
        (rb"h\*llo", b"hallo", False),
        (rb"[\]]", b"]", True),
        (b"[ab", b"b", True),
        (b"a\\", b"a\\", True),
        (b"", b"", True),
        (b"*", b"\n", True),
    ],
)
def test_choices_and_escapes(pattern: bytes, key: bytes, found: bool) -> None:
    assert matcher(pattern)(key) is found


def test_many_stars_do_not_take_for_ever() -> None:
    assert not matcher(b"*a" * 40 + b"b")(b"a" * 2000)

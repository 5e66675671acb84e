"""Search expressions are read by a grammar; what it does not know is refused."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.runtime._experiments._search import parse

FACTS: dict[str, Any] = {
    "metrics.acc": 0.95,
    "metrics.a b": 1,
    "params.model": "tree",
    "params.deep": True,
    "status": "STOPPED",
    "run": 3,
}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("metrics.acc > .9", True),
        ("metrics.acc>=0.95 and metrics.acc <= 9.5e-1", True),
        ("metrics.acc < -1", False),
        ("metrics.`a b` = 1", True),
        ("params.model = 'tree'", True),
        ('params.model != "tree"', False),
        ("params.model like 'tr%'", True),
        ("params.deep = true AND run == 3", True),
        ("metrics.none > 0", False),
        ("not metrics.none > 0", True),
        ("metrics.none != 0", False),
        ("params.model > 3", False),
        ("params.model != 3", True),
        ("run = 1 or run = 3 and status = 'STOPPED'", True),
        ("(run = 1 or run = 3) and status = 'FAILED'", False),
        ("params.model = 'it\\'s'", False),
    ],
)
def test_an_expression_is_what_it_reads_like(text: str, passes: bool) -> None:
    assert parse(text).test(FACTS) is passes


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it ends too early"),
        ("metrics.acc >", "it ends too early"),
        ("metrics.acc", "it ends too early"),
        ("accuracy > 1", "'accuracy' is none of metrics.KEY"),
        ("metrics. > 1", "'metrics.' is none of"),
        ("metrics.acc ~ 1", "at '~ 1'"),
        ("metrics.acc > high", "'high' is no value: texts stand in quotes"),
        ("metrics.acc like 3", "like needs a text"),
        ("(run = 1", "a bracket is not closed"),
        ("run = 1 run = 2", "a connection by 'and' or 'or' is missing"),
        ("run is 1", "'is' is no operator"),
        ("open('x')", "'open' is none of"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="cannot be read") as told:
        parse(text)
    assert why in str(told.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse(text).test(FACTS) in (True, False)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_compared_as_numbers(there: float, wanted: float) -> None:
    assert parse(f"metrics.x < {wanted!r}").test({"metrics.x": there}) is (there < wanted)

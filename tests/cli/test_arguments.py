"""What is typed is read as JSON, as a literal, or as text, and never run."""

from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from alula.cli._arguments import data, pairs, value


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1", 1),
        ("-1.5", -1.5),
        ("true", True),
        ("True", True),
        ("null", None),
        ("None", None),
        ("[1, 2]", [1, 2]),
        ("(1, 2)", (1, 2)),
        ("{'a': 1}", {"a": 1}),
        ('"1"', "1"),
        ("one", "one"),
        ("", ""),
        ("2026-11-21", "2026-11-21"),
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("[" * 10_000, "[" * 10_000),
    ],
)
def test_a_value_is_json_or_a_literal_or_text(text: str, read: Any) -> None:
    assert value(text) == read


@given(st.text())
def test_d_no_text_is_ever_evaluated(text: str) -> None:
    """A literal of Python's has no calls in it, so what comes out is plain."""
    assert isinstance(
        value(text), (str, int, float, bool, type(None), list, tuple, dict, set, bytes, complex)
    )


def test_pairs_have_names() -> None:
    assert pairs(["a=1", "b=x=y", "c="], "--param") == {"a": 1, "b": "x=y", "c": ""}
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(typer.BadParameter):
            pairs(wrong, "--param")


def test_data_are_values_or_a_name() -> None:
    assert data("iris[x,y]") == "iris[x,y]"
    assert data("[[1], [2]]") == [[1], [2]]
    assert data('{"x": [1]}') == {"x": [1]}
    assert data(None) is None
    with pytest.raises(typer.BadParameter, match="neither JSON"):
        data("[[1]")

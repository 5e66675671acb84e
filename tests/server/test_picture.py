import pytest

from alula.errors import CommandError
from alula.server import picture


def boxes(svg: str) -> list[tuple[str, str]]:
    """The names in a picture, and whether each has the outline of a volatile value."""
    found = []
    for part in svg.split("<g>")[1:]:
        name = part.split("</text>")[0].rpartition(">")[2]
        found.append((name, "volatile" if 'class="volatile' in part else "durable"))
    return found


def test_an_inline_dag_shows_wings_where_they_are() -> None:
    words = "AI.DAGRUN TENSORSET ~x~ INT8 1 => MODELRUN net INPUTS ~x~ w OUTPUTS ~y~ z"
    svg = picture(*words.split())
    names = [("~x~", "volatile"), ("w", "durable"), ("~y~", "volatile"), ("z", "durable")]
    assert sorted(boxes(svg)) == sorted(names)
    assert ">net</text>" in svg


def test_in_the_scoped_spelling_what_is_neither_loaded_nor_persisted_is_volatile() -> None:
    words = "AI.DAGRUN LOAD 1 a PERSIST 1 c |> MODELRUN m INPUTS a OUTPUTS b |> MODELRUN m INPUTS b OUTPUTS"
    svg = picture(*words.split(), b"c", "|>", "TENSORGET", "c")
    assert sorted(boxes(svg)) == [("a", "durable"), ("c", "durable"), ("~b~", "volatile")]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("AI.DAGRUN |> TENSORGET a", "INPUT key cannot be found"),
        ("AI.DAGRUN TENSORGET ~a~", "INPUT key cannot be found"),
        ("AI.DAGRUN PERSIST 1 a", "DAG is empty"),
        ("AI.TENSORSET a INT8 1", "only a DAG command can be drawn: AI.DAGRUN"),
        ("", "only a DAG command can be drawn"),
    ],
)
def test_what_is_no_correct_dag_is_refused(words: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        picture(*words.split())

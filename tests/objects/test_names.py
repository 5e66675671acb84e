from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import InvalidNameError, NameNotFoundError
from alula.objects._names import CHUNK, Reference, check_name, is_hidden, is_temporary, pick_columns

NAMES = st.text(st.characters(exclude_categories=["C"], exclude_characters="[]@^#*?"), min_size=1).filter(
    lambda name: name == name.strip()
)


@given(NAMES)
def test_what_may_be_kept_is_asked_for_by_the_same_text(name: str) -> None:
    assert check_name(name) == name
    assert Reference.parse(name) == Reference(name, name)


@pytest.mark.parametrize(
    ("text", "name", "version", "tag", "columns"),
    [
        ("a/b.c", "a/b.c", -1, None, None),
        ("m@prod", "m", -1, "prod", None),
        ("m^", "m", -2, None, None),
        ("m^^^", "m", -4, None, None),
        ("d[x]", "d", -1, None, "x"),
        ("d[^x,y]", "d", -1, None, "^x,y"),
        ("d^[x:y]", "d", -2, None, "x:y"),
        ("d@old[x]", "d", -1, "old", "x"),
    ],
)
def test_marks_in_a_name_say_which_version_and_columns(
    text: str, name: str, version: int, tag: str | None, columns: str | None
) -> None:
    assert Reference.parse(text) == Reference(text, name, version, tag, columns)


@pytest.mark.parametrize(
    "text", ["", " ", "@tag", "^", "[x]", "d[x", "dx]", "d[x][y]", "m@", "m@a@b", "m^@a"]
)
def test_a_name_wrongly_written_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidNameError, match="names look like"):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "chunksize", "rows"),
    [
        ("d#", CHUNK, None),
        ("d[x]#iterchunks", CHUNK, None),
        ("d#iterchunks:chunksize=10", 10, None),
        ("d@tag[x,y]#rows:start=1,end=10", None, (1, 10)),
        ("d#rows: start = 5", None, (5, None)),
        ("d#rows:end=5", None, (0, 5)),
    ],
)
def test_marks_in_a_name_say_which_rows(
    text: str, chunksize: int | None, rows: tuple[int, int | None]
) -> None:
    reference = Reference.parse(text)
    assert (reference.name, reference.chunksize, reference.rows) == ("d", chunksize, rows)
    assert Reference.parse(reference.unversioned) == replace(
        reference, text=reference.unversioned, tag=None, version=-1
    )


@pytest.mark.parametrize(
    "text",
    ["d#row", "d#rows:begin=1", "d#iterchunks:chunksize=0", "d#iterchunks:chunksize=x", "d#:start=1", "d##"],
)
def test_rows_wrongly_asked_for_are_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidNameError, match=r"iris#rows:start=10,end=20|one row at least"):
        Reference.parse(text)


@pytest.mark.parametrize("name", ["", "  ", " a", "a ", "a[b", "a@b", "a^", "a#", "a*", "a\nb", None, 5])
def test_names_that_could_not_be_asked_for_are_refused(name: str) -> None:
    with pytest.raises(InvalidNameError):
        check_name(name)


def test_a_version_beside_the_name_means_the_same_as_in_it() -> None:
    plain = Reference.parse("m")
    assert plain.at(-2, None).version == Reference.parse("m^").version
    assert plain.at(None, "a").tag == Reference.parse("m@a").tag
    assert plain.at(3, None).version == 3
    assert plain.at(None, None) is plain


@pytest.mark.parametrize(
    ("text", "version", "tag"), [("m^", 1, None), ("m@a", None, "a"), ("m", 1, "a"), ("m", 0, None)]
)
def test_two_versions_at_once_or_version_zero_are_refused(
    text: str, version: int | None, tag: str | None
) -> None:
    with pytest.raises(InvalidNameError, match=r"say once|count from 1"):
        Reference.parse(text).at(version, tag)


@pytest.mark.parametrize(
    ("name", "hidden", "temporary"),
    [(".x", True, False), ("_x", False, True), ("a/_x", False, True), ("a_x", False, False)],
)
def test_hidden_and_temporary_names_are_told_by_how_they_begin(
    name: str, hidden: bool, temporary: bool
) -> None:
    assert (is_hidden(name), is_temporary(name)) == (hidden, temporary)


# ---------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("spec", "picked"),
    [
        ("x", ["x"]),
        ("z,x", ["z", "x"]),
        (" x , y ", ["x", "y"]),
        ("x:z", ["x", "y", "z"]),
        ("y:", ["y", "z", "w"]),
        (":y", ["x", "y"]),
        (":", ["x", "y", "z", "w"]),
        ("^y", ["x", "z", "w"]),
        ("^x,w", ["y", "z"]),
        ("^y:z", ["x", "w"]),
        ("z:x", []),
    ],
)
def test_brackets_pick_columns(spec: str, picked: list[str]) -> None:
    assert pick_columns(spec, ["x", "y", "z", "w"], "data/d") == picked


@pytest.mark.parametrize("spec", ["age", "x,age", "^age", "x:age", "age:x"])
def test_an_unknown_column_is_named_with_those_that_exist(spec: str) -> None:
    with pytest.raises(NameNotFoundError) as caught:
        pick_columns(spec, ["x", "agee"], "data/d")
    assert str(caught.value) == (
        "data/d[age] does not exist; did you mean 'data/d[agee]'? There are: 'data/d[agee]', 'data/d[x]'"
    )


@pytest.mark.parametrize("spec", ["", "x,,y", "^"])
def test_a_gap_between_commas_is_an_unknown_column(spec: str) -> None:
    with pytest.raises(NameNotFoundError):
        pick_columns(spec, ["x", "y"], "data/d")

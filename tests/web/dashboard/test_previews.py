"""What a value looks like at a glance, whatever it is, and never all of a large one."""

import zlib
from base64 import b64decode
from struct import unpack
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alula.web._dashboard._png import data_uri, is_picture
from alula.web._dashboard._previews import preview_of, unavailable


def test_a_table_shows_its_first_rows_and_counts_the_rest() -> None:
    shown = preview_of(pd.DataFrame({"x": np.arange(30) / 3, "name": ["a"] * 30}))
    assert shown.kind == "DataFrame, 30 \N{MULTIPLICATION SIGN} 2"
    assert [*shown.columns] == ["", "x (float64)", "name (str)"]
    assert [*shown.rows[1]] == ["1", "0.333333", "a"]
    assert (len(shown.rows), shown.more) == (20, "10 more rows")
    wide = preview_of(pd.DataFrame(np.zeros((1, 13))))
    assert (len(wide.columns), wide.more) == (13, "1 more column")
    assert preview_of(pd.Series([1, 2], name="s")).kind == "Series, 2"


@pytest.mark.parametrize("value", [np.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3)])
def test_an_array_is_a_table_of_its_last_axis(value: Any) -> None:
    shown = preview_of(value)
    assert "2 \N{MULTIPLICATION SIGN} 3" in shown.kind
    assert [[*row] for row in shown.rows] == [["0", "0", "1", "2"], ["1", "3", "4", "5"]]
    assert shown.size in (24, 48)


@pytest.mark.parametrize("shape", [(4, 5), (5, 4, 1), (4, 4, 2), (6, 5, 3), (5, 7, 4)])
def test_pixels_are_a_picture_that_keeps_each_of_them(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    shown = preview_of(pixels)
    data = b64decode(shown.image.removeprefix("data:image/png;base64,"))
    width, height = unpack(">II", data[16:24])
    assert (height, width) == shape[:2]
    start = data.index(b"IDAT")
    size = unpack(">I", data[start - 4 : start])[0]
    lines = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + size]), np.uint8).reshape(height, -1)
    assert np.array_equal(lines[:, 1:].ravel(), pixels.ravel())


def test_what_are_no_pixels_is_no_picture() -> None:
    for array in (np.zeros((4, 4)), np.zeros(16, np.uint8), np.zeros((2, 9), np.uint8)):
        assert not is_picture(array)
    assert is_picture(np.zeros((4, 4), np.uint8))
    assert len(data_uri(np.zeros((5000, 5000), np.uint8))) < 20_000


def test_what_draws_itself_is_shown_as_it_does() -> None:
    class Figure:
        def _repr_png_(self) -> bytes:
            return b"\x89PNG"

    assert preview_of(Figure()).image == "data:image/png;base64,iVBORw=="
    assert preview_of(Figure).image == ""


def test_text_bytes_and_containers_are_cut() -> None:
    text = preview_of("x" * 5000)
    assert (len(text.text), text.more) == (4000, "1,000 more characters")
    assert preview_of(b"abc").text == "b'abc'"
    pairs = preview_of({f"k{i}": i for i in range(22)})
    assert (pairs.kind, len(pairs.rows), pairs.more) == ("dict, 22", 20, "2 more entries")
    assert preview_of([1, "two"]).rows == [["0", "1"], ["1", "two"]]
    assert preview_of(3.5).text == "3.5"
    assert preview_of(None).text == "None"
    assert unavailable("why").more == "why"


def test_a_value_that_cannot_be_printed_is_told_by_its_class() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise OSError("no")

    assert "cannot be printed" in preview_of(Shy()).text or "instance at" in preview_of(Shy()).text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | st.sets(st.text()),
    max_leaves=10,
)


@given(JSON)
def test_whatever_is_given_is_shown_as_text(value: Any) -> None:
    shown = preview_of(value)
    assert shown.kind
    assert all(isinstance(cell, str) and len(cell) <= 60 for row in shown.rows for cell in row)
    assert all(len(row) == len(shown.columns) for row in shown.rows)

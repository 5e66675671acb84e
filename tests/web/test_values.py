"""Values as JSON holds them."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.web._values import as_json, frame_as_json


class Colour(Enum):
    RED = "red"


@dataclass
class Pair:
    a: Any
    b: Any


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), None),
        (float("inf"), None),
        (np.float32(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.array(["a", None], dtype=object), ["a", None]),
        (np.array(["2020-01-01"], dtype="datetime64[s]"), ["2020-01-01T00:00:00"]),
        (pd.Series([1, 2]), [1, 2]),
        (pd.NA, None),
        (pd.NaT, None),
        (pd.Timestamp("2020-01-01"), "2020-01-01T00:00:00"),
        (datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01T00:00:00+00:00"),
        (date(2020, 1, 1), "2020-01-01"),
        (timedelta(seconds=90), 90.0),
        (b"\0a", "AGE="),
        (Colour.RED, "red"),
        (Path("a/b"), "a/b"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({1: {True: (1, 2)}}, {"1": {"true": [1, 2]}}),
        (Pair(1, {2}), {"a": 1, "b": [2]}),
    ],
)
def test_a_value_has_one_form(value: Any, shown: Any) -> None:
    assert as_json(value) == shown
    json.dumps(as_json(value), allow_nan=False)


def test_a_frame_in_a_result_is_its_columns() -> None:
    shown = as_json(pd.DataFrame({"x": [1.0, np.nan], "k": ["a", "b"]}))
    assert shown["columns"] == ["x", "k"]
    assert shown["data"] == {"x": [1.0, None], "k": ["a", "b"]}


def test_what_has_no_form_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="a object has no form in JSON"):
        as_json({"x": [object()]})


def test_rows_of_one_label_are_counted() -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=["a", "a"])
    shown = frame_as_json(frame, "dict")
    assert shown == {"data": {"x": {"0": 1, "1": 2}}, "index": {"type": "Index", "values": ["a", "a"]}}


def test_a_frame_has_three_forms() -> None:
    frame = pd.DataFrame({"x": [1], "t": pd.to_datetime(["2020-01-01"])})
    time = "2020-01-01T00:00:00"
    assert frame_as_json(frame, "dict")["data"] == {"x": {"0": 1}, "t": {"0": time}}
    assert frame_as_json(frame, "list")["data"] == {"x": [1], "t": [time]}
    assert frame_as_json(frame, "records")["data"] == [{"x": 1, "t": time}]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_is_nearly_json_becomes_json(value: Any) -> None:
    assert json.loads(json.dumps(as_json(value), allow_nan=False)) == as_json(value)

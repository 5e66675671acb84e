"""The form in which estimators get their data."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from alula.runtime._inputs import as_rows, as_target

LINE, WORDS = LinearRegression(), CountVectorizer()


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        ([1, 2, 3], (3, 1)),
        ((1.5, 2.5), (2, 1)),
        (np.arange(4), (4, 1)),
        (pd.Series([1, 2], name="x"), (2, 1)),
        (np.ones((2, 3)), (2, 3)),
        (pd.DataFrame({"x": [1]}), (1, 1)),
        ({"x": [1, 2], "y": [3, 4]}, (2, 2)),
    ],
    ids=["list", "tuple", "array", "series", "table", "frame", "dict"],
)
def test_an_estimator_gets_rows_and_columns(data: Any, shape: tuple[int, ...]) -> None:
    assert as_rows(data, LINE).shape == shape


def test_a_series_keeps_its_name_as_a_column() -> None:
    assert list(as_rows(pd.Series([1], name="width"), LINE).columns) == ["width"]


@pytest.mark.parametrize("estimator", [WORDS, make_pipeline(WORDS, LINE)], ids=["alone", "in a pipeline"])
def test_one_who_reads_texts_gets_them_as_they_are(estimator: Any) -> None:
    texts = ["a wing", "an alula"]
    assert as_rows(texts, estimator) is texts


def test_an_object_that_says_nothing_of_itself_gets_rows() -> None:
    assert as_rows([1, 2], object()).shape == (2, 1)


@pytest.mark.parametrize(
    "data",
    [np.array([[1], [2]]), np.array([1, 2]), pd.DataFrame({"y": [1, 2]}), {"y": [1, 2]}, pd.Series([1, 2])],
    ids=["column", "flat", "frame", "dict", "series"],
)
def test_one_target_has_no_second_dimension(data: Any) -> None:
    target = as_target(data)
    assert np.shape(target) == (2,)
    assert list(target) == [1, 2]


def test_two_targets_stay_two() -> None:
    assert as_target(np.ones((3, 2))).shape == (3, 2)

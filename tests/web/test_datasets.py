"""Datasets over HTTP."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import alula as om
from tests.web.conftest import Api


@pytest.fixture(scope="module", autouse=True)
def stored(api: Api) -> None:
    om.datasets.put(pd.DataFrame({"x": [1.0, np.nan], "k": ["a", "b"]}), "team/points")
    om.datasets.put(pd.Series([1, 2], name="s", index=["a", "b"]), "series")
    om.datasets.put({"any": [1, None]}, "plain")


def test_a_frame_is_read_by_column_and_row(api: Api) -> None:
    answer = api("GET", "dataset/team/points")
    assert answer.status == 200
    assert answer.json == {
        "data": {"x": {"0": 1.0, "1": None}, "k": {"0": "a", "1": "b"}},
        "index": {"type": "RangeIndex", "values": [0, 1]},
    }


def test_rows_are_asked_for_in_the_query(api: Api) -> None:
    frame = pd.DataFrame(
        {"n": [1.0, 2.0, 3.0], "k": ["5", "b", "c"], "t": pd.to_datetime(["2020", "2021", "2022"])}
    )
    om.datasets.put(frame, "rows")

    def rows(query: str) -> Any:
        return api("GET", f"dataset/rows?orient=list&{query}").json["data"]["k"]

    assert rows("n__gt=1") == ["b", "c"]
    assert rows("n__gte=2&n__lt=3") == ["b"]
    assert rows("k=5") == ["5"]
    assert rows("k__in=5&k__in=c") == ["5", "c"]
    assert rows("k__in=%5B%22b%22%5D") == ["b"]
    assert rows("k__startswith=b") == ["b"]
    assert rows("n__between=1&n__between=2") == ["5", "b"]
    assert rows("t__gt=2020-06-01") == ["b", "c"]
    assert rows("k__isnull=true") == []
    assert api("GET", "dataset/rows[n]?k=b&orient=list").json["data"] == {"n": [2.0]}


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("m=1", 404, "did you mean"),
        ("n__odd=1", 422, "there is no operator 'odd'"),
        ("n=a", 422, "cannot filter n"),
        ("k__isnull=perhaps", 422, "True or False"),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(api: Api, query: str, status: int, said: str) -> None:
    om.datasets.put(pd.DataFrame({"n": [1.0], "k": ["5"]}), "conditions")
    answer = api("GET", f"dataset/conditions?{query}")
    assert (answer.status, said in answer.json["detail"]) == (status, True), answer.json


def test_a_frame_is_read_in_other_forms(api: Api) -> None:
    assert api("GET", "dataset/team/points[k]?orient=list").json["data"] == {"k": ["a", "b"]}
    assert api("GET", "dataset/team/points?orient=records").json["data"][0] == {"x": 1.0, "k": "a"}
    answer = api("GET", "dataset/team/points?orient=odd")
    assert (answer.status, answer.json["error"]) == (422, "BadParameter")


def test_a_series_and_plain_data_are_read_too(api: Api) -> None:
    assert api("GET", "dataset/series").json == {
        "data": {"s": {"a": 1, "b": 2}},
        "index": {"type": "Index", "values": ["a", "b"]},
    }
    assert api("GET", "dataset/plain").json["data"] == {"any": [1, None]}


def test_d_an_unknown_dataset_is_not_found(api: Api) -> None:
    answer = api("GET", "dataset/team/pints")
    assert answer.status == 404
    assert "did you mean 'data/team/points'" in answer.json["detail"]
    assert api("DELETE", "dataset/nope").status == 404


def test_d_datasets_are_listed(api: Api) -> None:
    names = [each["name"] for each in api("GET", "dataset/").json["items"]]
    assert names == sorted(names)
    assert {"team/points", "series", "plain"} <= set(names)
    assert api("GET", "dataset").status in (200, 307)


def test_a_dataset_is_stored_appended_to_and_removed(api: Api) -> None:
    body = {"data": {"x": [1, 2], "t": ["2020-01-01", "2020-01-02"]}, "dtypes": {"t": "datetime64[ns]"}}
    stored = api("PUT", "dataset/made", body)
    assert (stored.status, stored.json["metadata"]["version"]) == (200, 1)
    assert str(om.datasets.load("made").dtypes["t"]) == "datetime64[ns]"
    assert api("PUT", "dataset/made", {**body, "append": True}).json["metadata"]["version"] == 2
    assert len(om.datasets.load("made")) == 4
    assert api("DELETE", "dataset/made").json == {"dataset": "made", "deleted": True}
    assert not om.datasets.exists("made")


def test_what_is_read_can_be_stored_as_it_is(api: Api) -> None:
    read = api("GET", "dataset/series").json
    api("PUT", "dataset/copy", {"data": read["data"], "index": read["index"]})
    pd.testing.assert_series_equal(om.datasets.load("copy")["s"], om.datasets.load("series"))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (None, 400, "Invalid JSON"),
        ({}, 422, "data: Field required"),
        ({"data": [1, 2]}, 422, "data"),
        ({"data": {"x": [1], "y": [1, 2]}}, 422, "different length"),
        ({"data": {"x": ["a"]}, "dtypes": {"x": "float64"}}, 422, "could not convert"),
        ({"data": {"x": ["a"]}, "dtypes": {"y": "float64"}}, 422, "y"),
        ({"data": {"x": [1]}, "dtypes": {"x": "odd"}}, 422, "odd"),
        ({"data": {"x": [1]}, "index": {"values": [1, 2]}}, 422, "Length mismatch"),
        ({"data": {"other": [1]}, "append": True}, 422, "cannot append"),
    ],
)
def test_what_cannot_be_stored_is_refused(api: Api, body: Any, status: int, said: str) -> None:
    before = om.datasets.metadata("team/points")
    answer = api("PUT", "dataset/team/points", body)
    assert (answer.status, said in answer.json["detail"]) == (status, True), answer.json
    assert om.datasets.metadata("team/points") == before


def test_a_name_that_cannot_be_is_refused(api: Api) -> None:
    assert api("PUT", "dataset/a%2Ab", {"data": {"x": [1]}}).status == 400
    assert api("DELETE", "dataset/a%5Bx%5D").status == 400

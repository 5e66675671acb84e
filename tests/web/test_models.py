"""Models over HTTP."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import alula as om
from tests.web.conftest import Api

COLUMN = {"columns": ["x"], "data": {"x": [1, 4.5]}}


@pytest.fixture(scope="module", autouse=True)
def line(api: Api) -> None:
    x = np.arange(4.0)
    om.models.put(LinearRegression().fit(x.reshape(-1, 1), 2 * x), "line", tag="old")
    om.models.put(LinearRegression().fit(pd.DataFrame({"x": x}), 2 * x + 1), "line")
    om.models.put(LinearRegression(), "team/new one")
    om.datasets.put(pd.DataFrame({"x": x, "y": 2 * x + 1}), "points")


def test_the_server_is_there(api: Api) -> None:
    answer = api("GET", "ping")
    assert answer.status == 200
    assert answer.json["ping"].endswith("+00:00")


def test_a_model_is_described(api: Api) -> None:
    for path in ("model/line/", "model/line"):
        answer = api("GET", path)
        assert answer.status == 200
        assert (answer.json["name"], answer.json["version"]) == ("line", 2)


def test_a_version_has_an_address_of_its_own(api: Api) -> None:
    assert api("GET", "model/line@old").json["version"] == 1
    assert api("GET", "model/line%5E/").json["version"] == 1
    assert api("PUT", "model/line@old/predict", {"data": [[1.0]]}).json["result"] == pytest.approx([2.0])


def test_d_an_unknown_model_is_not_found_rather_than_full_of_nulls(api: Api) -> None:
    for method, path in (("GET", "model/lin/"), ("PUT", "model/lin/predict?datax=points")):
        answer = api(method, path)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["error"] == "NameNotFoundError"
        assert "did you mean 'models/line'" in answer.json["detail"]
    assert api("GET", "model/line@nope").status == 404


def test_d_models_are_listed_page_by_page(api: Api) -> None:
    first = api("GET", "model/?limit=1")
    assert [each["name"] for each in first.json["items"]] == ["line"]
    assert first.json["items"][0]["resource_uri"] == "/api/v1/model/line/"
    assert first.headers["link"] == f'<{first.json["next"]}>; rel="next"'
    second = api("GET", first.json["next"])
    assert [each["name"] for each in second.json["items"]] == ["team/new one"]
    assert second.json["next"] is None
    assert [each["name"] for each in api("GET", "model/?pattern=team*").json["items"]] == ["team/new one"]


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
def test_a_page_has_a_size(api: Api, limit: str) -> None:
    answer = api("GET", f"model/?limit={limit}")
    assert (answer.status, answer.json["error"]) == (422, "BadParameter")
    assert answer.json["detail"].startswith("limit: ")


@pytest.mark.parametrize(
    "body",
    [
        COLUMN,
        {"data": {"x": {"0": 1, "1": 4.5}}},
        {"data": [[1], [4.5]], "columns": ["x"]},
        {"data": [1, 4.5], "shape": [2, 1], "columns": ["x"]},
        {"datax": COLUMN},
    ],
)
def test_a_model_predicts_from_data_in_the_body(api: Api, body: Any) -> None:
    answer = api("PUT", "model/line/predict", body)
    assert answer.status == 200
    assert answer.json["result"] == pytest.approx([3.0, 10.0])
    assert (answer.json["model"], answer.json["resource_uri"]) == ("line", "/api/v1/model/line/")


def test_a_model_works_on_datasets_by_name(api: Api) -> None:
    assert api("PUT", "model/line/predict?datax=points[x]").json["result"] == pytest.approx([1, 3, 5, 7])
    assert api("PUT", "model/line/score?datax=points[x]&datay=points[y]").json["result"] == pytest.approx(1.0)
    stored = api("PUT", "model/line/predict?datax=points[x]", {"result": "predicted"})
    assert stored.json["result"]["name"] == "predicted"


def test_a_fit_gives_the_new_version(api: Api) -> None:
    answer = api("PUT", "model/team/new%20one/fit?datax=points[x]&datay=points[y]")
    assert answer.json["result"]["version"] == 2
    assert answer.json["result"]["attributes"]["dataset"]["Xname"] == "points[x]"
    inline = {"data": {"x": [0, 1]}, "datay": {"data": [0, 1]}, "options": {"sample_weight": [1, 1]}}
    assert api("PUT", "model/team/new one/fit".replace(" ", "%20"), inline).json["result"]["version"] == 3


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("model/line/predict", None, 400, "give the data once"),
        ("model/line/predict?datax=points", COLUMN, 400, "give the data once"),
        ("model/line/predict", b'{"data": [[1]', 400, "Invalid JSON"),
        ("model/line/predict", {"date": [[1]]}, 422, "date: Extra inputs"),
        ("model/line/predict", {"data": {"x": [1], "y": [1, 2]}}, 422, "different length"),
        ("model/line/predict", {"data": {"x": [1]}, "columns": ["z"]}, 422, "columns: there are"),
        ("model/line/predict", {"data": [1, 2], "shape": [3, 1]}, 422, "reshape"),
        ("model/line/predict", {"data": [[1, 2]], "columns": ["x"]}, 422, "1 names for an array"),
        ("model/line/predict", {"data": {"x": {"0": 1}, "y": {"1": 1}}}, 422, "data.y: its rows"),
        ("model/line/predict", {"data": []}, 422, "empty"),
        ("model/line/predict?datax=pints", None, 404, "did you mean 'data/points'"),
        ("model/line/predict?datax=points[z]", None, 404, "data/points"),
        ("model/line/predict?datax=a[b", None, 400, "cannot be used"),
        ("model/line/predicted?datax=points", None, 404, "did you mean 'predict'"),
        ("model/line/transform?datax=points[x]", None, 422, "has no attribute 'transform'"),
        ("model/line/predict", {**COLUMN, "options": {"colour": 1}}, 422, "colour"),
        ("model/line/predict", {**COLUMN, "result": "a*b"}, 400, "has a meaning"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    api: Api, path: str, body: Any, status: int, said: str
) -> None:
    answer = api("PUT", path, body)
    assert answer.status == status
    assert said in answer.json["detail"]
    assert answer.json["status"] == status


def test_d_the_failure_of_a_task_has_the_type_of_its_error_and_no_representation(api: Api) -> None:
    answer = api("PUT", "model/line/predict", {"data": [["a"]]})
    assert (answer.status, answer.json["error"], answer.json["title"]) == (
        422,
        "ValueError",
        "Unprocessable Entity",
    )
    assert "Traceback" not in answer.json["detail"]
    assert "Error(" not in answer.json["detail"]
    assert api("GET", f"task/{answer.json['task_id']}/status").json["status"] == "FAILURE"


def test_other_verbs_are_no_way_to_ask(api: Api) -> None:
    answer = api("POST", "model/line/predict", COLUMN)
    assert (answer.status, answer.json["title"]) == (405, "Method Not Allowed")


def test_a_bucket_is_asked_for_in_a_header(api: Api) -> None:
    assert api("GET", "model/line/", bucket="other").status == 404
    assert api("GET", "model/line/", bucket="default").status == 200
    om.bucket("other").models.put(LinearRegression(), "theirs")
    assert api("GET", "model/theirs/", bucket="other").json["bucket"] == "other"
    assert api("GET", "model/theirs/").status == 404
    assert api("GET", "model/theirs/", bucket="a*b").status == 400


def test_a_search_for_parameters_is_an_action_like_others(api: Api) -> None:
    body = {"datax": "points[x]", "datay": "points[y]", "parameters": {"fit_intercept": [True, False]}}
    answer = api("PUT", "model/line/gridsearch", {**body, "options": {"cv": 2}})
    assert answer.status == 200
    [found] = answer.json["result"]["attributes"]["gridsearch"]
    assert found["best_params"] == {"fit_intercept": True}
    assert api("PUT", "model/line/gridsearch", {**body, "parameters": {"slope": [1]}}).status == 422

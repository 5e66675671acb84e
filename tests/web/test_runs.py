"""Scripts, notebooks and services over HTTP."""

from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import alula as om
from tests.web.conftest import Api


def told(om: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"args": args, "kwargs": kwargs, "bucket": om.datasets.bucket}


def broken(om: Any) -> None:
    raise KeyError("no such row")


NOTEBOOK = "k = globals().get('k', 2)\nassert k != 3, 'three is too much'\nprint(args, k / 2)"


def thing(om: Any) -> object:
    return object()


@pytest.fixture(scope="module", autouse=True)
def stored(api: Api) -> None:
    om.scripts.put(told, "team/told")
    om.scripts.put(broken, "broken")
    om.scripts.put(thing, "thing")
    model = LinearRegression().fit(pd.DataFrame({"x": [0.0, 1.0]}), [0.0, 1.0])
    om.jobs.put(NOTEBOOK, "team/half")
    schema = {"type": "object", "required": ["data"], "properties": {"data": {"required": ["x"]}}}
    om.models.put(model, "line", attributes={"signature": {"input": schema}})


def test_a_script_is_run_with_the_body_as_first_argument_and_the_query_as_keywords(api: Api) -> None:
    answer = api("POST", "script/team/told/run?k=1&k=2&name=ada&flag=true", {"a": [1]})
    assert answer.status == 200
    assert answer.json["script"] == "team/told"
    assert answer.json["result"] == {
        "args": [{"a": [1]}],
        "kwargs": {"k": [1, 2], "name": "ada", "flag": True},
        "bucket": "omegaml",
    }
    assert answer.json["runtimes"] >= 0
    assert answer.json["started"] <= answer.json["ended"]


def test_a_script_may_be_run_without_anything_and_without_waiting(api: Api) -> None:
    accepted = api("POST", "script/team/told/run?async=1")
    assert (accepted.status, accepted.json["script"]) == (202, "team/told")
    ended = api("GET", accepted.location, prefer="wait=30")
    assert ended.json["response"]["args"] == []
    assert ended.json["response"]["kwargs"] == {}


def test_d_a_script_that_fails_is_a_failure_with_the_type_of_its_error(api: Api) -> None:
    answer = api("POST", "script/broken/run")
    assert (answer.status, answer.json["error"], answer.json["detail"]) == (422, "KeyError", "no such row")


def test_a_result_that_json_cannot_hold_is_said_to_be_one(api: Api) -> None:
    answer = api("POST", "script/thing/run")
    assert (answer.status, answer.json["error"]) == (406, "NotJSON")


def test_scripts_are_listed_and_described(api: Api) -> None:
    assert [each["name"] for each in api("GET", "script/").json["items"]] == ["broken", "team/told", "thing"]
    assert api("GET", "script/team/told/").json["prefix"] == "scripts/"
    assert api("GET", "script/nope").status == 404
    assert api("POST", "script/nope/run").status == 404
    assert api("POST", "script/broken/run", b"{").status == 400


def test_a_service_answers_with_the_bare_result(api: Api) -> None:
    for path in ("service/line", "service/line/predict", "/api/service/line"):
        answer = api("POST", path, {"data": {"x": [3]}})
        assert (answer.status, answer.json) == (200, pytest.approx([3.0]))
    assert api("PUT", "service/team/told", [1]).json["args"] == [[1]]
    assert api("GET", "service/team/told/run?k=1").json["kwargs"] == {"k": 1}


def test_a_service_takes_what_its_signature_says_and_nothing_else(api: Api) -> None:
    answer = api("POST", "service/line", {"data": {"y": [3]}})
    assert (answer.status, answer.json["error"]) == (400, "BadBody")
    assert answer.json["detail"].startswith("data: ")
    assert api("POST", "service/line", {}).status == 400


def test_an_unknown_service_is_not_found(api: Api) -> None:
    for path in ("service/lin", "service/line/shine", "service/team/told/predict"):
        assert api("POST", path, {}).status == 404


def test_d_a_notebook_is_run_with_parameters(api: Api) -> None:
    answer = api("POST", "job/team/half/run?flag=true", {"k": 8})
    assert answer.status == 200, answer.json
    assert answer.json["job"] == "team/half"
    assert answer.json["result"]["name"].startswith("results/team/half")
    (run,) = api("GET", "job/team/half/").json["job_runs"]
    assert (run["status"], run["params"]["kwargs"] if "kwargs" in run["params"] else run["params"]) == (
        "OK",
        {"k": 8, "flag": True},
    )
    assert api("GET", "job/team/half").json["job_results"] == [answer.json["result"]["name"]]
    result = api("GET", f"job/{answer.json['result']['name'].replace(' ', '%20')}")
    assert result.json["source_job"] == "team/half.ipynb"


def test_d_a_notebook_that_raises_is_a_failure(api: Api) -> None:
    answer = api("POST", "job/team/half/run", {"k": 3})
    assert (answer.status, answer.json["error"]) == (422, "NotebookError")
    assert "three is too much" in answer.json["detail"]
    assert api("GET", f"task/{answer.json['task_id']}/status").json["status"] == "FAILURE"
    assert api("GET", "job/team/half").json["job_runs"][-1]["status"] == "ERROR"


def test_d_notebooks_are_listed_and_an_unknown_one_is_not_found(api: Api) -> None:
    assert "team/half.ipynb" in [each["name"] for each in api("GET", "job/").json["items"]]
    assert api("GET", "job/nope").status == 404
    assert api("POST", "job/nope/run").status == 404
    assert api("POST", "job/team/half/run", {"not a name": 1}).status == 422

"""The commands about tasks submit them, wait or do not, and show what became of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from typer.testing import CliRunner, Result

import alula as om
from alula import workflow
from alula._core._ids import new_id
from alula.cli import app

pytestmark = pytest.mark.usefixtures("line")


def plain(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"args": args, "kwargs": kwargs}


@pytest.fixture
def line(engine: object, home: Path) -> Any:
    x = np.arange(4.0)
    om.models.put(LinearRegression().fit(pd.DataFrame({"x": x}), 2 * x + 1), "line")
    om.datasets.put(pd.DataFrame({"x": x, "y": 2 * x + 1}), "points")
    om.scripts.put(plain, "plain")
    yield
    om.runtime.close_default()
    workflow.reset_default_executor()


def call(*words: str, **environment: str) -> Result:
    return CliRunner(env={"COLUMNS": "160", "NO_COLOR": "1", **environment}).invoke(app, ["runtime", *words])


def shown(*words: str) -> str:
    done = call(*words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def facts(*words: str) -> Any:
    return json.loads(shown(*words, "--json"))


def test_a_model_works_on_datasets_and_on_json() -> None:
    assert facts("model", "line", "predict", "points[x]") == pytest.approx([1, 3, 5, 7])
    assert facts("model", "line", "predict", '{"x": [10]}') == pytest.approx([21])
    assert facts("model", "line", "score", "points[x]", "points[y]") == pytest.approx(1.0)
    assert shown("model", "line", "predict", '{"x": [10]}') == "array([21.])\n"


def test_a_fit_shows_the_new_version() -> None:
    text = " ".join(shown("model", "line", "fit", "points[x]", "points[y]").split())
    assert "models/line kind" in text
    assert "version 2" in text
    assert facts("model", "line", "predict", "points[x]", "--result", "made")["name"] == "made"
    assert om.datasets.exists("made")


def test_parameters_are_given_by_name() -> None:
    fitted = facts("model", "line", "fit", "points[x]", "points[y]", "--param", "sample_weight=[1, 1, 1, 1]")
    assert fitted["version"] == 2
    grid = facts("model", "line", "gridsearch", "points[x]", "points[y]", "--param", "cv=2", "--param",
                 'parameters={"fit_intercept": [true, false]}')  # fmt: skip
    assert grid["attributes"]["gridsearch"][0]["best_params"] == {"fit_intercept": True}


def test_a_script_is_run_with_values_and_keywords() -> None:
    ran = facts("script", "plain", "run", "1", "two", "three=[3]", "--param", "four=null")
    assert ran == {"args": [1, "two"], "kwargs": {"three": [3], "four": None}}
    assert facts("script", "plain", "a/b=c")["args"] == ["a/b=c"]


def test_a_task_that_nobody_waits_for_is_an_id_and_waits_in_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALULA_WHERE", "auto")
    om.runtime.close_default()
    done = call("model", "line", "predict", "points[x]", "--async")
    assert done.exit_code == 0
    task = done.stdout.strip()
    assert "no living executor takes work" in done.stderr
    assert "_models.py" not in done.stderr
    assert shown("result", task, "--no-wait") == f"{task}  PENDING\n"
    [_] = workflow.default_executor().claim()
    assert facts("result", task) == pytest.approx([1, 3, 5, 7])
    assert facts("model", "line", "predict", "points[x]", "--async")["task_id"] != task


def test_a_task_that_failed_is_one_paragraph_and_a_status() -> None:
    done = call("model", "line", "predict", "nope")
    assert done.exit_code == 1
    said = done.stderr.splitlines()
    assert said[0].startswith("alula: NameNotFoundError: data/nope does not exist")
    assert "Traceback" not in done.stderr
    words = said[-1].split()
    assert words[:3] == ["alula", "runtime", "result"]
    again = call(*words[2:5])
    assert again.exit_code == 1
    assert "NameNotFoundError" in again.stdout
    assert "Traceback" in again.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["model", "line", "predikt", "points"], 2, "did you mean 'predict'"),
        (["model", "lin", "predict", "points"], 1, "did you mean 'models/line'"),
        (["model", "line", "predict", "[[1"], 2, "neither JSON"),
        (["model", "line", "predict"], 1, ""),
        (["model", "line", "predict", "[]"], 1, "empty input"),
        (["model", "line", "predict", "points", "--param", "x"], 2, "is no NAME=VALUE"),
        (["model", "line", "predict", "points", "--require", "a,b"], 1, "label must be valid"),
        (["script", "plan"], 1, "did you mean 'scripts/plain'"),
        (["result", new_id()], 1, "no task"),
        (["revoke", new_id()], 1, "no task"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(words: list[str], code: int, said: str) -> None:
    done = call(*words)
    told = " ".join((done.output + str(done.exception)).split())
    assert (done.exit_code, said in told) == (code, True), told


def test_executors_are_shown_with_their_labels_and_what_they_run() -> None:
    (name,) = om.runtime.labels()
    assert shown("labels").splitlines()[1].split() == [name, "default"]
    assert shown("workers").splitlines()[1].split() == [name, "nothing"]
    assert shown("status").splitlines()[1].split()[:3] == [name, "default", "0"]
    assert facts("labels") == {name: ["default"]}
    assert facts("status")[name]["queues"] == ["default"]
    assert facts("workers") == {name: []}
    assert shown("ping") == f"pong from {name}\n"
    assert facts("ping")["message"] == "pong"


def test_a_task_may_be_revoked() -> None:
    with pytest.warns(UserWarning, match="no living executor"):
        waiting = om.runtime.require("gpu").model("line").predict("points[x]")
    assert shown("revoke", waiting.id) == f"{waiting.id}  REVOKED\n"


def test_what_was_submitted_is_listed_and_what_failed_is_done_again() -> None:
    assert shown("tasks") == "no tasks\n"
    assert shown("failed") == "no tasks\n"
    call("model", "line", "predict", "points[x]")
    failed = call("model", "line", "predict", "later")
    assert failed.exit_code == 1
    rows = [line.split() for line in shown("tasks").splitlines()[1:]]
    assert [row[1:6] for row in rows] == [
        ["✗", "FAILURE", "predict", "model", "line"],
        ["✓", "SUCCESS", "predict", "model", "line"],
    ]
    (told,) = facts("failed")
    assert facts("tasks", "--status", "success")[0]["name"] == "line"
    om.datasets.put(pd.DataFrame({"x": [1.0]}), "later")
    assert facts("resubmit", told["id"]) == pytest.approx([3.0])
    assert call("tasks", "--status", "odd").exit_code == 1


def test_what_executors_have_done_and_what_waits_is_shown() -> None:
    om.runtime.ping()
    [done] = facts("stats").values()
    assert done["processed"] == {"SUCCESS": 1}
    assert "\N{CHECK MARK} 1" in shown("stats")
    assert (facts("queues"), shown("queues")) == ({}, "nothing waits\n")
    with pytest.warns(UserWarning, match="no living executor"):
        waiting = om.runtime.require("gpu").ping(wait=False)
    [[gpu]] = facts("queues").values()
    assert (gpu["labels"], gpu["waiting"], gpu["workers"]) == (["gpu"], 1, [])
    assert "nobody" in shown("queues")
    waiting.revoke()


def test_old_tasks_are_forgotten() -> None:
    om.runtime.ping()
    assert facts("forget", "--older-than", "1h") == {"tasks": 0}
    assert shown("forget", "--older-than", "0s") == "removed the values of 1 task\n"
    assert shown("forget", "--older-than", "0s", "--whole") == "removed all of 1 task\n"
    assert call("forget", "--older-than", "soon").exit_code == 1

"""Tasks that belong to a run, and objects whose calls are tracked wherever they come from."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import alula as om
from alula.errors import NameNotFoundError
from alula.runtime import Experiment
from tests.runtime.talkers import Learner

pytestmark = pytest.mark.usefixtures("line")


@pytest.fixture
def exp(line: None) -> Experiment:
    return om.runtime.experiment("myexp")


def events(exp: Experiment, run: Any = "*") -> list[str]:
    return [row["event"] for row in exp.data(run, raw=True)]


def fitted() -> None:
    om.runtime.model("mymodel").fit("data-X", "data-Y").get()


def test_a_task_inside_of_a_block_belongs_to_its_run(exp: Experiment) -> None:
    with exp:
        result = om.runtime.model("mymodel").fit("data-X[x]", "data-Y[y]")
        result.get()
        exp.log_metric("acc", 0.5, step=1)
    told = events(exp)
    assert (told[0], told[-1]) == ("start", "stop")
    assert {"task_call", "artifact", "task_success", "metric"} <= set(told)
    of_task = exp.data(taskid=result.task_id, raw=True)
    assert {row["taskid"] for row in of_task} == {result.task_id}
    [call] = [row["value"] for row in of_task if row["event"] == "task_call"]
    assert call == {
        "task": "fit",
        "kind": "model",
        "name": "mymodel",
        "args": ["data-X[x]", "data-Y[y]"],
        "kwargs": {},
    }
    assert exp.status() == "STOPPED"


def test_the_end_of_a_block_leaves_tracking_as_it_was_before(exp: Experiment) -> None:
    fitted()
    exp.track("mymodel")
    other = om.runtime.experiment("other")
    with other:
        om.runtime.model("mymodel").score("data-X", "data-Y").get()
    assert exp.status() == "PENDING"
    om.runtime.model("mymodel").score("data-X", "data-Y").get()
    assert "task_success" in events(exp)
    assert len(other.data(event="task_success", raw=True)) == 1


def test_a_score_of_a_tracked_model_is_six_rows(exp: Experiment) -> None:
    fitted()
    exp.track("mymodel")
    result = om.runtime.model("mymodel").score("data-X", "data-Y")
    assert result.get() == pytest.approx(1)
    rows = exp.data(run=1, raw=True)
    assert [(row["event"], row["key"]) for row in rows] == [
        ("start", "run"),
        ("task_call", "score"),
        ("artifact", "related"),
        ("metric", "score"),
        ("task_success", "score"),
        ("stop", "run"),
    ]
    assert {row["taskid"] for row in rows} == {result.task_id}
    [related] = exp.restore_artifacts("related", run=1)
    assert related.coef_.ravel() == pytest.approx([2.0])
    assert exp.search("metrics.score > .99").index.to_list() == [1]


def test_a_task_that_fails_is_a_run_that_failed(exp: Experiment) -> None:
    exp.track("mymodel")
    result = om.runtime.model("mymodel").score("data-X", "data-Y")
    assert result.failed() or result.get(propagate=False) is not None
    [run] = exp.runs()
    assert (run.status, (run.error or "").partition(":")[0]) == (
        "FAILED",
        "sklearn.exceptions.NotFittedError",
    )
    [failure] = exp.data(event="task_failure", raw=True)
    assert "NotFittedError" in failure["value"]["error"]


def test_what_a_fitted_estimator_was_told_are_parameters(exp: Experiment) -> None:
    om.models.put(Ridge(alpha=0.5), "ridge", attributes={"tracking": {"default": "myexp"}})
    om.runtime.model("ridge").fit("data-X", "data-Y").get()
    table = exp.compare()
    assert table["params.alpha"].to_list() == [0.5]
    assert table["params.fit_intercept"].to_list() == [True]
    versions = [row["value"]["version"] for row in exp.data(key="related", raw=True)]
    assert versions == [1, 2]


def test_a_worker_that_is_killed_amid_logging_loses_nothing(exp: Experiment, tmp_path: Path) -> None:
    """The next attempt goes on with the run of the first."""
    om.models.put(Learner(tmp_path / "died"), "learner")
    exp.track("learner")
    om.runtime.require(max_retries=1).model("learner").fit("data-X").get()
    [run] = exp.runs()
    assert run.status == "STOPPED"
    assert [row["step"] for row in exp.data(key="loss", raw=True)] == [0, 1, 0, 1, 2]
    [retry] = exp.data(event="task_retry", raw=True)
    assert retry["value"] == {"attempt": 2}


def test_autotrack_keeps_what_went_in(exp: Experiment) -> None:
    om.runtime.experiment("myexp", autotrack=True).track("mymodel")
    fitted()
    om.datasets.put(pd.DataFrame({"x": [0.0]}), "data-X")  # which changes nothing of what was used
    assert exp.restore_data("X", event="fit")["x"].to_list() == [0, 1, 2, 3]
    om.runtime.model("mymodel").predict([[1.0], [2.0]]).get()
    assert exp.restore_data("X", event="predict") == [[1.0], [2.0]]
    large = np.arange(20_000.0).reshape(-1, 1)
    om.runtime.model("mymodel").predict(large).get()
    assert exp.restore_data("X", event="predict").shape == (20_000, 1)


def test_what_is_not_tracked_leaves_nothing(exp: Experiment) -> None:
    fitted()
    exp.track("mymodel", label="gpu")  # which is no label of this executor
    om.runtime.model("mymodel").predict("new-X").get()
    assert exp.status() == "PENDING"
    exp.track("mymodel")
    exp.untrack("mymodel")
    om.runtime.model("mymodel").predict("new-X").get()
    assert exp.status() == "PENDING"


def test_an_object_that_is_not_there_cannot_be_tracked(exp: Experiment) -> None:
    with pytest.raises(NameNotFoundError, match="mymodl") as told:
        exp.track("mymodl")
    assert isinstance(told.value, AssertionError)


def test_scripts_and_notebooks_can_be_tracked(exp: Experiment) -> None:
    om.jobs.create("print(1)", "nb")
    exp.track("nb")
    metadata = om.jobs.metadata("nb")
    assert metadata is not None
    assert metadata.attributes["tracking"] == {"default": "myexp", "experiments": ["myexp"]}
    result = om.runtime.job("nb").run()
    result.get()
    assert [row["event"] for row in exp.data(taskid=result.id, raw=True)] == [
        *("start", "task_call", "artifact", "task_success", "stop")
    ]


def _log(data: Any, method: str, tracking: Experiment) -> list[Any]:
    tracking.log_metric("inside", data)
    return [tracking.name, tracking.provider, tracking.active_run()]


def test_a_script_is_given_its_experiment_and_one_that_keeps_nothing_otherwise(exp: Experiment) -> None:
    om.scripts.put(_log, "logs")
    assert om.runtime.script("logs").run(1).get() == ["notrack", "notrack", 0]
    exp.track("logs")
    result = om.runtime.script("logs").run(2)
    assert result.get() == ["myexp", "default", 1]
    assert [row["value"] for row in exp.data(key="inside", taskid=result.id, raw=True)] == [2]


def test_secrets_among_arguments_are_hidden(exp: Experiment) -> None:
    with exp:
        om.runtime.ping("password=abc", token="abc", other=1)
    [call] = [row["value"] for row in exp.data(event="task_call", raw=True)]
    assert call["args"] == ["password=***"]
    assert call["kwargs"] == {"token": "***", "other": 1}


def test_a_run_that_was_dropped_meanwhile_does_not_fail_its_tasks(exp: Experiment) -> None:
    fitted()
    exp.start()
    with exp:
        om.models.drop("experiments/myexp")
        om.runtime.model("mymodel").predict("new-X").get()


def test_the_experiments_of_a_model(exp: Experiment) -> None:
    made = om.runtime.model("mymodel").experiment()
    assert made.name == "mymodel"
    om.runtime.model("mymodel").score("data-X", "data-Y").get(propagate=False)
    assert made.status() == "FAILED"
    exp.track("mymodel", label="gpu")
    assert om.runtime.model("mymodel").experiment("gpu").name == "myexp"
    found = om.runtime.model("mymodel").experiments()
    assert {label: each.name for label, each in found.items() if label != "_all_"} == {
        "default": "mymodel",
        "gpu": "myexp",
    }
    assert [each.name for each in found["_all_"]] == ["mymodel", "myexp"]
    assert om.runtime.model("mymodel").experiments(raw=True)["gpu"].kind == "experiment.tracker"

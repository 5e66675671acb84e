"""What is exported to MLflow is found there by its own client, once, however often it is exported."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from alula.errors import MissingExtraError
from alula.runtime import Experiment


@pytest.fixture
def mlflow() -> Any:
    if find_spec("mlflow") is None or find_spec("alembic") is None:
        if os.environ.get("CI"):
            pytest.fail("MLflow is not installed, and CI is set: pip install 'alula[mlflow]'")
        pytest.skip("MLflow is not installed")
    import mlflow

    return mlflow


@pytest.fixture
def told(exp: Experiment) -> Experiment:
    with exp:
        exp.log_param("lr", 0.1)
        for acc in (0.5, 0.75):
            exp.log_metric("acc", acc)
        exp.log_metric("loss", 0.1, step=7)
        exp.log_artifact({"a": 1}, "notes")
        with exp:
            pass
    with pytest.raises(ZeroDivisionError), exp:
        _ = 1 / 0
    return exp


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_mlflow_shows_our_runs(told: Experiment, mlflow: Any, home: Path) -> None:
    uri = told.to_mlflow()
    assert uri == f"sqlite:///{home}/mlflow.db"
    assert told.to_mlflow() == uri  # again, which changes nothing
    client = mlflow.MlflowClient(tracking_uri=uri)
    there = client.get_experiment_by_name("myexp")
    runs = client.search_runs([there.experiment_id], order_by=["attributes.start_time ASC"])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED"]
    first, inner, failed = runs
    assert first.data.params == {"lr": "0.1"}
    assert first.data.metrics == {"acc": 0.75, "loss": 0.1}
    history = client.get_metric_history(first.info.run_id, "acc")
    assert [(each.step, each.value) for each in history] == [(0, 0.5), (1, 0.75)]
    assert inner.data.tags["mlflow.parentRunId"] == first.info.run_id
    assert failed.data.tags["alula.error"] == "ZeroDivisionError: division by zero"
    assert first.data.tags["artifact.notes"] == "{'a': 1}"
    ours = told.runs()[0]
    assert first.info.start_time == int(ours.started * 1000)
    assert client.search_runs([there.experiment_id], "metrics.acc > 0.7 and params.lr = '0.1'")[0].info.run_id


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_what_is_new_is_added(exp: Experiment, mlflow: Any, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/other.db"
    exp.start()
    exp.log_metric("acc", 1)
    exp.to_mlflow(uri, name="shown")
    exp.log_metric("acc", 2)
    exp.stop()
    exp.to_mlflow(uri, name="shown")
    client = mlflow.MlflowClient(tracking_uri=uri)
    [run] = client.search_runs([client.get_experiment_by_name("shown").experiment_id])
    assert run.info.status == "FINISHED"
    assert [m.value for m in client.get_metric_history(run.info.run_id, "acc")] == [1, 2]


def test_without_mlflow_the_extra_is_named(exp: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"alula\[mlflow\]"):
        exp.to_mlflow()

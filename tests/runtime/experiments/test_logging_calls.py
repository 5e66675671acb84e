"""What can be logged, what it becomes, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import alula as om
from alula.errors import NameNotFoundError
from alula.runtime import Experiment
from tests.postgres import ON_BOTH


@pytest.fixture
def run(exp: Experiment) -> Experiment:
    exp.start()
    return exp


def values(exp: Experiment, **where: Any) -> list[Any]:
    return [row["value"] for row in exp.data(raw=True, **where)]


@ON_BOTH
def test_metrics_are_numbers_of_any_kind(run: Experiment) -> None:
    for value in (1, 0.5, np.float32(0.25), np.int64(3), np.array(2.0), float("inf")):
        run.log_metric("acc", value)
    run.log_metric("acc", float("nan"))
    *told, last = values(run, key="acc")
    assert told == [1, 0.5, 0.25, 3, 2.0, float("inf")]
    assert last != last


@pytest.mark.parametrize("value", ["0.5", None, True, [1.0], 1j])
def test_a_metric_that_is_no_number_is_refused(run: Experiment, value: Any) -> None:
    with pytest.raises(TypeError, match=r"the metric 'acc' is a .*, and metrics are numbers"):
        run.log_metric("acc", value)


def test_params_and_events_are_json(run: Experiment) -> None:
    run.log_param("layers", [8, np.int64(4)])
    run.log_event("note", "text", {"a": None})
    assert values(run, event=["param", "note"]) == [[8, 4], {"a": None}]
    with pytest.raises(TypeError, match=r"the value of 'model' is not JSON .*; log_artifact"):
        run.log_param("model", object())


def test_many_at_once_are_one_commit(run: Experiment) -> None:
    run.log_metrics({"a": 1, "b": 2}, step=3)
    run.log_params({"c": "x"})
    run.log_events("loss", "batch", [0.3, 0.2], step=[1, 2])
    assert [(r["key"], r["step"]) for r in run.data(raw=True, event=["metric", "param", "loss"])] == [
        ("a", 3),
        ("b", 3),
        ("c", None),
        ("batch", 1),
        ("batch", 2),
    ]
    with pytest.raises(ValueError, match="2 values have 1 steps"):
        run.log_events("loss", "batch", [1, 2], step=[1])
    with pytest.raises(TypeError):
        run.log_events("loss", "batch", [0.1, object()])
    assert len(values(run, event="loss")) == 2


def test_steps_and_times_are_taken_as_given(run: Experiment) -> None:
    run.log_metric("acc", 1, step=7, dt=datetime(2026, 1, 2, tzinfo=UTC))
    [row] = run.data(key="acc", raw=True)
    assert (row["step"], row["dt"]) == (7, datetime(2026, 1, 2, tzinfo=UTC).timestamp())
    with pytest.raises(TypeError, match="no whole number"):
        run.log_metric("acc", 1, step=0.5)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(TypeError, match="must be text"):
        run.log_metric(3, 1)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(ValueError, match="is no time"):
        run.log_metric("acc", 1, dt="noon")  # type: ignore[arg-type]  # what is refused


def test_extra_columns_are_columns(run: Experiment) -> None:
    run.log_metric("acc", 1, fold=1)
    run.log_metric("acc", 2, fold=2)
    frame = run.data(key="acc")
    assert list(frame["fold"]) == [1, 2]
    assert values(run, key="acc", fold=2) == [2]
    assert values(run, key="acc", fold=[1, 2]) == [1, 2]
    assert values(run, key="acc", fold=3) == []


@pytest.mark.parametrize("name", ["experiment", "run", "event", "node", "userid", "taskid"])
def test_an_extra_column_cannot_take_the_place_of_another(run: Experiment, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}= is a column of each row already"):
        run.log_metric("k", 1, **{name: 1})


def test_log_extra_adds_columns_until_they_are_removed(run: Experiment) -> None:
    run.log_extra(fold=1, host="a")
    run.log_metric("acc", 1)
    run.log_extra(remove=True, host=None)
    run.log_metric("acc", 2)
    run.log_extra(remove=True)
    run.log_metric("acc", 3)
    rows = run.data(key="acc", raw=True)
    assert [(r.get("fold"), r.get("host")) for r in rows] == [(1, "a"), (1, None), (None, None)]
    with pytest.raises(ValueError, match="step= is a column"):
        run.log_extra(step=1)


def test_log_system_tells_what_this_runs_on(run: Experiment) -> None:
    run.log_system()
    [facts] = values(run, event="system")
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["python"].startswith("3.")


def test_artifacts_come_back_as_they_were(run: Experiment) -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    model = LinearRegression().fit(frame, [1, 2])
    things = {"n": 3, "t": "text", "d": {"a": [1]}, "tuple": (1, 2), "long": "x" * 40_000, "cls": complex}
    for name, thing in things.items():
        run.log_artifact(thing, name)
    assert run.restore_artifacts() == list(things.values())
    run.log_artifact(frame, "frame")
    run.log_artifact(model, "model")
    [stored] = run.restore_artifacts("frame")
    pd.testing.assert_frame_equal(stored, frame)
    [fitted] = run.restore_artifacts(key="model")
    assert fitted.predict(frame) == pytest.approx([1, 2])
    assert om.datasets.list() == []  # what is kept is hidden


def test_metadata_stand_for_the_very_version(run: Experiment) -> None:
    first = om.datasets.put([1], "data")
    om.datasets.put([2], "data")
    run.log_artifact(first, "data")
    assert run.restore_artifacts("data") == [[1]]
    [row] = run.data(event="artifact", raw=True)
    assert run.restore_artifacts(value=row["value"]) == [[1]]
    om.datasets.drop("data")
    with pytest.raises(NameNotFoundError):
        run.restore_artifacts("data")


def test_data_are_put_together_again(run: Experiment) -> None:
    for part in ([1], [2, 3]):
        run.log_data("list", part)
        run.log_data("array", np.array(part))
        run.log_data("frame", pd.DataFrame({"x": part}), event="fit")
    assert run.restore_data("list") == [1, 2, 3]
    assert run.restore_data("list", concat=False) == [[1], [2, 3]]
    assert list(run.restore_data("array")) == [1, 2, 3]
    assert list(run.restore_data("frame", event="fit")["x"]) == [1, 2, 3]
    with pytest.raises(NameNotFoundError, match=r"did you mean 'experiments/myexp.list.'"):
        run.restore_data("lists")

"""A search for the best parameters: what scikit-learn finds, in parts of one task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    ShuffleSplit,
)
from sklearn.svm import SVC

import alula as om
from alula.testing import Turnstile
from alula.workflow import Claims
from tests.conftest import Open
from tests.runtime.estimators import Counted

GRID = {"C": [0.1, 1.0, 10.0], "gamma": ["scale", 0.1]}


@pytest.fixture
def iris(engine: object) -> pd.DataFrame:
    frame: pd.DataFrame = load_iris(as_frame=True).frame
    frame.columns = ["a", "b", "c", "d", "kind"]
    om.datasets.put(frame, "iris")
    om.models.put(SVC(), "svc")
    return frame


def rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    return frame[["a", "b", "c", "d"]], frame["kind"]


def same(found: Any, own: Any) -> None:
    timed = {name for name in own.cv_results_ if "time" in name}
    assert found.cv_results_.keys() == own.cv_results_.keys()
    for name in own.cv_results_.keys() - timed - {"params"}:
        np.testing.assert_array_equal(found.cv_results_[name], own.cv_results_[name])
    assert found.cv_results_["params"] == own.cv_results_["params"]
    assert (found.best_params_, found.best_score_) == (own.best_params_, own.best_score_)


def test_it_finds_what_scikit_learn_finds_and_stores_it(iris: pd.DataFrame) -> None:
    result = om.runtime.model("svc").gridsearch("iris[a:d]", "iris[kind]", parameters=GRID)
    metadata = result.get()
    assert (metadata.name, metadata.version) == ("svc", 1)
    (entry,) = metadata.attributes["gridsearch"]
    assert entry["gsModel"] == f"svc.{entry['datetime']}.gs"
    assert (entry["Xname"], entry["Yname"]) == ("iris[a:d]", "iris[kind]")
    found = om.models.load(entry["gsModel"])
    own = GridSearchCV(SVC(), GRID, cv=5).fit(*rows(iris))
    same(found, own)
    assert (entry["best_params"], entry["best_score"]) == (own.best_params_, own.best_score_)
    X, _ = rows(iris)
    np.testing.assert_array_equal(found.predict(X), own.predict(X))
    assert (found.cv, found.n_jobs, found.pre_dispatch) == (5, None, "2*n_jobs")


def test_its_table_is_a_dataset_of_the_same_name(iris: pd.DataFrame) -> None:
    metadata = om.runtime.model("svc").gridsearch("iris[a:d]", "iris[kind]", GRID, cv=2).get()
    name = metadata.attributes["gridsearch"][-1]["gsModel"]
    table = om.datasets.load(name)
    assert len(table) == 6
    assert table["param_gamma"].tolist() == ["scale", "0.1"] * 3
    np.testing.assert_array_equal(
        table["mean_test_score"], om.models.load(name).cv_results_["mean_test_score"]
    )
    best = table.sort_values("rank_test_score").iloc[0]
    assert best["mean_test_score"] == metadata.attributes["gridsearch"][-1]["best_score"]


@pytest.mark.parametrize(
    "options",
    [
        {"cv": KFold(3, shuffle=True, random_state=0)},
        {"cv": 3, "scoring": ["accuracy", "f1_macro"], "refit": "f1_macro", "return_train_score": True},
        {"cv": 2, "refit": False},
    ],
)
def test_its_options_are_those_of_scikit_learn(iris: pd.DataFrame, options: dict[str, Any]) -> None:
    X, y = rows(iris)
    metadata = om.runtime.model("svc").gridsearch(X, y, [{"C": [1]}, {"gamma": [0.1, 0.2]}], **options).get()
    entry = metadata.attributes["gridsearch"][-1]
    assert entry["Xname"] is None
    same(
        om.models.load(entry["gsModel"]),
        GridSearchCV(SVC(), [{"C": [1]}, {"gamma": [0.1, 0.2]}], **options).fit(X, y),
    )


def test_folds_at_random_are_chosen_once(iris: pd.DataFrame) -> None:
    """Both candidates are one, so their scores are the same if they saw the same folds."""
    grid = {"C": [1.0], "cache_size": [200, 201]}
    splitter = ShuffleSplit(3, test_size=0.2)
    metadata = om.runtime.model("svc").gridsearch("iris[a:d]", "iris[kind]", grid, cv=splitter).get()
    found = om.models.load(metadata.attributes["gridsearch"][-1]["gsModel"]).cv_results_
    for fold in range(3):
        assert len({*found[f"split{fold}_test_score"]}) == 1


def test_folds_may_depend_on_the_data(iris: pd.DataFrame) -> None:
    X, y = (each.iloc[45:56] for each in rows(iris))
    metadata = om.runtime.model("svc").gridsearch(X, y, {"C": [1.0]}, cv=LeaveOneOut()).get()
    found = om.models.load(metadata.attributes["gridsearch"][-1]["gsModel"])
    assert found.n_splits_ == 11
    splits = iter([(np.arange(5), np.arange(5, 11)), (np.arange(5, 11), np.arange(5))])
    metadata = om.runtime.model("svc").gridsearch(X, [0, 1] * 5 + [0], {"C": [1.0]}, cv=splits).get()
    assert om.models.load(metadata.attributes["gridsearch"][-1]["gsModel"]).n_splits_ == 2
    assert len(metadata.attributes["gridsearch"]) == 2


def test_an_estimator_may_use_joblib_itself(iris: pd.DataFrame) -> None:
    forest = RandomForestClassifier(n_estimators=4, n_jobs=-1, random_state=0)
    om.models.put(forest, "forest")
    metadata = (
        om.runtime.model("forest").gridsearch("iris[a:d]", "iris[kind]", {"max_depth": [1, 2]}, cv=2).get()
    )
    found = om.models.load(metadata.attributes["gridsearch"][-1]["gsModel"])
    same(found, GridSearchCV(forest, {"max_depth": [1, 2]}, cv=2).fit(*rows(iris)))
    assert len(found.best_estimator_.estimators_) == 4


def test_groups_stay_together_and_the_fit_is_told_what_there_is_for_each_row(iris: pd.DataFrame) -> None:
    """By name or as values; in the records of the task both are what scikit-learn takes."""
    X, y = rows(iris)
    groups, weights = np.arange(150) % 6, np.linspace(0.5, 1.5, 150)
    om.datasets.put(pd.DataFrame({"group": groups, "weight": weights}), "more")
    own = GridSearchCV(SVC(), {"C": [0.01, 1.0]}, cv=GroupKFold(3)).fit(
        X, y, groups=groups, sample_weight=weights
    )
    given: dict[str, Any] = {"groups": "more[group]", "fit_params": {"sample_weight": weights}}
    result = om.runtime.model("svc").gridsearch(X, y, {"C": [0.01, 1.0]}, cv=GroupKFold(3), **given)
    found = om.models.load(result.get().attributes["gridsearch"][-1]["gsModel"])
    for fold in range(3):
        own_scores = own.cv_results_[f"split{fold}_test_score"]
        np.testing.assert_array_equal(found.cv_results_[f"split{fold}_test_score"], own_scores)
    told = result.progress
    assert told is not None
    assert (told.done, told.total, told.text) == (6, 6, "fits")
    left_out = LeaveOneGroupOut()  # as many folds as there are groups
    by_group = om.runtime.model("svc").gridsearch(X, y, {"C": [1.0]}, cv=left_out, groups=groups).get()
    assert om.models.load(by_group.attributes["gridsearch"][-1]["gsModel"]).n_splits_ == 6


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({}, TypeError, "Parameter grid should be a dict"),
        ({"parameters": {"c": [1]}}, ValueError, "Invalid parameter 'c' for estimator SVC"),
        ({"parameters": {"C": 1}}, TypeError, "needs to be a list"),
        ({"parameters": {"C": []}}, ValueError, "non-empty sequence"),
        ({"parameters": {"C": [1]}, "colour": 1}, TypeError, "unexpected keyword argument 'colour'"),
        ({"parameters": {"C": [1]}, "scoring": "acuracy"}, ValueError, "acuracy"),
        ({"parameters": {"C": [1]}, "cv": "five"}, ValueError, "Expected `cv`"),
        ({"parameters": {"C": [1]}, "n_jobs": 2}, ValueError, "require"),
    ],
)
def test_what_cannot_be_searched_is_refused_at_once_as_scikit_learn_says_it(
    iris: pd.DataFrame, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        om.runtime.model("svc").gridsearch("iris[a:d]", "iris[kind]", **given)


def test_a_fit_that_fails_is_a_score_or_an_error_as_one_wants_it(iris: pd.DataFrame) -> None:
    grid = {"C": [1.0, -1.0]}
    metadata = om.runtime.model("svc").gridsearch("iris[a:d]", "iris[kind]", grid, cv=2).get()
    found = om.models.load(metadata.attributes["gridsearch"][-1]["gsModel"])
    assert np.isnan(found.cv_results_["mean_test_score"][1])
    failed = om.runtime.model("svc").gridsearch("iris[a:d]", "iris[kind]", grid, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="'C' parameter of SVC"):
        failed.get()
    assert failed.status == "FAILURE"
    missing = om.runtime.model("svc").gridsearch("iris[a:d]", "irs[kind]", {"C": [1]})
    with pytest.raises(LookupError, match="did you mean 'data/iris'"):
        missing.get()


def test_who_goes_on_after_a_crash_fits_only_what_is_not_recorded(
    iris: pd.DataFrame, tmp_path: Path, turnstile: Turnstile, spawn: Callable[..., Any], open_executor: Open
) -> None:
    """The process that searches is killed in the fifth of its six fits; another one goes on."""
    path = tmp_path / "fits"
    om.models.put(Counted(path, turnstile=turnstile), "counted")
    child = spawn(
        """
        om.init(num_cpus=1)
        model = om.runtime.model("counted")
        folds = [([0, 1], [2]), ([0], [1])]
        result = model.gridsearch("iris[a:d]", "iris[kind]", {"value": [1, 2, 3]}, cv=folds)
        print(result.id, flush=True)
        result.get()
        """
    )
    task = child.stdout.readline().strip()
    turnstile.arrived()
    child.kill()
    child.wait()
    turnstile.let()
    executor = open_executor(claims=True)
    with Claims(executor, room=4):
        metadata = om.runtime.result(task)
    fits = path.read_text().split("\n")[:-1]
    assert sorted(fits[:5]) == sorted({*fits[:5]})
    assert fits[4] in fits[5:7]  # again, and beside the sixth if there are two workers
    assert len(fits) == 8
    assert fits[-1] == "3 150"
    assert metadata.attributes["gridsearch"][0]["best_params"] == {"value": 3}

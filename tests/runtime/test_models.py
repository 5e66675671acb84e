"""What people do with a model by name: the snippets of the founding page first, as it prints them."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

import alula as om
from alula._core._ids import new_id
from alula.errors import InvalidNameError, NameNotFoundError, TaskError
from alula.runtime import AsyncResult, Runtime
from tests.runtime.estimators import Adder

pytestmark = pytest.mark.usefixtures("engine")

METADATA = (
    r"<Metadata: Metadata\(name=mymodel,bucket=omegaml,prefix=models/,kind=sklearn\.joblib,"
    r"created=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\)>"
)


# ------------------------------------------------------------------------------- the founding page


@pytest.mark.usefixtures("line")
def test_s1_a_model_is_fitted_on_datasets_by_their_names() -> None:
    result = om.runtime.model('mymodel').fit('data-X', 'data-Y')  # fmt: skip
    metadata = result.get()
    assert re.fullmatch(METADATA, repr(metadata))
    assert metadata == repr(metadata)
    assert om.models.get("mymodel").coef_ == pytest.approx([2.0])


@pytest.mark.usefixtures("line")
def test_s2_fit_takes_positional_and_keyword_arguments() -> None:
    args, kwargs = ("data-X", "data-Y"), {"sample_weight": [1, 1, 1, 1]}
    result = om.runtime.model('mymodel').fit(*args, **kwargs)  # fmt: skip
    assert isinstance(result, AsyncResult)
    assert result.get().version == 2


@pytest.mark.usefixtures("line")
def test_s5_and_s7_a_prediction_is_promised_at_once_and_had_by_get() -> None:
    om.runtime.model("mymodel").fit("data-X", "data-Y").get()
    result = om.runtime.model('mymodel').predict('new-X')  # fmt: skip
    assert type(result) is AsyncResult
    assert re.fullmatch(r"<AsyncResult: [0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}>", repr(result))
    values = result.get()
    assert isinstance(values, np.ndarray)
    assert values.round().astype(int).tolist() == [5, 10, 11, 15]


@pytest.mark.usefixtures("line")
def test_s6_the_status_is_read_from_an_attribute() -> None:
    result = om.runtime.model("mymodel").fit("data-X", "data-Y")
    assert result.status in ("PENDING", "STARTED", "SUCCESS")
    result.get()
    assert (result.status, result.state) == ("SUCCESS", "SUCCESS")


# ----------------------------------------------------------------------------------- what is stored


@pytest.mark.usefixtures("line")
def test_a_fit_makes_a_new_version_and_notes_what_it_learned_from() -> None:
    metadata = om.runtime.model("mymodel").fit("data-X[x]", "data-Y").get()
    assert metadata.version == 2
    assert metadata.attributes["dataset"] == {
        "Xname": "data-X[x]",
        "Yname": "data-Y",
        "Xmeta": {"kind": "pandas.dfrows", "version": 1},
        "Ymeta": {"kind": "pandas.dfrows", "version": 1},
        "features": ["x"],
        "labels": ["y"],
    }


@pytest.mark.usefixtures("line")
def test_a_fit_that_fails_leaves_the_model_as_it_was() -> None:
    result = om.runtime.model("mymodel").fit("data-X", [1.0, 2.0])
    assert isinstance(result.get(propagate=False), ValueError)
    assert [each.attributes for each in om.models.versions("mymodel")] == [{}]


def test_two_fits_at_once_make_two_whole_versions() -> None:
    om.models.put(Adder(), "adder")
    results = [om.runtime.model("adder").fit([[i]]) for i in (1.0, 2.0)]
    versions = sorted(result.get().version for result in results)
    assert versions == [2, 3]
    assert {om.models.get("adder", version=v).total_ for v in versions} == {1.0, 2.0}


def test_a_partial_fit_goes_on_where_the_last_one_ended() -> None:
    om.models.put(Adder(), "adder")
    for _ in range(2):
        om.runtime.model("adder").partial_fit([[1.0], [2.0]]).get()
    assert om.models.get("adder").total_ == 6.0


def test_an_earlier_version_is_trained_further_into_a_new_one() -> None:
    om.models.put(Adder().fit([[1.0]]), "adder", tag="good")
    om.models.put(Adder().fit([[100.0]]), "adder")
    metadata = om.runtime.model("adder@good").partial_fit([[1.0]]).get()
    assert (metadata.name, metadata.version, om.models.get("adder").total_) == ("adder", 3, 2.0)


def test_options_go_to_the_method_of_the_estimator() -> None:
    om.models.put(Adder(), "adder")
    om.runtime.model("adder").fit([[1.0]], weight=5.0).get()
    assert om.models.get("adder").total_ == 5.0


def test_a_model_of_any_kind_stays_of_its_kind() -> None:
    om.models.put(Adder(), "adder", kind="python.model")
    assert om.runtime.model("adder").fit([[1.0]]).get().kind == "python.model"


@pytest.mark.usefixtures("line")
def test_a_star_is_the_dataset_that_the_model_was_last_fitted_on() -> None:
    model = om.runtime.model("mymodel")
    model.fit("data-X", "data-Y").get()
    assert model.score("*", "*").get() == pytest.approx(1.0)


@pytest.mark.usefixtures("line")
def test_a_star_without_such_a_dataset_says_so() -> None:
    with pytest.raises(ValueError, match="was last fitted on, and there is none"):
        om.runtime.model("mymodel").fit("*").get()


# -------------------------------------------------------------------------------------- the actions


@pytest.fixture(scope="module")
def iris() -> tuple[Any, Any, Any]:
    X, y = load_iris(return_X_y=True)
    return X, y, LogisticRegression(max_iter=1000).fit(X, y)


def test_a_fit_and_transform_makes_a_version_and_if_it_is_wanted_a_dataset() -> None:
    om.models.put(StandardScaler(), "scaler")
    om.datasets.put(pd.DataFrame({"x": [0.0, 2.0]}), "two")
    fitted = om.runtime.model("scaler").fit_transform("two").get()
    assert (fitted.prefix, fitted.version, fitted.attributes["dataset"]["Xname"]) == ("models/", 2, "two")
    made = om.runtime.model("scaler").fit_transform("two", rName="scaled").get()
    assert (made.name, om.models.resolve("scaler").version) == ("scaled", 3)
    assert om.datasets.get("scaled").tolist() == [[-1.0], [1.0]]


@pytest.mark.parametrize("action", ["predict", "predict_proba", "decision_function"])
def test_an_action_gives_what_the_estimator_itself_gives(action: str, iris: tuple[Any, Any, Any]) -> None:
    X, _, estimator = iris
    om.models.put(estimator, "iris")
    values = getattr(om.runtime.model("iris"), action)(X).get()
    expected = getattr(estimator, action)(X)
    assert values.dtype == expected.dtype
    assert np.array_equal(values, expected)


def test_an_array_that_is_had_may_be_written_to(iris: tuple[Any, Any, Any]) -> None:
    om.models.put(iris[2], "iris")
    values = om.runtime.model("iris").predict(iris[0]).get()
    values[0] = 9
    assert values[0] == 9


def test_a_score_is_a_plain_number(iris: tuple[Any, Any, Any]) -> None:
    X, y, estimator = iris
    om.models.put(estimator, "iris")
    score = om.runtime.model("iris").score(X, y).get()
    assert type(score) is float
    assert score == estimator.score(X, y)


def test_a_result_may_become_a_dataset() -> None:
    om.models.put(StandardScaler().fit([[0.0], [2.0]]), "scaler")
    metadata = om.runtime.model("scaler").transform([[1.0], [3.0]], rName="scaled").get()
    assert (metadata.name, metadata.kind) == ("scaled", "ndarray.bin")
    assert om.datasets.get("scaled").tolist() == [[0.0], [2.0]]


# -------------------------------------------------------------------------------------------- data


@pytest.mark.parametrize(
    ("data", "type_", "shape"),
    [
        ([1.0, 2.0], "ndarray", (2, 1)),
        (np.array([1.0, 2.0]), "ndarray", (2, 1)),
        (pd.Series([1.0, 2.0], name="x"), "DataFrame", (2, 1)),
        ({"x": [1.0], "y": [2.0]}, "DataFrame", (1, 2)),
        ([[1.0, 2.0]], "list", None),
        (np.ones((40_000, 3)), "ndarray", (40_000, 3)),
        (pd.DataFrame({"x": np.ones(40_000)}), "DataFrame", (40_000, 1)),
    ],
    ids=["list", "array", "series", "dict", "rows", "large array", "large frame"],
)
def test_data_may_be_given_as_values(data: Any, type_: str, shape: object) -> None:
    om.models.put(Adder(), "adder")
    seen = om.runtime.model("adder").predict(data).get()
    assert (seen["type"], seen["shape"]) == (type_, shape)


def test_large_values_are_not_left_behind() -> None:
    om.models.put(Adder(), "adder")
    result = om.runtime.model("adder").predict(np.ones((40_000, 1)))
    assert om.datasets.list(include_temp=True) == [f"_temp_{result.id}_X"]
    result.get()
    assert om.datasets.list(include_temp=True) == []


def test_what_a_dead_process_has_left_is_swept_away_by_the_next() -> None:
    om.models.put(Adder(), "adder")
    ended = om.runtime.model("adder").fit([[1.0]])
    ended.get()
    om.datasets.put(([1.0],), f"_temp_{ended.id}_X")
    unknown = f"_temp_{new_id()}_X"  # by one that is about to submit its task
    om.datasets.put(([1.0],), unknown)
    om.runtime.close_default()
    om.runtime.model("adder").fit([[1.0]]).get()
    assert om.datasets.list(include_temp=True) == [unknown]


def test_a_list_of_texts_is_no_column_for_one_who_reads_texts() -> None:
    om.models.put(CountVectorizer(), "words")
    om.runtime.model("words").fit(["an alula", "a wing"]).get()
    assert sorted(om.models.get("words").vocabulary_) == ["alula", "an", "wing"]


@pytest.mark.parametrize("data", [5, None, object()])
def test_data_of_no_type_that_an_estimator_takes_are_refused_at_the_call(data: object) -> None:
    om.models.put(Adder(), "adder")
    with pytest.raises(TypeError, match="invalid type for Xpath_or_data"):
        om.runtime.model("adder").fit(data)
    with pytest.raises(TypeError, match="invalid type for Xpath_or_data"):
        om.runtime.model("adder").predict(data)


@pytest.mark.parametrize("data", [[], (), {}, np.empty((0, 3)), pd.DataFrame(), pd.Series(dtype=float)])
def test_no_data_are_refused_at_the_call(data: object) -> None:
    om.models.put(Adder(), "adder")
    with pytest.raises(ValueError, match="empty input"):
        om.runtime.model("adder").fit(data)


def test_what_cannot_be_pickled_is_refused_at_the_call_and_leaves_nothing() -> None:
    om.models.put(Adder(), "adder")
    with pytest.raises(TypeError, match="cannot pickle"):
        om.runtime.model("adder").fit(np.ones(40_000), [(i for i in "ab")])
    with pytest.raises(TypeError, match="cannot pickle"):
        om.runtime.model("adder").fit(np.ones(40_000), weight=(i for i in "ab"))
    assert om.datasets.list(include_temp=True) == []


@pytest.mark.parametrize("name", ["", "data[", "data#x", "a@b@c"])
def test_a_name_that_is_wrongly_written_is_refused_at_the_call(name: str) -> None:
    om.models.put(Adder(), "adder")
    with pytest.raises(InvalidNameError):
        om.runtime.model("adder").predict(name)


def test_a_result_cannot_be_called_what_nobody_could_ask_for() -> None:
    om.models.put(Adder(), "adder")
    with pytest.raises(InvalidNameError):
        om.runtime.model("adder").predict([[1.0]], rName="a[b]")


# ------------------------------------------------------------------------------------------ mistakes


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data-Z", r"data/data-Z does not exist; did you mean 'data/data-[XY]'\?"),
        ("data-X[z]", r"data/data-X\[z\] does not exist.*'data/data-X\[x\]'"),
    ],
)
def test_a_dataset_that_is_not_there_fails_the_task_and_says_what_is(name: str, text: str) -> None:
    result = om.runtime.model("mymodel").fit(name, "data-Y")
    with pytest.raises(NameNotFoundError, match=text):
        result.get()
    assert result.status == "FAILURE"


@pytest.mark.usefixtures("line")
def test_a_model_that_is_not_there_is_refused_at_once() -> None:
    with pytest.raises(
        NameNotFoundError, match=r"models/mymodl does not exist; did you mean 'models/mymodel'"
    ):
        om.runtime.model("mymodl")
    with pytest.raises(AssertionError, match=r"models/nope does not exist"):
        om.runtime.model("nope")
    with pytest.raises(NameNotFoundError, match=r"models/mymodel@gold does not exist"):
        om.runtime.model("mymodel@gold")


@pytest.mark.usefixtures("line")
def test_an_action_that_the_estimator_lacks_fails_as_it_does_locally() -> None:
    result = om.runtime.model("mymodel").transform("data-X")
    with pytest.raises(AttributeError, match="'LinearRegression' object has no attribute 'transform'"):
        result.get()
    assert result.failed()


@pytest.mark.usefixtures("line")
def test_an_action_that_the_runtime_lacks_is_refused_at_once() -> None:
    model = om.runtime.model("mymodel")
    with pytest.raises(AttributeError, match=r"has no 'prediction'; .*'predict'"):
        _ = model.prediction  # type: ignore[attr-defined]  # the mistake is the point


@pytest.mark.usefixtures("line")
def test_an_error_keeps_its_type() -> None:
    with pytest.raises(NotFittedError) as caught:
        om.runtime.model("mymodel").predict("new-X").get()
    assert isinstance(caught.value, TaskError)
    assert re.match(r"predict mymodel \(pid=\d+\): NotFittedError: ", str(caught.value))


def test_buckets_do_not_see_each_other() -> None:
    other = om.bucket("other")
    other.models.put(LinearRegression(), "mymodel")
    assert isinstance(other.runtime, Runtime)
    metadata = other.runtime.model("mymodel").fit([[1.0], [2.0]], [1.0, 2.0]).get()
    assert (metadata.bucket, metadata.version) == ("other", 2)
    assert om.models.list() == []

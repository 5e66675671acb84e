import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alula.errors import InvalidNameError, KindError, MissingExtraError, NameNotFoundError
from alula.objects import Catalog
from alula.objects._kinds import KINDS, Ask, How
from alula.objects._shelf import Raw


def sample() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "x": [1, 2, 3],
            "y": [0.5, None, 1.5],
            "text": ["a", None, "c"],
            "kind": pd.Categorical(["u", "v", "u"], categories=["v", "u", "w"], ordered=True),
            "when": pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin"),
        }
    )


# ---------------------------------------------------------------------------------- which kind


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([1, 2], "python.data"),
        ((1, 2), "python.data"),
        ({"a": 1}, "python.data"),
        (np.arange(3), "ndarray.bin"),
        (sample(), "pandas.dfrows"),
        (sample()["x"], "pandas.serows"),
    ],
)
def test_the_type_of_a_dataset_decides_its_kind(datasets: Catalog, value: Any, kind: str) -> None:
    assert datasets.put(value, "d").kind == kind


@pytest.mark.parametrize("value", ["text", 5, None, object(), len, {1, 2}])
def test_other_types_are_refused_and_nothing_is_kept(datasets: Catalog, value: Any) -> None:
    with pytest.raises(KindError, match=r"type .* not supported in datasets; it takes ndarray.bin, "):
        datasets.put(value, "d")
    assert not datasets.exists("d")


def test_a_model_is_an_estimator_unless_its_kind_is_given(models: Catalog) -> None:
    assert models.put(SGDClassifier(), "m").kind == "sklearn.joblib"
    with pytest.raises(KindError, match="not supported in models"):
        models.put({"weights": [1, 2]}, "w")
    assert models.put({"weights": [1, 2]}, "w", kind="python.model").kind == "python.model"
    assert models.get("w") == {"weights": [1, 2]}


def test_an_unknown_kind_is_refused_with_those_that_exist(datasets: Catalog) -> None:
    with pytest.raises(ValueError, match=r"no kind 'ndaray.bin' in datasets; did you mean 'ndarray.bin'"):
        datasets.put(np.arange(3), "d", kind="ndaray.bin")


def test_a_given_kind_must_accept_the_value(datasets: Catalog) -> None:
    with pytest.raises(KindError, match=r"builtins.list not supported in datasets; it takes ndarray.bin$"):
        datasets.put([1], "d", kind="ndarray.bin")


@pytest.mark.parametrize("prefix", KINDS)
def test_no_kind_imports_a_package_to_refuse_a_value(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("numpy", "pandas", "sklearn.base"):
        monkeypatch.delitem(sys.modules, package)
    for kind in KINDS[prefix].values():
        kind.accepts(5)
    assert not {"numpy", "pandas", "sklearn.base"} & set(sys.modules)


# --------------------------------------------------------------------------------- there and back

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(PLAIN) | st.tuples(PLAIN) | st.dictionaries(st.text(), PLAIN))
def test_python_data_comes_back_as_it_was(value: Any) -> None:
    kind = KINDS["data/"]["python.data"]
    payload = kind.dump(value, How()).payload
    part = memoryview(b"".join(payload.chunks)) if isinstance(payload, Raw) else payload
    again = kind.load([part], Ask())
    assert (again, type(again)) == (value, type(value))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.array(["a", "bc"]),
        np.array([1, "x", None], dtype=object),
        np.zeros((0, 3), dtype=np.float32),
        np.array(5),
    ],
)
def test_arrays_come_back_with_their_type_and_shape(datasets: Catalog, array: np.ndarray[Any, Any]) -> None:
    datasets.put(array, "a")
    again = datasets.get("a")
    np.testing.assert_array_equal(again, array)
    assert (again.dtype, again.shape) == (array.dtype, array.shape)


def test_an_array_may_be_changed_without_changing_what_is_kept(datasets: Catalog) -> None:
    datasets.put(np.arange(10_000.0), "a")
    array = datasets.get("a")
    array[:] = 0
    np.testing.assert_array_equal(datasets.get("a"), np.arange(10_000.0))


@pytest.mark.parametrize(
    "frame",
    [
        sample(),
        sample().iloc[:0],
        sample().set_index("when"),
        sample().set_index(["text", "x"]),
        sample().iloc[::-1],
        pd.DataFrame({0: [1.0, 2.0], 1: [3.0, 4.0]}),
        pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    ],
    ids=["types", "empty", "time index", "two indexes", "reversed", "numbered columns", "nested columns"],
)
def test_frames_come_back_as_they_were(datasets: Catalog, frame: pd.DataFrame) -> None:
    datasets.put(frame, "d")
    pd.testing.assert_frame_equal(datasets.get("d"), frame, check_freq=False)


@pytest.mark.parametrize("name", [None, "x", 3, ("a", 1)])
def test_series_come_back_with_name_and_index(datasets: Catalog, name: Any) -> None:
    series = pd.Series([1.5, 2.5], index=pd.Index(["p", "q"], name="who"), name=name)
    datasets.put(series, "s")
    pd.testing.assert_series_equal(datasets.get("s"), series)


def test_a_model_comes_back_ready_to_be_trained_further(models: Catalog) -> None:
    X = np.random.default_rng(1).normal(size=(50, 3))
    y = (X[:, 0] > 0).astype(int)
    model = make_pipeline(StandardScaler(), SGDClassifier(random_state=1)).fit(X, y)
    models.put(model, "m")
    again = models.get("m")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    again[-1].partial_fit(again[:-1].transform(X), y)  # writes into the arrays it came with


def test_what_cannot_be_pickled_is_named_and_nothing_is_kept(datasets: Catalog) -> None:
    with pytest.raises(TypeError, match=r"list\[1\] \(a generator\)"):
        datasets.put([1, (i for i in "")], "d")
    assert not datasets.exists("d")


def test_a_column_of_mixed_types_is_named(datasets: Catalog) -> None:
    with pytest.raises(TypeError, match=r"this DataFrame cannot be kept: .*column mixed"):
        datasets.put(pd.DataFrame({"mixed": [1, "a", {}]}), "d")


# ---------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("d[x]", ["x"]),
        ("d[y,x]", ["y", "x"]),
        ("d[x:text]", ["x", "y", "text"]),
        ("d[^when,kind]", ["x", "y", "text"]),
    ],
)
def test_some_columns_are_read_in_the_order_asked_for(
    datasets: Catalog, name: str, columns: list[str]
) -> None:
    datasets.put(sample(), "d")
    pd.testing.assert_frame_equal(datasets.get(name), sample()[columns])


def test_the_index_stays_with_some_columns(datasets: Catalog) -> None:
    datasets.put(sample().set_index("when"), "d")
    pd.testing.assert_frame_equal(datasets.get("d[x]"), sample().set_index("when")[["x"]], check_freq=False)


def test_an_unknown_column_is_refused_wherever_it_is_asked_for(datasets: Catalog) -> None:
    datasets.put(sample(), "d")
    for ask in (datasets.get, datasets.load, datasets.resolve):
        with pytest.raises(NameNotFoundError, match=r"data/d\[z\] does not exist.*'data/d\[x\]'"):
            ask("d[z]")
    assert not datasets.exists("d[z]")


def test_columns_of_what_has_none_are_refused(datasets: Catalog) -> None:
    datasets.put([1, 2], "d")
    with pytest.raises(InvalidNameError, match=r"a python.data has no columns"):
        datasets.get("d[x]")


# ----------------------------------------------------------------------------------------- append


def test_rows_are_appended_and_a_plain_index_goes_on(datasets: Catalog) -> None:
    datasets.put(sample(), "d", append=True)  # nothing there yet
    meta = datasets.put(sample(), "d", append=True)
    assert (meta.version, meta.kind_meta["rows"]) == (2, 6)
    twice = pd.concat([sample(), sample()], ignore_index=True)
    pd.testing.assert_frame_equal(datasets.get("d"), twice)
    pd.testing.assert_frame_equal(datasets.get("d[y]"), twice[["y"]])
    pd.testing.assert_frame_equal(datasets.get("d^"), sample())


def test_categories_that_differ_are_united(datasets: Catalog) -> None:
    for values in (["a", "b"], ["c", "a"]):
        datasets.put(pd.DataFrame({"k": pd.Categorical(values)}), "d", append=True)
    assert list(datasets.get("d")["k"]) == ["a", "b", "c", "a"]


def test_series_are_appended(datasets: Catalog) -> None:
    for _ in range(2):
        datasets.put(pd.Series([1, 2], name="s"), "s", append=True)
    assert list(datasets.get("s")) == [1, 2, 1, 2]
    with pytest.raises(ValueError, match="'value' is double, not int64"):
        datasets.put(pd.Series([0.5], name="s"), "s", append=True)


def test_without_append_a_second_put_is_the_new_value(datasets: Catalog) -> None:
    datasets.put(sample(), "d")
    datasets.put(sample().iloc[:1], "d")
    assert len(datasets.get("d")) == 1
    datasets.put(sample(), "d", append=True)
    assert len(datasets.get("d")) == 4


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"x": [1]}), "'y' is missing"),
        (pd.DataFrame({"x": [1], "y": [1], "z": [1]}), "'z' is new"),
        (pd.DataFrame({"x": [0.5], "y": [1]}), "'x' is double, not int64"),
        (pd.DataFrame({"y": [1], "x": [1]}), "they are in another order"),
    ],
)
def test_rows_with_other_columns_are_refused(datasets: Catalog, frame: pd.DataFrame, said: str) -> None:
    datasets.put(pd.DataFrame({"x": [1], "y": [1]}), "d")
    with pytest.raises(ValueError, match=f"cannot append to data/d: the columns differ: {said}"):
        datasets.put(frame, "d", append=True)
    assert len(datasets.versions("d")) == 1


def test_only_rows_can_be_appended(datasets: Catalog) -> None:
    datasets.put([1], "d")
    with pytest.raises(TypeError, match=r"python.data cannot be appended to"):
        datasets.put([2], "d", append=True)
    with pytest.raises(TypeError, match=r"cannot append a pandas.dfrows to data/d, which is a python.data"):
        datasets.put(sample(), "d", append=True)


# --------------------------------------------------------------------------------- missing packages


def test_a_frame_without_pyarrow_says_what_to_install(
    datasets: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.put(sample(), "d")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for attempt in (lambda: datasets.put(sample(), "e"), lambda: datasets.get("d")):
        with pytest.raises(MissingExtraError, match=r"'pyarrow': pip install 'alula\[lab\]'"):
            attempt()


def test_a_model_without_its_package_says_what_to_install(
    models: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.put(SGDClassifier(), "m")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"reading sklearn.joblib needs .*'alula\[lab\]'"):
        models.get("m")

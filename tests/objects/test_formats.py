"""In which form values are kept: a harmless one where that holds all of them, else a pickle, if it may be."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx as untyped_onnx
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alula._core._seal import is_pickle
from alula._core._settings import Settings
from alula.errors import PickleRefusedError, SealError, SettingError, StoreUnavailableError
from alula.objects import Catalog, Catalogs, Datasets, Models, open_catalogs
from tests.objects.conftest import double

onnx: Any = untyped_onnx
X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])


class Own(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator that no other program knows."""

    def fit(self, X: Any, y: Any = None) -> "Own":  # as scikit-learn has it
        self.mean_ = float(np.mean(X))
        return self


def pickled(catalog: Catalog, name: str) -> bool:
    """Tell whether any part of an object is a pickle."""
    found = catalog._lookup.found(catalog._lookup.parse(name))
    return any(is_pickle(catalog._shelf.artifacts.get(digest), name) for digest in found.digests)


# -------------------------------------------------------------------------------------- datasets


@pytest.mark.parametrize(
    ("value", "harmful"),
    [
        ({"a": [1, 2.5, None, True, "\ud800", {"b": []}]}, False),
        ([float("inf")], False),
        ([(1, 2)], True),
        ({1: 2}, True),
        ([b"bytes"], True),
        ((1,), True),
        ([np.float64(1)], True),
        (np.arange(3), False),
        (np.array(["x"]), False),
        (np.array([1], "M8[ns]"), False),
        (np.zeros(2, [("a", "i4"), ("b", "f8")]), False),
        (np.zeros((0, 3)), False),
        (np.asfortranarray(X), False),
        (np.array([None]), True),
        (np.ma.masked_array([1, 2], [False, True]), True),
        (pd.DataFrame({"x": [1]}), False),
        (pd.Series([1], name=("a", 1)), False),
    ],
    ids=repr,
)
def test_what_a_harmless_form_holds_is_no_pickle(datasets: Datasets, value: Any, harmful: bool) -> None:
    datasets.put(value, "d")
    again = datasets.get("d")
    assert pickled(datasets, "d") == harmful
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_an_array_may_be_kept_as_a_list(datasets: Datasets) -> None:
    assert datasets.put(X, "d", as_pydata=True).kind == "python.data"
    assert datasets.get("d") == X.tolist()


def test_documents_are_read_as_a_frame(datasets: Datasets) -> None:
    rows = [{"a": 1, "b": {"c": 2}}, {"a": 3}]
    assert datasets.put(rows, "d", as_raw=True).kind == "pandas.rawdict"
    datasets.put({"a": 5}, "d", as_raw=True, append=True)
    assert datasets.get("d")["a"].tolist() == [1, 3, 5]
    assert datasets.get("d", force_python=True) == [*rows, {"a": 5}]
    assert not pickled(datasets, "d")
    with pytest.raises(TypeError, match="documents are dicts of texts"):
        datasets.put([{"a": object()}], "d", as_raw=True)


# ----------------------------------------------------------------------------------------- files


def test_a_file_comes_back_byte_for_byte(datasets: Datasets, tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(bytes(range(256)))
    made = datasets.put(source, "d")
    assert (made.kind, made.kind_meta) == (
        "python.file",
        {"filename": "a.bin", "folder": False, "bytes": 256},
    )
    assert datasets.get("d").read() == source.read_bytes()
    target = tmp_path / "b.bin"
    target.write_text("old")
    assert datasets.get("d", local=target) == target
    assert target.read_bytes() == source.read_bytes()
    (tmp_path / "folder").mkdir()
    assert datasets.get("d", local=tmp_path / "folder") == tmp_path / "folder" / "a.bin"
    with source.open("rb") as file:
        datasets.put(file, "e")
    datasets.put(str(source), "f", kind="python.file")
    assert datasets.get("e").read() == datasets.get("f").read() == source.read_bytes()
    assert not pickled(datasets, "d")


def test_a_folder_comes_back_with_what_is_in_it(datasets: Datasets, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "run.sh").write_text("echo")
    (folder / "deep" / "run.sh").chmod(0o755)
    (folder / "a.txt").write_text("a")
    datasets.put(folder, "d")
    again = datasets.get("d", local=tmp_path / "again")
    assert {p.relative_to(again).as_posix() for p in again.rglob("*")} == {"a.txt", "deep", "deep/run.sh"}
    assert (again / "deep" / "run.sh").stat().st_mode & 0o777 == 0o755
    first = datasets.resolve("d").gridfile.read()
    (folder / "a.txt").touch()
    datasets.put(folder, "d")
    assert datasets.resolve("d").gridfile.read() == first


def test_a_file_may_lie_outside(datasets: Datasets, tmp_path: Path) -> None:
    source, outside = tmp_path / "a.bin", tmp_path / "outside.bin"
    source.write_bytes(b"large")
    made = datasets.put(source, "d", uri=f"file://{outside}")
    assert (made.uri, outside.read_bytes()) == (f"file://{outside}", b"large")
    assert datasets.get("d").read() == b"large"
    outside.write_bytes(b"other")
    with pytest.raises(SealError, match="it is not what was put there"):
        datasets.get("d")
    outside.unlink()
    with pytest.raises(StoreUnavailableError, match=r"outside\.bin"):
        datasets.get("d")
    with pytest.raises(StoreUnavailableError, match="nope://"):
        datasets.put(source, "e", uri="nope://x")
    assert not datasets.exists("e")


def test_what_is_no_file_is_refused(datasets: Datasets, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        datasets.put(tmp_path / "nope", "d")
    (tmp_path / "a.txt").write_text("a")
    with (tmp_path / "a.txt").open() as file, pytest.raises(TypeError, match=r"open\(path, 'rb'\)"):
        datasets.put(file, "d")
    assert not datasets.exists("d")


# ---------------------------------------------------------------------------------- scikit-learn


def test_an_estimator_is_a_sealed_pickle_unless_it_is_to_be_safe(models: Models) -> None:
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
    assert models.put(model, "m").kind_meta["format"] == "pickle"
    assert models.put(model, "m", safe=True).kind_meta["format"] == "skops"
    assert [pickled(models, name) for name in ("m^", "m")] == [True, False]
    for name in ("m^", "m"):
        np.testing.assert_array_equal(models.get(name).predict(X), model.predict(X))


@pytest.mark.parametrize("model", [RandomForestClassifier(2).fit(X, Y), Own().fit(X)])
def test_what_skops_does_not_hold_whole_is_a_pickle(models: Models, model: Any) -> None:
    assert models.put(model, "m", safe=True).kind_meta["format"] == "pickle"
    assert type(models.get("m")) is type(model)


# ------------------------------------------------------------------------------------------ ONNX


def adder() -> Any:
    x, y = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None]) for n in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["x", "x"], ["y"])], "g", [x], [y])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])


def test_an_onnx_model_is_kept_as_onnx(models: Models) -> None:
    made = models.put(adder(), "m")
    assert made.kind == "onnx.model"
    facts = made.kind_meta
    assert (facts["inputs"], facts["outputs"], facts["opsets"]) == (["x"], ["y"], {"ai.onnx": 17})
    assert models.get("m") == adder()
    assert made.gridfile.read() == adder().SerializeToString()
    models.put(adder().SerializeToString(), "m")
    assert models.get("m") == adder().SerializeToString()


@pytest.mark.parametrize("value", [b"", b"no model", adder().SerializeToString()[:-20]])
def test_what_is_no_onnx_model_is_refused(models: Models, value: bytes) -> None:
    with pytest.raises(TypeError, match="this is no ONNX model"):
        models.put(value, "m")


# ----------------------------------------------------------------------------------------- torch


def net() -> Any:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1)).eval()


def test_a_module_comes_back_with_its_tensors(models: Models) -> None:
    made, x = models.put(net(), "m"), torch.rand(4, 2)
    assert (made.kind, made.kind_meta["format"], made.kind_meta["parameters"]) == (
        "pytorch.module",
        "safetensors",
        19,
    )
    again = models.get("m")
    assert torch.equal(again(x), net()(x))
    assert not again.training
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_a_module_whose_state_is_not_all_of_it_comes_back_as_well(models: Models) -> None:
    module = net()
    module.register_buffer("passing", torch.ones(2), persistent=False)
    module[0].weight.requires_grad_(False)
    assert models.put(module, "m").kind_meta["format"] == "pickle"
    assert torch.equal(models.get("m").passing, torch.ones(2))
    assert not models.get("m")[0].weight.requires_grad


def test_a_state_is_nothing_but_safetensors(models: Models) -> None:
    state = net().state_dict()
    state["again"] = state["0.weight"]
    made = models.put(dict(state), "m")
    assert (made.kind, made.kind_meta["tensors"], pickled(models, "m")) == (
        "pytorch.state",
        len(state),
        False,
    )
    again = models.get("m")
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())


def test_torchscript_is_sealed(models: Models) -> None:
    script = torch.jit.trace(net(), torch.rand(4, 2))
    assert models.put(script, "m").kind == "pytorch.script"
    x = torch.rand(4, 2)
    assert torch.equal(models.get("m")(x), script(x))
    assert pickled(models, "m")


# ---------------------------------------------------------------------------------------- policy


@pytest.fixture
def strict(settings: Settings, catalogs: Catalogs) -> Iterator[Catalogs]:
    """Give the same catalogs to one who wants no pickles."""
    with open_catalogs(Settings.load(home=str(settings.home), pickles="none")) as strict:
        yield strict


def test_without_pickles_none_is_written(strict: Catalogs) -> None:
    refused: list[tuple[Any, Any]] = [
        (strict.datasets, (1, 2)),
        (strict.datasets, np.array([None])),
        (strict.models, Own()),
        (strict.models, net()),
        (strict.models, torch.jit.trace(net(), torch.rand(4, 2))),
        (strict.scripts, double),
    ]
    for catalog, value in refused:
        with pytest.raises(
            PickleRefusedError, match=f"{catalog.prefix}refused is a pickle.*pickles = 'none'"
        ):
            catalog.put(value, "refused")
        assert catalog.list() == []


def test_without_pickles_none_is_read(strict: Catalogs, catalogs: Catalogs) -> None:
    catalogs.datasets.put((1, 2), "d")
    catalogs.models.put(Own(), "m")
    for catalog, name in ((strict.datasets, "data/d"), (strict.models, "models/m")):
        with pytest.raises(PickleRefusedError, match=f"{name} is a pickle"):
            catalog.get(name.partition("/")[2])
        assert catalog.exists(name.partition("/")[2])


def test_without_pickles_all_harmless_forms_go_on(strict: Catalogs, catalogs: Catalogs) -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    strict.datasets.put(frame, "frame")
    strict.datasets.put({"a": [1]}, "data")
    strict.models.put(LinearRegression().fit(X, Y), "model")
    strict.models.put(adder(), "onnx")
    strict.models.put(dict(net().state_dict()), "state")
    strict.jobs.put("print(1)", "job")
    pd.testing.assert_frame_equal(strict.datasets.get("frame"), frame)
    assert strict.datasets.get("data") == {"a": [1]}
    np.testing.assert_allclose(strict.models.get("model").predict(X), LinearRegression().fit(X, Y).predict(X))
    assert strict.models.get("state").keys() == net().state_dict().keys()
    assert catalogs.models.resolve("model").kind_meta["format"] == "skops"
    assert strict.deployments.put("key", b"onnx") == strict.deployments.list()[0]


def test_pickles_may_be_the_last_resort(settings: Settings) -> None:
    with open_catalogs(Settings.load(home=str(settings.home), pickles="last")) as careful:
        assert careful.models.put(LinearRegression(), "m").kind_meta["format"] == "skops"
        assert careful.models.put(Own(), "m").kind_meta["format"] == "pickle"
        assert isinstance(careful.models.get("m"), Own)


def test_there_are_three_policies() -> None:
    with pytest.raises(SettingError, match="must be one of 'trusted', 'last', 'none'"):
        Settings.load(pickles="all")


def test_harmless_bytes_never_pass_for_a_pickle(datasets: Datasets, settings: Settings) -> None:
    """Whoever may write files could name them pickles; the signature is of bytes in one form."""
    source = BytesIO(b"\x80\x05.")
    datasets.put(source, "d")
    [digest] = datasets._lookup.found(datasets._lookup.parse("d")).digests
    path = Path(settings.artifacts) / "objects" / digest[:2] / digest[2:]
    path.write_bytes(b"ALUL\x01" + path.read_bytes()[5:])
    with pytest.raises(SealError, match="signature does not match"):
        datasets.get("d")

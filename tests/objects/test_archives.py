"""Objects on their way to other buckets and stores."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alula._core._settings import Settings
from alula.errors import NameNotFoundError, PickleRefusedError, SealError
from alula.objects import Catalogs, open_catalogs
from tests.objects.conftest import double

FRAME = pd.DataFrame({"x": [1, 2], "y": ["a", None]})


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Catalogs]:
    """Give a store with another key."""
    with open_catalogs(Settings.load(home=str(tmp_path / "other"))) as catalogs:
        yield catalogs


@pytest.fixture
def filled(catalogs: Catalogs) -> Catalogs:
    catalogs.datasets.put(FRAME, "frame", attributes={"a": 1}, tag="t")
    catalogs.datasets.put(FRAME, "frame", append=True)
    catalogs.datasets.put((1, 2), "pickle")
    catalogs.models.put({"w": [1]}, "m", kind="python.model", commit="c")
    catalogs.scripts.put(double, "double")
    catalogs.jobs.put("print(1)", "job")
    return catalogs


def test_a_promoted_object_is_a_copy_in_the_other_bucket(filled: Catalogs) -> None:
    there = filled["prod"].datasets
    made = filled.datasets.promote("frame", there)
    assert (made.name, made.bucket, made.version, made.tags) == ("frame", "prod", 1, ())
    assert made.attributes == {"a": 1}
    pd.testing.assert_frame_equal(there.get("frame"), pd.concat([FRAME, FRAME], ignore_index=True))
    assert filled.datasets.promote("frame@t", there, "old").name == "old"
    pd.testing.assert_frame_equal(there.get("old"), FRAME)
    filled.datasets.drop("frame")
    assert len(there.get("frame")) == 4


def test_a_promoted_object_is_sealed_with_the_key_of_the_other_store(
    filled: Catalogs, other: Catalogs
) -> None:
    filled.datasets.promote("pickle", other.datasets)
    filled.models.promote("m", other.models, "n")
    assert (other.datasets.get("pickle"), other.models.get("n")) == ((1, 2), {"w": [1]})
    assert other.models.resolve("n").commit != "c"


def test_bad_promotions_are_refused(filled: Catalogs) -> None:
    with pytest.raises(ValueError, match="data/frame cannot be promoted to itself"):
        filled.datasets.promote("frame", filled.datasets)
    with pytest.raises(AssertionError, match="give a catalog of data/"):
        filled.datasets.promote("frame", filled.models)
    with pytest.raises(AssertionError, match="cannot promote to 'prod'"):
        filled.datasets.promote("frame", "prod")  # type: ignore[arg-type]  # what people may try
    with pytest.raises(NameNotFoundError, match="data/nope"):
        filled.datasets.promote("nope", filled["b"].datasets)
    assert filled.datasets.promote("frame", filled.datasets, "copy").name == "copy"


def test_an_archive_brings_an_object_into_another_store(
    filled: Catalogs, other: Catalogs, tmp_path: Path
) -> None:
    path = filled.datasets.to_archive("frame", tmp_path / "frame.zip")
    made = other.datasets.from_archive(path, "here")
    assert (made.name, made.version, made.attributes) == ("here", 1, {"a": 1})
    pd.testing.assert_frame_equal(other.datasets.get("here"), filled.datasets.get("frame"))
    assert other.datasets.from_archive(path).name == "frame"


@pytest.mark.parametrize(("store", "name"), [("datasets", "pickle"), ("models", "m"), ("scripts", "double")])
def test_code_of_another_key_is_taken_only_with_trust(
    filled: Catalogs, other: Catalogs, tmp_path: Path, store: str, name: str
) -> None:
    path = getattr(filled, store).to_archive(name, tmp_path / "a.zip")
    with pytest.raises(SealError, match="holds code that another key has signed"):
        getattr(other, store).from_archive(path)
    assert not getattr(other, store).exists(name)
    getattr(other, store).from_archive(path, trust=True)
    assert getattr(other, store).get(name) is not None
    assert getattr(filled, store).from_archive(path).version == 2


def test_a_notebook_is_code(filled: Catalogs, other: Catalogs, tmp_path: Path) -> None:
    path = filled.jobs.to_archive("job", tmp_path / "a.zip")
    with pytest.raises(SealError, match="holds code"):
        other.jobs.from_archive(path)


def forged(path: Path, change: Callable[[dict[str, bytes]], Any]) -> Path:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


CHANGES: list[Callable[[dict[str, bytes]], Any]] = [
    lambda files: files.update({"parts/0": files["parts/0"][:-1] + b"?"}),
    lambda files: files.update({"parts/0": b"short"}),
    lambda files: files.pop("parts/0"),
    lambda files: files.pop("manifest.mac"),
    lambda files: files.update({"manifest.json": b"{}"}),
    lambda files: files.update({"manifest.json": files["manifest.json"].replace(b'"pickle"', b'"pickled"')}),
]


@pytest.mark.parametrize("change", CHANGES, ids=[*map(str, range(len(CHANGES)))])
def test_a_damaged_or_forged_archive_is_refused(filled: Catalogs, tmp_path: Path, change: Any) -> None:
    path = filled.datasets.to_archive("pickle", tmp_path / "a.zip")
    with pytest.raises(SealError, match=r"archive .* was refused"):
        filled.datasets.from_archive(forged(path, change))


def test_what_is_no_archive_is_said(filled: Catalogs, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_text("no zip")
    with pytest.raises(SealError, match="damaged, or no archive"):
        filled.datasets.from_archive(path)
    with pytest.raises(FileNotFoundError):
        filled.datasets.from_archive(tmp_path / "nope.zip")
    with pytest.raises(AssertionError, match="data/nope does not exist"):
        filled.datasets.to_archive("nope", path)
    archive = filled.datasets.to_archive("frame", path)
    with pytest.raises(ValueError, match="not for this store"):
        filled.models.from_archive(archive)


def test_a_store_without_pickles_takes_none_from_elsewhere(filled: Catalogs, tmp_path: Path) -> None:
    path = filled.datasets.to_archive("pickle", tmp_path / "a.zip")
    array = np.arange(3)
    filled.datasets.put(array, "array")
    with open_catalogs(Settings.load(home=str(tmp_path / "strict"), pickles="none")) as strict:
        with pytest.raises(PickleRefusedError):
            strict.datasets.from_archive(path, trust=True)
        with pytest.raises(PickleRefusedError):
            filled.datasets.promote("pickle", strict.datasets)
        filled.datasets.promote("array", strict.datasets)
        np.testing.assert_array_equal(strict.datasets.get("array"), array)

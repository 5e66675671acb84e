"""Looking through objects costs what is shown of them, however many and however large they are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alula.errors import NameNotFoundError, StoreError
from alula.objects import Catalog, Catalogs, Datasets, Models
from alula.store import Artifacts
from tests.postgres import ON_BOTH


def names(catalog: Catalog, *args: object, **how: object) -> list[str]:
    return [metadata.name for metadata in catalog.page(*args, **how)]  # type: ignore[arg-type]  # any


@ON_BOTH
def test_objects_are_given_page_by_page(datasets: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alula.objects._lookup._AT_ONCE", 2)
    for name in ("b/1", "a", "_temp_x", ".hidden", "b/2", "c_1", "cx1"):
        datasets.put({"of": name}, name)
    assert names(datasets) == ["a", "b/1", "b/2", "c_1", "cx1"]
    assert names(datasets, limit=2) == ["a", "b/1"]
    assert names(datasets, after="b/1", limit=2) == ["b/2", "c_1"]
    assert names(datasets, after="zz") == []
    assert names(datasets, "b/*") == ["b/1", "b/2"]
    assert names(datasets, "*1") == ["b/1", "c_1", "cx1"]
    assert names(datasets, "c_*") == ["c_1"]
    assert names(datasets, ".*") == [".hidden"]
    assert names(datasets, but=("b/", "c_")) == ["a", "cx1"]
    assert names(datasets, kind="ndarray.bin") == []


def test_a_page_tells_what_the_list_tells(models: Models) -> None:
    models.put({"a": 1}, "m", kind="experiment.tracker", tag="best")
    assert models.page() == models.list(raw=True)
    assert models.page()[0].tags == ("best",)


def test_notebooks_are_found_without_their_ending(catalogs: Catalogs) -> None:
    catalogs.jobs.create("1", "nb")
    assert names(catalogs.jobs, "nb") == ["nb.ipynb"]


def test_the_newest_versions_are_given(datasets: Datasets) -> None:
    for n in range(4):
        datasets.put({"n": n}, "d", tag=f"t{n}")
    assert [(v.version, v.tags) for v in datasets.versions("d", last=2)] == [(3, ("t2",)), (4, ("t3",))]
    assert [v.version for v in datasets.versions("d")] == [1, 2, 3, 4]


def test_the_beginning_of_a_frame_is_some_of_its_rows_and_columns(datasets: Datasets) -> None:
    datasets.put(pd.DataFrame({"x": range(100), "y": "a", "z": 0.5}), "f")
    head = datasets.head("f", rows=3, columns=2, largest=1)
    assert head.value.to_dict("list") == {"x": [0, 1, 2], "y": ["a", "a", "a"]}
    assert head.metadata.kind_meta["rows"] == 100
    assert list(datasets.head("f[z]", rows=1).value) == ["z"]
    datasets.put(pd.Series(range(9), name="s"), "s")
    assert list(datasets.head("s", rows=2).value) == [0, 1]
    datasets.put(pd.DataFrame({"x": [7]}), "f")
    assert list(datasets.head("f@v1", rows=1).value["x"]) == [0]


def test_groups_and_indices_are_seen_too(datasets: Datasets) -> None:
    frame = pd.DataFrame({"k": list("abab"), "x": range(4)}, index=pd.Index(list("wxyz"), name="i"))
    datasets.put(frame, "g", groupby=["k"])
    assert list(datasets.head("g", rows=2).value["x"]) == [0, 2]
    datasets.put(frame, "i")
    assert list(datasets.head("i", rows=1).value.index) == ["w"]


def test_what_would_take_long_is_not_read(datasets: Datasets, tmp_path: Path) -> None:
    datasets.put(np.zeros(1000), "array")
    assert len(datasets.head("array").value) == 1000
    small = datasets.head("array", largest=100)
    assert (small.value, "too large" in small.why) == (None, True)
    datasets.put(pd.DataFrame({"x": range(1000)}), "revised", revisions=True)
    assert datasets.head("revised", largest=100).value is None
    csv = tmp_path / "a.csv"
    csv.write_text("x\n1\n")
    datasets.put(csv, "csv", kind="pandas.csv")
    assert datasets.head("csv").why == f"it lies at {csv}"


def test_a_frame_that_would_be_fetched_whole_is_not_read_if_it_is_large(
    datasets: Datasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.put(pd.DataFrame({"x": range(1000)}), "f")
    monkeypatch.setattr(type(datasets._shelf.artifacts), "maps", Artifacts.maps)
    assert datasets.head("f", largest=100).value is None
    assert len(datasets.head("f").value) == 20


def test_what_is_not_there_is_named(datasets: Datasets) -> None:
    datasets.put(pd.DataFrame({"x": [1]}), "f")
    for name in ("g", "f@none", "f[y]"):
        with pytest.raises(NameNotFoundError):
            datasets.head(name)


def test_without_a_value_there_is_no_beginning(datasets: Datasets) -> None:
    datasets.make_metadata("empty", kind="python.data").save()
    with pytest.raises(StoreError, match="no value"):
        datasets.head("empty")

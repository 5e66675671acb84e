import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from alula._core._gates import arm, disarm
from alula._core._seal import Sealed
from alula._core._settings import Settings
from alula.errors import (
    InvalidNameError,
    NameNotFoundError,
    SealError,
    StoreError,
    StoreUnavailableError,
)
from alula.objects import Catalog, Catalogs, Shelf, open_catalogs
from alula.objects._kinds import KINDS
from alula.store import Artifacts
from tests.postgres import ON_BOTH

pytestmark = ON_BOTH

Look = Callable[[], set[str]]

# -------------------------------------------------------------------------------------- versions


def test_every_put_is_a_new_version_and_the_old_ones_stay(models: Catalog) -> None:
    for n in (1, 2, 3):
        assert models.put([n], "m", kind="python.model").version == n
    assert [models.get(name) for name in ("m", "m^", "m^^")] == [[3], [2], [1]]
    assert [models.get("m", version=v) for v in (1, 2, 3, -1, -2, -3)] == [[1], [2], [3], [3], [2], [1]]
    assert [meta.version for meta in models.versions("m")] == [1, 2, 3]


def test_a_tag_names_a_version_and_moves_when_it_is_given_again(models: Catalog) -> None:
    models.put([1], "m", kind="python.model", tag="prod")
    models.put([2], "m", kind="python.model")
    assert models.get("m@prod") == models.get("m", tag="prod") == [1]
    assert models.resolve("m@prod").tags == ("prod",)
    models.put([3], "m", kind="python.model", tag="prod")
    assert models.get("m@prod") == [3]
    assert models.resolve("m^^").tags == ()


def test_an_unknown_tag_is_refused_with_those_that_exist(models: Catalog) -> None:
    models.put([1], "m", kind="python.model", tag="prod")
    for ask in (models.get, models.load, models.resolve, models.metadata):
        with pytest.raises(
            NameNotFoundError, match=r"models/m@prd does not exist; did you mean 'models/m@prod'"
        ):
            ask("m@prd")


@pytest.mark.parametrize(("carets", "asked"), [("^^", -3), ("^^^^^^^^^", -10)])
def test_more_carets_than_versions_are_refused(models: Catalog, carets: str, asked: int) -> None:
    for n in (1, 2):
        models.put([n], "m", kind="python.model")
    with pytest.raises(
        NameNotFoundError, match=rf"models/m version {asked} does not exist.*'models/m version 1'"
    ):
        models.get(f"m{carets}")
    with pytest.raises(NameNotFoundError):
        models.get("m", version=3)


def test_replace_removes_the_earlier_versions_and_their_bytes(datasets: Catalog, artifacts: Look) -> None:
    datasets.put([1], "d", tag="old")
    datasets.put([2], "d")
    assert len(artifacts()) == 2
    assert datasets.put([3], "d", replace=True).version == 3
    assert [meta.version for meta in datasets.versions("d")] == [3]
    assert len(artifacts()) == 1
    with pytest.raises(NameNotFoundError):
        datasets.get("d@old")


def test_replace_and_append_together_are_refused(datasets: Catalog) -> None:
    with pytest.raises(ValueError, match="give one of them"):
        datasets.put(pd.DataFrame({"x": [1]}), "d", replace=True, append=True)


def test_processes_that_put_at_once_each_make_a_version(datasets: Catalog, spawn: Callable[..., Any]) -> None:
    code = "for i in range(20): datasets.put([sys.argv[2], i], 'd')"
    children = [spawn(code, who) for who in "abc"]
    for child in children:
        assert child.communicate(timeout=150)[1] == ""
    values = [datasets.get("d", version=meta.version) for meta in datasets.versions("d")]
    assert sorted(values) == sorted([who, i] for who in "abc" for i in range(20))


def test_appends_of_many_processes_all_arrive(datasets: Catalog, spawn: Callable[..., Any]) -> None:
    code = """
        import pandas
        for i in range(5): datasets.put(pandas.DataFrame({"n": [int(sys.argv[2]) + i]}), "d", append=True)
    """
    children = [spawn(code, str(first)) for first in (0, 5, 10)]
    for child in children:
        assert child.communicate(timeout=150)[1] == ""
    assert sorted(datasets.get("d")["n"]) == list(range(15))


# ---------------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize("how", ["", "replace=True", "append=True"])
@pytest.mark.parametrize(
    ("gate", "arrives"),
    [("artifacts.written", False), ("store.before_commit", False), ("store.committed", True)],
)
def test_a_put_that_dies_leaves_the_old_version_or_the_whole_new_one(
    datasets: Catalog, spawn: Callable[..., Any], gate: str, arrives: bool, how: str
) -> None:
    frame = pd.DataFrame({"x": [1]})
    datasets.put(frame, "d")
    child = spawn(f"""
        import os, pandas, signal
        from alula._core._gates import arm
        arm("{gate}", lambda: os.kill(os.getpid(), signal.SIGKILL))
        datasets.put(pandas.DataFrame({{"x": [2]}}), "d", {how})
    """)
    assert child.wait(150) == -signal.SIGKILL
    new = [1, 2] if how.startswith("append") else [2]
    assert list(datasets.get("d")["x"]) == (new if arrives else [1])
    assert datasets.put(frame, "d").version == (3 if arrives else 2)


@pytest.mark.parametrize(("gate", "gone"), [("store.before_commit", False), ("store.committed", True)])
def test_a_drop_that_dies_leaves_all_or_nothing_and_its_bytes_are_removed_later(
    datasets: Catalog, spawn: Callable[..., Any], artifacts: Look, gate: str, gone: bool
) -> None:
    datasets.put([1], "d")
    child = spawn(f"""
        import os, signal
        from alula._core._gates import arm
        arm("{gate}", lambda: os.kill(os.getpid(), signal.SIGKILL))
        datasets.drop("d")
    """)
    assert child.wait(150) == -signal.SIGKILL
    assert datasets.get("d") == (None if gone else [1])
    datasets.drop("d", force=True)
    assert artifacts() == set()


def test_a_full_disk_leaves_the_old_version_whole(datasets: Catalog) -> None:
    def full() -> None:
        raise StoreUnavailableError("here", "the disk is full")

    datasets.put([1], "d")
    arm("store.before_commit", full)
    with pytest.raises(StoreUnavailableError):
        datasets.put([2], "d")
    disarm()
    assert datasets.get("d") == [1]
    assert len(datasets.versions("d")) == 1


class Interrupted(Artifacts):
    """Real artifacts, where once somebody else acts after bytes are written or before they are read."""

    def __init__(self, inner: Artifacts) -> None:
        self.inner = inner
        self.after_put: Callable[[], object] | None = None
        self.before_get: Callable[[], object] | None = None

    def put(self, sealed: Sealed) -> str:
        digest = self.inner.put(sealed)
        act, self.after_put = self.after_put, None
        if act is not None:
            act()
        return digest

    def get(self, digest: str, *, writable: bool = False) -> memoryview:
        act, self.before_get = self.before_get, None
        if act is not None:
            act()
        return self.inner.get(digest, writable=writable)

    def exists(self, digest: str) -> bool:
        return self.inner.exists(digest)

    def delete(self, digest: str) -> None:
        self.inner.delete(digest)

    def list(self, before: float | None = None) -> Iterator[str]:
        return self.inner.list(before)

    def delete_old(self, digest: str, before: float) -> bool:
        return self.inner.delete_old(digest, before)


@pytest.fixture
def interrupted(catalogs: Catalogs, settings: Settings) -> tuple[Catalog, Interrupted]:
    artifacts = Interrupted(Artifacts.open(f"{settings.artifacts}/objects"))
    shelf = Shelf(catalogs.store, artifacts, settings.signing_key())
    return Catalog(shelf, prefix="data/", bucket="omegaml"), artifacts


def test_bytes_that_a_drop_removes_under_a_put_are_written_again(
    datasets: Catalog, interrupted: tuple[Catalog, Interrupted]
) -> None:
    writer, artifacts = interrupted
    datasets.put([1], "a")
    artifacts.after_put = lambda: datasets.drop("a")
    writer.put([1], "b")
    assert datasets.list() == ["b"]
    assert datasets.get("b") == [1]


def test_a_reader_overtaken_by_a_replacing_writer_gets_the_new_value(
    datasets: Catalog, interrupted: tuple[Catalog, Interrupted]
) -> None:
    reader, artifacts = interrupted
    datasets.put([1], "d")
    artifacts.before_get = lambda: datasets.put([2], "d", replace=True)
    assert reader.get("d") == [2]


# --------------------------------------------------------------------------------- what is not there


def test_get_gives_none_and_load_says_what_there_is(models: Catalog) -> None:
    models.put([1], "iris/linear", kind="python.model")
    assert models.get("iris/liner") is None
    assert models.metadata("iris/liner") is None
    for ask in (models.load, models.resolve, models.versions, models.drop):
        with pytest.raises(NameNotFoundError) as caught:
            ask("iris/liner")
        assert str(caught.value) == (
            "models/iris/liner does not exist; did you mean 'models/iris/linear'? "
            "There are: 'models/iris/linear'"
        )


def test_not_found_is_a_lookup_error_and_an_assertion_error(models: Catalog) -> None:
    with pytest.raises(LookupError):
        models.load("nope")
    with pytest.raises(AssertionError, match="models/nope does not exist"):
        models.load("nope")


def test_damaged_bytes_are_refused(datasets: Catalog, settings: Settings) -> None:
    datasets.put([1], "d")
    [path] = Path(settings.artifacts).glob("objects/??/*")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(SealError, match="data/d was refused"):
        datasets.get("d")


def test_bytes_that_somebody_deleted_are_named(datasets: Catalog, settings: Settings) -> None:
    datasets.put([1], "d")
    [path] = Path(settings.artifacts).glob("objects/??/*")
    path.unlink()
    with pytest.raises(LookupError, match="no artifact"):
        datasets.get("d")
    datasets.put([1], "d")
    assert datasets.get("d") == [1]


def test_a_kind_of_a_later_version_asks_for_an_upgrade(
    datasets: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.put([1], "d")
    monkeypatch.delitem(cast("dict[str, Any]", KINDS["data/"]), "python.data")
    with pytest.raises(StoreError, match=r"data/d is kept as 'python.data'.*upgrade"):
        datasets.get("d")


# -------------------------------------------------------------------------------------- attributes


def test_attributes_are_kept_cleared_and_merged(datasets: Catalog) -> None:
    datasets.put([1], "d", attributes={"a": 1, "b": 1})
    assert datasets.put([2], "d").attributes == {"a": 1, "b": 1}
    assert datasets.put([3], "d", attributes={"b": 2}).attributes == {"a": 1, "b": 2}
    assert datasets.put([4], "d", attributes={}).attributes == {}
    assert datasets.resolve("d^^").attributes == {"a": 1, "b": 1}


def test_attributes_change_without_a_new_version(datasets: Catalog) -> None:
    before = datasets.put([1], "d", attributes={"a": 1})
    after = datasets.annotate("d", {"state": "SUCCESS"})
    assert after.attributes == {"a": 1, "state": "SUCCESS"}
    assert (after.version, after.created) == (before.version, before.created)
    assert after.modified > before.modified
    assert datasets.metadata("d") == after
    with pytest.raises(NameNotFoundError):
        datasets.annotate("nope", {})


def test_attributes_that_are_not_json_are_refused_before_anything_is_kept(datasets: Catalog) -> None:
    with pytest.raises(TypeError, match="attributes must be JSON"):
        datasets.put([1], "d", attributes={"when": object()})
    assert not datasets.exists("d")


# ------------------------------------------------------------------------------------ list and drop

NAMES = ["a/x", "a/y", "b", ".hidden", "_temp", "a/_temp"]


@pytest.fixture
def filled(datasets: Catalog) -> Catalog:
    for name in NAMES:
        datasets.put([name], name)
    datasets.put(np.arange(3), "array")
    return datasets


def test_list_leaves_out_what_is_hidden_or_temporary(filled: Catalog) -> None:
    assert filled.list() == ["a/x", "a/y", "array", "b"]
    assert filled.list("a/*") == ["a/x", "a/y"]
    assert filled.list(regexp="^[ab]$|y") == ["a/y", "array", "b"]
    assert filled.list(kind="ndarray.bin") == ["array"]
    assert filled.list(hidden=True) == [".hidden", "a/x", "a/y", "array", "b"]
    assert filled.list(include_temp=True) == ["_temp", "a/_temp", "a/x", "a/y", "array", "b"]
    assert filled.list(".*") == [".hidden"]
    assert filled.list("_*") == ["_temp"]
    assert filled.list("A/*") == []


def test_raw_lists_metadata(filled: Catalog) -> None:
    assert filled.list("b", raw=True) == [filled.metadata("b")]


def test_a_broken_regexp_is_refused(filled: Catalog) -> None:
    with pytest.raises(ValueError, match=r"regexp '\[' is none"):
        filled.list(regexp="[")


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_kept_exists(filled: Catalog, name: str) -> None:
    assert filled.exists(name)
    assert filled.get(name) == [name]


def test_drop_removes_all_versions_and_bytes(datasets: Catalog, artifacts: Look) -> None:
    datasets.put([1], "d")
    datasets.put([2], "d")
    assert datasets.drop("d") is True
    assert not datasets.exists("d")
    assert artifacts() == set()
    assert datasets.put([3], "d").version == 1


def test_bytes_that_another_object_shares_stay(datasets: Catalog) -> None:
    datasets.put([1], "a")
    datasets.put([1], "b")
    datasets.drop("a")
    assert datasets.get("b") == [1]


def test_a_pattern_drops_all_that_match(filled: Catalog) -> None:
    assert filled.drop("a/*", report=True) == {"a/_temp": True, "a/x": True, "a/y": True}
    assert filled.list(include_temp=True, hidden=True) == [".hidden", "_temp", "array", "b"]


def test_dropping_what_is_not_there_may_be_forced(datasets: Catalog) -> None:
    with pytest.raises(NameNotFoundError, match="data/nope does not exist"):
        datasets.drop("nope")
    with pytest.raises(NameNotFoundError):
        datasets.drop("n*")
    assert datasets.drop("nope", force=True) is True
    assert datasets.drop("nope", force=True, report=True) == {"nope": False}


@pytest.mark.parametrize("name", ["d[x]", "d#", "d@tag[x]"])
def test_columns_and_rows_cannot_be_dropped(datasets: Catalog, name: str) -> None:
    with pytest.raises(InvalidNameError, match="columns and rows cannot be dropped"):
        datasets.drop(name)


def test_one_version_goes_alone_and_its_number_is_not_used_again(datasets: Catalog, artifacts: Look) -> None:
    for n in (1, 2, 3):
        datasets.put([n], "d", tag=f"t{n}")
    assert datasets.drop("d@t2") is True
    assert [meta.version for meta in datasets.versions("d")] == [1, 3]
    assert (datasets.get("d^"), len(artifacts())) == ([1], 2)
    assert datasets.drop("d@v3", report=True) == {"d@v3": True}
    assert datasets.get("d") == [1]
    assert datasets.put([4], "d").version == 4
    with pytest.raises(NameNotFoundError, match="d@t2 does not exist"):
        datasets.drop("d@t2")
    datasets.drop("d@v4")
    datasets.drop("d@v1")
    assert (datasets.exists("d"), artifacts()) == (False, set())


def test_a_version_goes_without_the_rows_that_others_read(datasets: Catalog, artifacts: Look) -> None:
    for n in (1, 2, 3):
        datasets.put(pd.DataFrame({"x": [n]}), "d", append=True)
    datasets.drop("d^")
    assert list(datasets.get("d")["x"]) == [1, 2, 3]
    datasets.drop("d@v3")
    assert (list(datasets.get("d")["x"]), len(artifacts())) == ([1], 1)


def test_what_does_not_fit_leaves_no_bytes(datasets: Catalog, artifacts: Look) -> None:
    datasets.put(pd.DataFrame({"x": [1]}), "d")
    before = artifacts()
    with pytest.raises(ValueError, match="cannot append to data/d"):
        datasets.put(pd.DataFrame({"y": [1]}), "d", append=True)
    assert artifacts() == before


# ----------------------------------------------------------------------------------------- buckets


def test_a_bucket_and_a_prefix_are_name_spaces_of_their_own(catalogs: Catalogs) -> None:
    catalogs.datasets.put([1], "x")
    catalogs["lab"].datasets.put([2], "x")
    catalogs.models.put([3], "x", kind="python.model")
    assert catalogs.datasets.get("x") == [1]
    assert catalogs["lab"].datasets.get("x") == [2]
    assert catalogs["lab"].models.get("x") is None
    assert catalogs["lab"].datasets.resolve("x").bucket == "lab"


@pytest.mark.parametrize("name", [None, "default", "omegaml"])
def test_the_way_back_to_the_default_bucket(catalogs: Catalogs, name: str | None) -> None:
    catalogs.datasets.put([1], "x")
    assert catalogs["lab"][name].datasets.get("x") == [1]


def test_another_process_reads_what_was_put(datasets: Catalog, spawn: Callable[..., Any]) -> None:
    datasets.put({"answer": 42}, "d")
    output, errors = spawn("print(datasets.get('d'))").communicate(timeout=150)
    assert (output, errors) == ("{'answer': 42}\n", "")


def test_a_given_store_outlives_the_catalogs(catalogs: Catalogs, settings: Settings) -> None:
    with open_catalogs(settings, store=catalogs.store) as others:
        others.datasets.put([1], "d")
    assert catalogs.datasets.get("d") == [1]

"""DataFrames: what is asked for is read and nothing else, and it is what pandas would give."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alula._core._settings import Settings
from alula.errors import InvalidNameError, NameNotFoundError, SealError
from alula.objects import Datasets, open_catalogs
from alula.objects._kinds import KINDS, Ask, How, _parquet
from alula.objects._shelf import Raw

Look = Callable[[], set[str]]

FRAME = pd.DataFrame(
    {
        "x": range(10),
        "y": [0.0, None, 1.0, 1.5, None, 2.5, 3.0, 3.5, 4.0, 4.5],
        "text": [*"abcdefgh", None, "ja"],
        "kind": pd.Categorical([*"uuvvwwuuvv"]),
        "when": pd.date_range("2020-01-01", periods=10, tz="Europe/Berlin"),
    },
    index=pd.RangeIndex(5, 25, 2, name="n"),
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datasets]:
    """Give datasets that no test changes: a frame, and one in two parts with small groups of rows."""
    with (
        pytest.MonkeyPatch.context() as patch,
        open_catalogs(Settings.load(home=str(tmp_path_factory.mktemp("home")))) as catalogs,
    ):
        catalogs.datasets.put(FRAME, "frame")
        patch.setattr(_parquet, "GROUP", 3)
        plain = FRAME.reset_index(drop=True)
        catalogs.datasets.put(plain[:7], "parts")
        catalogs.datasets.put(plain[7:], "parts", append=True)
        yield catalogs.datasets


# --------------------------------------------------------------------------------------- filters

CASES: list[tuple[dict[str, Any], Callable[[pd.DataFrame], Any]]] = [
    ({"x": 3}, lambda d: d.x == 3),
    ({"x__ne": 3}, lambda d: d.x != 3),
    ({"x__not": 3}, lambda d: d.x != 3),
    ({"x__lt": 3.5}, lambda d: d.x < 3.5),
    ({"x__lte": np.int32(3)}, lambda d: d.x <= 3),
    ({"x__gt": 7}, lambda d: d.x > 7),
    ({"x__gte": 7, "y__lt": 4}, lambda d: (d.x >= 7) & (d.y < 4)),
    ({"x__in": [1, 8, 99]}, lambda d: d.x.isin([1, 8])),
    ({"x__in": np.array([1, 8])}, lambda d: d.x.isin([1, 8])),
    ({"x__between": (2, 4)}, lambda d: d.x.between(2, 4)),
    ({"y__ne": 1.0}, lambda d: d.y != 1.0),
    ({"y__isnull": True}, lambda d: d.y.isna()),
    ({"y__isnull": False}, lambda d: d.y.notna()),
    ({"text": None}, lambda d: d.text.isna()),
    ({"text__contains": "a"}, lambda d: d.text.str.contains("a", na=False)),
    ({"text__startswith": "j"}, lambda d: d.text.str.startswith("j", na=False)),
    ({"text__endswith": "a"}, lambda d: d.text.str.endswith("a", na=False)),
    ({"text__match": "^[ab]$"}, lambda d: d.text.isin(["a", "b"])),
    ({"kind": "u"}, lambda d: d.kind == "u"),
    ({"kind__in": ["u", "w"]}, lambda d: d.kind.isin(["u", "w"])),
    ({"when__gt": "2020-01-05"}, lambda d: d.when > pd.Timestamp("2020-01-05", tz="Europe/Berlin")),
    ({"when": pd.Timestamp("2020-01-02", tz="Europe/Berlin")}, lambda d: d.x == 1),
    ({"x": 99}, lambda d: d.x == 99),
]


@pytest.mark.parametrize(("where", "mask"), CASES, ids=[str(where) for where, _ in CASES])
def test_a_filter_gives_what_pandas_gives(filled: Datasets, where: dict[str, Any], mask: Any) -> None:
    pd.testing.assert_frame_equal(
        filled.get("frame", **where), FRAME[mask(FRAME)], check_freq=False, check_index_type=False
    )
    plain = FRAME.reset_index(drop=True)
    found = filled.get("parts[x,text]", filter=where)
    pd.testing.assert_frame_equal(found, plain[mask(plain)][["x", "text"]], check_index_type=False)


def test_rows_that_cannot_match_are_not_read(filled: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[int]] = []
    arrow = _parquet.arrow()
    plain = arrow.parquet.ParquetFile.read_row_groups

    def noted(self: Any, groups: list[int], **how: Any) -> Any:
        read.append(groups)
        return plain(self, groups, **how)

    monkeypatch.setattr(arrow.parquet.ParquetFile, "read_row_groups", noted)
    assert filled.get("parts", x=4).index.tolist() == [4]
    assert read == [[1], [0]]  # of the second part the first group, for its categories
    read.clear()
    filled.get("parts#rows:start=6,end=8")
    assert read == [[2], [0]]


@pytest.mark.parametrize("where", [{"z": 1}, {"z__gt": 1}])
def test_a_filter_on_an_unknown_column_names_those_that_exist(
    filled: Datasets, where: dict[str, Any]
) -> None:
    with pytest.raises(NameNotFoundError, match=r"data/frame\[z\] does not exist.*data/frame\[x\]"):
        filled.get("frame", **where)


@pytest.mark.parametrize("name", ["frame[z]", "frame[x,z]", "frame[^z]", "frame[a:x]"])
def test_an_unknown_column_in_a_name_is_named_with_those_that_exist(filled: Datasets, name: str) -> None:
    with pytest.raises(NameNotFoundError, match=r"data/frame\[[az]\] does not exist.*data/frame\[x\]"):
        filled.get(name)
    with pytest.raises(NameNotFoundError, match=r"data/frame\[z\] does not exist"):
        filled.get("frame", columns=["z"])


@pytest.mark.parametrize(
    "where", [{"x__contains": "a"}, {"text__gt": 5}, {"when__lt": "no time"}, {"x": "a"}]
)
def test_what_a_column_cannot_be_compared_with_is_said(filled: Datasets, where: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot filter (x|text|when) |is no time"):
        filled.get("frame", **where)


def test_what_has_no_columns_has_no_filters(datasets: Datasets) -> None:
    datasets.put([1], "d")
    with pytest.raises(InvalidNameError, match=r"a python.data has no columns to filter by"):
        datasets.get("d", x=1)
    with pytest.raises(InvalidNameError, match=r"a python.data has no columns"):
        datasets.get("d", columns=["x"])
    with pytest.raises(InvalidNameError, match=r"a python.data cannot be read in chunks"):
        datasets.get("d#")


def test_a_level_of_the_index_can_be_filtered_by(datasets: Datasets) -> None:
    frame = FRAME.set_index(["text", "x"])
    datasets.put(frame, "d")
    pd.testing.assert_frame_equal(datasets.get("d[y]", x__lt=2), frame[["y"]][:2])


@given(
    columns=st.lists(st.sampled_from([*FRAME.columns]), min_size=1, unique=True),
    low=st.integers(-2, 12),
    high=st.integers(-2, 12),
    start=st.integers(0, 12),
    length=st.integers(0, 12),
    size=st.integers(1, 12),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_columns_rows_filters_and_chunks_together_give_what_pandas_gives(
    filled: Datasets, columns: list[str], low: int, high: int, start: int, length: int, size: int
) -> None:
    expected = FRAME.reset_index(drop=True)[start : start + length]
    expected = expected[expected.x.between(low, high)][columns]
    name = f"parts[{','.join(columns)}]#rows:start={start},end={start + length}"
    where = {"x__between": (low, high)}
    pd.testing.assert_frame_equal(filled.get(name, filter=where), expected, check_index_type=False)
    chunks = [*filled.get(name, filter=where, chunksize=size)]
    assert all(len(chunk) <= size for chunk in chunks)
    pd.testing.assert_frame_equal(
        pd.concat(chunks), expected, check_index_type=False, check_categorical=False
    )


# ---------------------------------------------------------------------------------------- chunks


@pytest.mark.parametrize(
    ("name", "how", "lengths"),
    [
        ("parts#", {}, [10]),
        ("parts#iterchunks:chunksize=4", {}, [4, 4, 2]),
        ("parts", {"chunksize": 5}, [5, 5]),
        ("parts#iterchunks:chunksize=4", {"x__gt": 5}, [2, 2]),
        ("parts#iterchunks:chunksize=4", {"x__gt": 50}, [0]),
    ],
)
def test_chunks_come_one_after_the_other(
    filled: Datasets, name: str, how: dict[str, Any], lengths: list[int]
) -> None:
    chunks = filled.get(name, **how)
    assert iter(chunks) is chunks
    assert [len(chunk) for chunk in chunks] == lengths


def test_rows_are_counted_from_0_and_the_last_is_left_out(filled: Datasets) -> None:
    pd.testing.assert_frame_equal(filled.get("frame#rows:start=2,end=5"), FRAME[2:5], check_freq=False)
    assert filled.get("frame#rows:start=8").x.tolist() == [8, 9]
    assert filled.get("frame[x]#rows:start=50").x.tolist() == []


def test_a_series_can_be_read_in_chunks_and_filtered(datasets: Datasets) -> None:
    datasets.put(FRAME["x"], "s")
    assert [chunk.tolist() for chunk in datasets.get("s", chunksize=6)] == [[*range(6)], [6, 7, 8, 9]]
    assert datasets.get("s", value__gt=7).tolist() == [8, 9]


def test_a_chunk_has_one_row_at_least(filled: Datasets) -> None:
    with pytest.raises(ValueError, match="chunksize=0"):
        filled.get("parts", chunksize=0)


# ----------------------------------------------------------------------------------------- lazily


def test_a_lazy_frame_reads_what_is_asked_for_when_it_is_asked(datasets: Datasets) -> None:
    datasets.put(FRAME, "d")
    lazy = datasets.getl("d")
    datasets.put(FRAME[:1], "d")
    assert repr(lazy) == "<frame data/d, not read yet>"
    pd.testing.assert_frame_equal(lazy.value, FRAME, check_freq=False)
    some = lazy["x", "text"].filter(x__gte=2).filter(x__lt=6)
    pd.testing.assert_frame_equal(some.value, FRAME[["x", "text"]][2:6], check_index_type=False)
    assert (len(lazy), len(some)) == (10, 4)
    assert some.head(3).x.tolist() == [2, 3, 4]
    assert [len(chunk) for chunk in lazy["x"].iterchunks(6)] == [6, 4]
    with pytest.raises(NameNotFoundError, match=r"data/d\[z\]"):
        lazy["z"]


def test_what_is_no_frame_is_not_lazy(datasets: Datasets) -> None:
    datasets.put([1], "d")
    assert datasets.getl("d") == [1]
    assert datasets.getl("nope") is None


# --------------------------------------------------------------------------------- there and back

VALUES = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=True),
    "bool": st.booleans(),
    "str": st.text(st.characters(exclude_categories=["Cs"])) | st.none(),
    "datetime64[ns, UTC]": st.datetimes(pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")),
    "category": st.sampled_from("abc"),
    "Int8": st.integers(-128, 127) | st.none(),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(1, 5))  # of none, tests/objects/test_kinds.py knows

    def column(kind: str) -> Any:
        return pd.array(draw(st.lists(VALUES[kind], min_size=rows, max_size=rows)), dtype=kind)

    kinds = st.lists(st.sampled_from([*VALUES]), min_size=1, max_size=4)
    frame = pd.DataFrame({f"c{n}": column(kind) for n, kind in enumerate(draw(kinds))})
    index = draw(st.lists(st.sampled_from(["int64", "str", "datetime64[ns, UTC]"]), max_size=2))
    if not index:
        return frame
    levels = [column(kind) for kind in index]
    names = [None if draw(st.booleans()) else f"level{n}" for n in range(len(index))]
    if len(levels) == 1:
        return frame.set_index(pd.Index(levels[0], name=names[0]))
    return frame.set_index(pd.MultiIndex.from_arrays(levels, names=names))


@given(frames())
@settings(max_examples=60, deadline=None)
def test_frames_of_any_types_and_indexes_come_back(frame: pd.DataFrame) -> None:
    kind = KINDS["data/"]["pandas.dfrows"]
    dumped = kind.dump(frame, How())
    assert isinstance(dumped.payload, Raw)
    again = kind.load([*dumped.payload.chunks], Ask(facts=dumped.facts))
    pd.testing.assert_frame_equal(again, frame)


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"x": []}), pd.DataFrame(index=[1, 2])])
def test_an_empty_frame_is_kept(datasets: Datasets, frame: pd.DataFrame) -> None:
    datasets.put(frame, "empty")
    pd.testing.assert_frame_equal(datasets.get("empty"), frame)
    assert [len(chunk) for chunk in datasets.get("empty#")] == [len(frame)]


def test_a_frame_is_a_file_that_others_can_read(datasets: Datasets, tmp_path: Path) -> None:
    datasets.put(FRAME, "d")
    metadata = datasets.metadata("d")
    assert metadata is not None
    path = tmp_path / "d.parquet"
    path.write_bytes(metadata.gridfile.read())
    pd.testing.assert_frame_equal(pd.read_parquet(path), FRAME, check_freq=False)


@pytest.mark.parametrize("where", [-3, 100])
def test_damage_is_told_in_the_end_and_in_the_middle(
    datasets: Datasets, artifacts: Look, settings: Settings, where: int
) -> None:
    # Of no other test: what was whole is not looked at again in the same process.
    datasets.put(pd.DataFrame({"x": np.arange(1000.0) + where / 7}), "d")
    [digest] = artifacts()
    path = Path(settings.artifacts) / "objects" / digest[:2] / digest[2:]
    data = bytearray(path.read_bytes())
    data[where] ^= 255
    path.write_bytes(data)
    with pytest.raises(SealError, match="it is damaged"):
        datasets.get("d")


def test_pages_are_checked_once_in_a_process(
    datasets: Datasets, artifacts: Look, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes under a digest never change, so a column that was whole is whole."""
    checks: list[bool] = []
    arrow = _parquet.arrow()
    plain = arrow.parquet.ParquetFile

    def noted(*args: Any, page_checksum_verification: bool = False, **how: Any) -> Any:
        checks.append(page_checksum_verification)
        return plain(*args, page_checksum_verification=page_checksum_verification, **how)

    monkeypatch.setattr(arrow.parquet, "ParquetFile", noted)
    datasets.put(pd.DataFrame({"x": [1, 2], "y": [3, 4]}), "d")
    for name in ("d[x]", "d[x]", "d", "d[y]"):
        datasets.get(name)
    # Opened with checking, and once more without where that is not needed.
    assert checks == [True, True, False, True, True, False]


def test_a_second_put_does_not_append_unless_it_is_asked_to(datasets: Datasets) -> None:
    for _ in range(2):
        datasets.put(FRAME, "d")
    assert len(datasets.get("d")) == 10
    assert datasets.put(FRAME, "d", append=True).kind_meta["rows"] == 20
    with pytest.raises(ValueError, match="cannot append to data/d: the columns differ: 'x' is missing"):
        datasets.put(FRAME.drop(columns="x"), "d", append=True)


# ------------------------------------------------------------------------------------- variations


def test_a_column_may_say_when_its_rows_were_put(datasets: Datasets) -> None:
    datasets.put(FRAME[["x"]], "d", timestamp=True)
    assert datasets.get("d")["_created"].dt.tz is not None
    datasets.put(FRAME[["x"]], "e", timestamp="at")
    assert list(datasets.get("e")) == ["x", "at"]


def test_an_option_that_a_kind_has_not_is_refused(datasets: Datasets) -> None:
    with pytest.raises(TypeError, match=r"timestmp= means nothing for a pandas.dfrows, which takes delete="):
        datasets.put(FRAME, "d", timestmp=True)
    with pytest.raises(TypeError, match="takes no options of its own"):
        datasets.put(np.arange(3), "d", revisions=True)


def test_groups_are_read_one_by_one(datasets: Datasets, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = FRAME.reset_index(drop=True)
    made = datasets.put(frame, "d", groupby=["kind"])
    assert (made.kind, made.kind_meta["groupby"], made.kind_meta["groups"]) == ("pandas.dfgroup", ["kind"], 3)
    found = datasets.get("d", kind="v")
    pd.testing.assert_frame_equal(found, frame[frame.kind == "v"], check_index_type=False)
    pd.testing.assert_frame_equal(datasets.get("d").sort_index(), frame, check_index_type=False)
    assert [len(chunk) for chunk in datasets.get("d", chunksize=8)] == [8, 2]


@pytest.mark.parametrize("by", [["kid"], "kid", []])
def test_groups_by_what_is_no_column_are_refused(datasets: Datasets, by: Any) -> None:
    with pytest.raises(ValueError, match=r"groupby=: .*there are 'x', 'y'"):
        datasets.put(FRAME, "d", groupby=by, kind="pandas.dfgroup")


def test_csv_there_and_back(datasets: Datasets, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("a,b\n1,x\n2,y\n3,z\n")
    assert datasets.read_csv(source, "d").kind_meta["rows"] == 3
    assert datasets.read_csv(source, "d", append=True).kind_meta["rows"] == 6
    assert datasets.to_csv("d^", target, index=False, chunksize=2) == target
    assert target.read_text() == source.read_text()
    with pytest.raises(NameNotFoundError, match="data/nope"):
        datasets.to_csv("nope", target)
    assert {*tmp_path.glob("*.*")} == {source, target}
    with pytest.raises(FileNotFoundError):
        datasets.read_csv(tmp_path / "nope.csv", "e")


def test_a_csv_file_may_stay_where_it_is(datasets: Datasets, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a;b\n1;x\n2;y\n3;z\n")
    made = datasets.put(source, "d", kind="pandas.csv", csv={"sep": ";"})
    assert made.uri == str(source)
    assert datasets.get("d").to_dict("list") == {"a": [1, 2, 3], "b": ["x", "y", "z"]}
    assert [len(chunk) for chunk in datasets.get("d", chunksize=2)] == [2, 1]
    assert datasets.get("d#rows:start=1,end=2").b.tolist() == ["y"]
    with pytest.raises(InvalidNameError, match=r"a pandas\.csv has no columns to filter by"):
        datasets.get("d", a=1)
    with pytest.raises(FileNotFoundError):
        datasets.put(tmp_path / "nope.csv", "d", kind="pandas.csv")


# -------------------------------------------------------------------------------------- revisions


@pytest.fixture
def revised(datasets: Datasets) -> Datasets:
    datasets.put(pd.DataFrame({"a": [1, 2, 3]}, index=[*"xyz"]), "r", revisions=True, tag="first")
    datasets.put(pd.DataFrame({"a": [20, 4]}, index=[*"yw"]), "r")
    datasets.put(pd.DataFrame(index=[*"xq"]), "r", revisions=True, delete=True)
    return datasets


def held(frame: pd.DataFrame) -> dict[str, int]:
    assert list(frame) == ["a"]
    assert frame["a"].dtype == "int64"
    return dict(frame["a"])


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (None, {"y": 20, "z": 3, "w": 4}),
        (3, {"y": 20, "z": 3, "w": 4}),
        (2, {"x": 1, "y": 20, "z": 3, "w": 4}),
        (1, {"x": 1, "y": 2, "z": 3}),
        (-2, {"x": 1, "y": 20, "z": 3, "w": 4}),
        ("first", {"x": 1, "y": 2, "z": 3}),
    ],
)
def test_later_puts_are_changes_found_by_the_index(revised: Datasets, revision: Any, expected: Any) -> None:
    found = held(revised.get("r", revision=revision))
    assert (found, [*found]) == (expected, [*expected])


def test_a_revision_may_be_a_time(revised: Datasets) -> None:
    times = [v.kind_meta["put"] for v in revised.versions("r")]
    between = datetime.fromtimestamp((times[0] + times[1]) / 2, UTC)
    assert held(revised.get("r", revision=between)) == {"x": 1, "y": 2, "z": 3}
    assert held(revised.get("r", revision=between.isoformat())) == {"x": 1, "y": 2, "z": 3}
    with pytest.raises(NameNotFoundError, match="as of 2001-01-01 does not exist"):
        revised.get("r", revision="2001-01-01")
    with pytest.raises(NameNotFoundError, match="data/r@frist does not exist; did you mean 'data/r@first'"):
        revised.get("r", revision="frist")


def test_each_change_can_be_seen_alone_and_all_of_them(revised: Datasets) -> None:
    assert held(revised.get("r", changeset=2)) == {"y": 20, "w": 4}
    trace = revised.get("r", trace_revisions=True)
    assert trace["_revision"].tolist() == [1, 1, 1, 2, 2, 3, 3]
    assert trace["_deleted"].tolist() == [False] * 5 + [True] * 2
    assert trace["_changed"].is_monotonic_increasing


def test_revisions_can_be_filtered_and_read_in_chunks(revised: Datasets) -> None:
    assert held(revised.get("r", a__gt=3)) == {"y": 20, "w": 4}
    assert [held(chunk) for chunk in revised.get("r", chunksize=2)] == [{"y": 20, "z": 3}, {"w": 4}]
    assert held(revised.get("r[a]#rows:start=1,end=2")) == {"z": 3}


def test_a_dataset_has_revisions_from_the_first_or_never(datasets: Datasets) -> None:
    datasets.put(FRAME, "d")
    with pytest.raises(ValueError, match="data/d is kept without revisions"):
        datasets.put(FRAME, "d", revisions=True)
    with pytest.raises(ValueError, match="data/d has no revisions, so none can take rows away"):
        datasets.put(FRAME, "d", delete=True)
    with pytest.raises(ValueError, match="data/d has no revisions"):
        datasets.get("d", trace_revisions=True)
    datasets.put(FRAME, "d", revisions=True, replace=True)
    assert len(datasets.get("d")) == 10


def test_a_change_has_the_columns_of_what_it_changes(revised: Datasets) -> None:
    with pytest.raises(ValueError, match="data/r: the columns differ: 'a' is missing; 'b' is new"):
        revised.put(pd.DataFrame({"b": [1]}, index=["x"]), "r")
    with pytest.raises(ValueError, match="'x' stands in it more than once"):
        revised.put(pd.DataFrame({"a": [1, 2]}, index=["x", "x"]), "r")
    with pytest.raises(InvalidNameError, match="a revision cannot be dropped"):
        revised.drop("r^")

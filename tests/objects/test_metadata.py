import json
import pickle
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from alula._core._settings import Settings
from alula.errors import InvalidNameError, NameNotFoundError, StoreError
from alula.objects import Catalog, Catalogs, Metadata, Models, open_catalogs

METADATA = Metadata(
    name="results/myjob_2021-11-25 14:02:14.690974.ipynb",
    bucket="omegaml",
    prefix="jobs/",
    kind="script.ipynb",
    created=datetime(2021, 11, 25, 14, 2, 15, 814244, UTC),
    modified=datetime(2021, 11, 25, 14, 2, 15, 814244, UTC),
    version=1,
    attributes={"source_job": "myjob.ipynb"},
)
LINE = (
    "Metadata(name=results/myjob_2021-11-25 14:02:14.690974.ipynb,bucket=omegaml,prefix=jobs/,"
    "kind=script.ipynb,created=2021-11-25 14:02:15.814244)"
)


def test_it_prints_as_the_founding_page_shows() -> None:
    assert str(METADATA) == LINE
    assert repr(METADATA) == f"<Metadata: {LINE}>"


def test_six_digits_of_microseconds_are_printed_even_if_they_are_zero() -> None:
    whole = replace(METADATA, created=datetime(2021, 11, 25, tzinfo=UTC))
    assert str(whole).endswith("created=2021-11-25 00:00:00.000000)")


def test_it_equals_its_printed_form_and_itself_and_nothing_else() -> None:
    meta = replace(METADATA)
    assert meta == METADATA
    assert meta == LINE
    assert meta == f"<Metadata: {LINE}>"
    assert meta != replace(METADATA, version=2)
    assert meta != 1
    assert len({METADATA, meta}) == 1


def test_it_survives_pickling() -> None:
    copy = pickle.loads(pickle.dumps(METADATA))
    assert copy == METADATA
    assert copy.attributes == {"source_job": "myjob.ipynb"}


def test_it_is_json_with_times_as_iso_text() -> None:
    assert json.loads(METADATA.to_json()) == METADATA.to_dict()
    assert METADATA.to_dict()["created"] == "2021-11-25T14:02:15.814244+00:00"


# ------------------------------------------------------------------------------------ as a record


@pytest.fixture
def filled(datasets: Catalog) -> Catalog:
    datasets.put([1], "d", attributes={"a": 1}, tag="old")
    datasets.put([2], "d")
    return datasets


def test_saving_writes_the_attributes_and_when(filled: Catalog) -> None:
    metadata = filled.resolve("d@old")
    before = metadata.modified
    metadata.attributes["b"] = [2]
    del metadata.attributes["a"]
    saved = metadata.save()
    assert saved.attributes == filled.resolve("d@old").attributes == {"b": [2]}
    assert filled.resolve("d").attributes == {"a": 1}
    assert before < metadata.modified == saved.modified
    assert metadata.save(tag="new").tags == ("new", "old")


def test_saving_may_make_a_version_of_the_same_value(models: Models) -> None:
    first = models.put([1], "m", kind="python.model")
    second = first.save(version=True, tag="same", commit="c2")
    assert (second.version, second.commit, second.tags) == (2, "c2", ("same",))
    assert models.get("m@c2") == models.get("m^") == [1]


def test_what_is_saved_must_be_json_and_still_be_there(filled: Catalog) -> None:
    metadata = filled.resolve("d")
    metadata.attributes["b"] = object()
    with pytest.raises(TypeError, match="attributes must be JSON"):
        metadata.save()
    filled.drop("d")
    metadata.attributes.clear()
    with pytest.raises(NameNotFoundError, match="data/d does not exist"):
        metadata.save()


def test_metadata_from_another_process_belong_to_no_store(filled: Catalog) -> None:
    copy = pickle.loads(pickle.dumps(filled.resolve("d")))
    assert copy == filled.resolve("d")
    with pytest.raises(StoreError, match="came from another process"):
        copy.save()


@pytest.mark.parametrize(
    ("given", "expected"), [(None, {"a": 1}), ({}, {}), ({"b": 2}, {"a": 1, "b": 2}), ({"a": 3}, {"a": 3})]
)
def test_made_metadata_keep_clear_or_merge_attributes(
    filled: Catalog, given: object, expected: object
) -> None:
    made = filled.make_metadata("d", attributes=given)  # type: ignore[arg-type]  # mypy widens the parameters
    assert made.attributes == expected
    assert filled.resolve("d").attributes == {"a": 1}
    assert made.save().attributes == filled.resolve("d").attributes == expected
    assert filled.get("d") == [2]


def test_metadata_may_be_kept_without_a_value(datasets: Catalog) -> None:
    made = datasets.make_metadata("note", attributes={"a": 1})
    assert (made.version, datasets.exists("note")) == (0, False)
    assert made.save().version == 1
    assert datasets.resolve("note").attributes == {"a": 1}
    with pytest.raises(StoreError, match="data/note has no value"):
        datasets.get("note")
    with pytest.raises(ValueError, match=r"no kind 'pandas.dfrow'"):
        datasets.make_metadata("note", kind="pandas.dfrow")


@pytest.mark.parametrize("name", ["", None])
def test_to_save_without_a_name_is_refused(datasets: Catalog, name: str) -> None:
    with pytest.raises(AssertionError, match="it is empty") as caught:
        datasets.make_metadata(name).save()
    assert isinstance(caught.value, InvalidNameError)


def test_the_fields_of_old_programs_are_there(filled: Catalog) -> None:
    metadata = filled.resolve("d")
    assert metadata.objid == "omegaml/data/d@v2"
    assert metadata.gridfile.read() == b"[2]"
    assert (metadata.collection, metadata.s3file, metadata.uri) == (None, None, None)


# ------------------------------------------------------------------------------- what is known


def test_a_summary_says_what_there_is(filled: Catalog) -> None:
    summary = filled.summary("d")
    assert {**summary, "size": 0, "created": "", "modified": ""} == {
        "name": "d",
        "kind": "python.data",
        "size": 0,
        "created": "",
        "modified": "",
        "version": 2,
        "versions": [1, 2],
        "tags": {"old": 1},
        "docs": None,
    }
    with pytest.raises(NameNotFoundError, match="data/nope"):
        filled.summary("nope")


def test_stats_count_by_kind(filled: Catalog) -> None:
    stats = filled.stats()
    assert (stats["store"], stats["count"], stats["kinds"]["python.data"]["count"]) == ("datasets", 1, 1)
    assert stats["size"] == filled.resolve("d").size


def test_the_whole_store_is_counted(filled: Catalog, catalogs: Catalogs) -> None:
    assert filled.dbstats() == {"objects": 1, "versions": 2, "size": filled.resolve("d").size}
    catalogs["other"].jobs.put("print(1)", "job")
    assert filled.dbstats()["objects"] == 2


def test_an_older_store_gets_the_tables_that_came_later(catalogs: Catalogs, settings: Settings) -> None:
    with catalogs.store.transaction() as connection:
        connection.execute(text("DROP TABLE object_counters"))
        connection.execute(text("DELETE FROM layers WHERE layer = 'object_counters'"))
    with open_catalogs(settings) as again:
        for n in (1, 2):
            again.datasets.put([n], "d")
        again.datasets.drop("d@v2")
        assert again.datasets.put([3], "d").version == 3


def test_help_is_the_users_own_or_that_of_the_kind(filled: Catalog) -> None:
    assert filled.help("d").startswith("python.data: A kind that keeps a value as JSON")
    filled.annotate("d", {"docs": "https://example.com/d"})
    assert filled.help("d") == "https://example.com/d"
    assert filled.help([1]) == filled.help("python.data")
    assert "pandas.dfrows: The kind of a DataFrame." in filled.help()
    assert filled.help(5) == "datasets keep nothing like that"
    with pytest.raises(NameNotFoundError):
        filled.help("nope")


def test_objects_may_be_listed_by_their_attributes(filled: Catalog) -> None:
    filled.put([1], "e")
    assert filled.list(filter={"a": 1}) == ["d"]
    assert filled.list(filter={"a": 2}) == []


# --------------------------------------------------------------------------- versions of models


@pytest.fixture
def versions(models: Models) -> Models:
    models.put([1], "m", kind="python.model", commit="abc")
    models.put([2], "m", kind="python.model", tag="prod")
    models.put([3], "m", kind="python.model")
    return models


def test_a_commit_names_a_version_for_ever(versions: Models) -> None:
    assert versions.get("m@abc") == versions.get("m", commit="abc") == [1]
    named = [each.commit for each in versions.versions("m")]
    assert [versions.get(f"m@{commit}") for commit in named] == [[1], [2], [3]]
    assert len({*named}) == 3
    with pytest.raises(ValueError, match="another version has the commit 'abc'"):
        versions.put([4], "m", kind="python.model", commit="abc")
    assert versions.get("m") == [3]


def test_revisions_are_all_names_of_versions(versions: Models) -> None:
    _, second, third = (each.commit for each in versions.versions("m"))
    assert versions.revisions("m") == ["m@abc", "m@prod", f"m@{second}", f"m@{third}"]
    with pytest.raises(NameNotFoundError, match="models/nope"):
        versions.revisions("nope")


def test_the_tree_of_versions_is_among_the_attributes_unless_they_are_asked_for_raw(versions: Models) -> None:
    metadata, raw = versions.metadata("m"), versions.metadata("m@prod", raw=True)
    assert metadata is not None
    assert raw is not None
    first, second, third = (each.commit for each in versions.versions("m"))
    assert metadata.attributes["versions"] == {
        "tags": {"prod": second},
        "commits": [[first, 1], [second, 2], [third, 3]],
        "tree": {first: None, second: first, third: second},
    }
    assert (raw.version, raw.attributes) == (2, {})
    metadata.attributes["mine"] = 1
    assert metadata.save().attributes == {"mine": 1}


def test_any_version_has_its_number_for_a_name(versions: Models, datasets: Catalog) -> None:
    assert [versions.get(f"m@v{n}") for n in (1, 2, 3)] == [[1], [2], [3]]
    datasets.put([1], "d")
    assert datasets.get("d@v1") == [1]


def test_dropping_one_version_leaves_the_others(versions: Models, catalogs: Catalogs) -> None:
    versions.drop("m@prod")
    assert [each.version for each in versions.versions("m")] == [1, 3]
    with pytest.raises(NameNotFoundError, match="models/m@prod does not exist"):
        versions.get("m@prod")

import json
import pickle
from dataclasses import replace
from datetime import UTC, datetime

from alula.objects import Metadata

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

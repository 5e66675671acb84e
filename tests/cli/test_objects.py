"""The commands about stored objects show what catalogs give, and put and remove."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from typer.testing import CliRunner, Result

import alula as om
from alula.cli import app

pytestmark = pytest.mark.usefixtures("instance")


@pytest.fixture
def instance(home: Path) -> Any:
    yield
    om.runtime.close_default()


def call(*words: str, columns: int = 160) -> Result:
    return CliRunner(env={"COLUMNS": str(columns), "NO_COLOR": "1"}).invoke(app, [*words])


def shown(*words: str, columns: int = 160) -> str:
    done = call(*words, columns=columns)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def facts(*words: str) -> Any:
    return json.loads(shown(*words, "--json"))


@pytest.mark.parametrize("kind", ["datasets", "models", "scripts", "jobs"])
def test_a_store_without_objects_says_so(kind: str) -> None:
    assert shown(kind, "list") == f"no {kind}\n"
    assert facts(kind, "list") == []


def test_a_list_is_a_table_at_any_width() -> None:
    om.datasets.put(pd.DataFrame({"x": range(1000)}), "team/a-name-that-takes-a-lot-of-room/points")
    om.models.put(LinearRegression(), "line", tag="new")
    for columns in (80, 200):
        lines = shown("datasets", "list", columns=columns).splitlines()
        assert lines[0].split() == ["name", "kind", "version", "size", "modified"]
        assert max(map(len, lines)) <= columns
        assert lines[1].startswith("team/a-name-that-takes-a-lot-of-room/p")  # the rest may stand below
    assert shown("models", "list").splitlines()[1].split()[:4] == ["line", "sklearn.joblib", "1", "new"]
    assert [each["name"] for each in facts("models", "list")] == ["line"]
    assert facts("models", "list", "x*") == []


def test_metadata_and_versions_are_shown() -> None:
    om.models.put(LinearRegression(), "line", attributes={"owner": "ada", "nested": {"a": [1, 2]}}, tag="old")
    om.models.put(LinearRegression(), "line")
    text = " ".join(shown("models", "metadata", "line").split())
    assert "models/line kind sklearn.joblib bucket omegaml version 2" in text
    assert "owner ada" in text
    assert "nested a 1, 2" in text
    assert facts("models", "metadata", "line@old")["version"] == 1
    assert [each["version"] for each in facts("models", "versions", "line")] == [1, 2]
    assert "old" in shown("models", "versions", "line").splitlines()[1]


def test_a_csv_is_put_as_a_dataset_and_comes_back(tmp_path: Path) -> None:
    source, target = tmp_path / "points.csv", tmp_path / "out.csv"
    source.write_text("x;y\n0;1\n1;3\n")
    assert "2 rows" in shown("datasets", "put", str(source), "points", "--csv", "sep=;")
    assert om.datasets.load("points").to_dict("list") == {"x": [0, 1], "y": [1, 3]}
    shown("datasets", "put", str(source), "points", "--csv", "sep=;", "--append")
    assert len(om.datasets.load("points")) == 4
    shown("datasets", "put", str(source), "points", "--csv", "sep=;", "--csv", "nrows=1", "--replace")
    assert facts("datasets", "metadata", "points")["version"] == 3
    assert shown("datasets", "get", "points").split() == ["x", "y", "0", "0", "1"]
    shown("datasets", "get", "points", "--to", str(target))
    assert target.read_text() == "x,y\n0,1\n"
    shown("datasets", "get", "points", "--to", str(tmp_path / "out.parquet"))
    shown("datasets", "put", str(tmp_path / "out.parquet"), "again")
    pd.testing.assert_frame_equal(om.datasets.load("again"), om.datasets.load("points"))


def test_json_is_put_and_shown(tmp_path: Path) -> None:
    source = tmp_path / "plain.json"
    source.write_text('{"any": [1, null]}')
    shown("datasets", "put", str(source), "plain")
    assert facts("datasets", "get", "plain") == {"any": [1, None]}
    om.datasets.put(pd.DataFrame({"x": [1.0, np.nan]}), "points")
    assert facts("datasets", "get", "points")["data"] == {"x": [1.0, None]}


def test_a_long_frame_is_cut_and_says_so() -> None:
    om.datasets.put(pd.DataFrame({f"c{n}": range(30) for n in range(14)}), "points")
    lines = shown("datasets", "get", "points", "--limit", "3").splitlines()
    assert len(lines) == 5
    assert "30 rows of 14 columns" in lines[-1]


def test_a_model_is_what_a_function_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_by_cli.py").write_text(
        "from sklearn.linear_model import Ridge\ndef ridge(): return Ridge()\nnumber = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shown("models", "put", "made_by_cli.ridge", "ridge", "--tag", "first")
    assert type(om.models.load("ridge@first")).__name__ == "Ridge"
    for source, said in (
        ("made_by_cli.rigde", "cannot be imported"),
        ("made_by_cli.number", "is no function"),
        ("ridge", "is no MODULE.FUNCTION"),
    ):
        done = call("models", "put", source, "other")
        assert (done.exit_code, said in " ".join(done.output.split())) == (2, True)
    assert om.models.list() == ["ridge"]


def test_a_notebook_is_put_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("print(1)")
    shown("jobs", "put", str(tmp_path / "job.py"), "job")
    assert "print(1)" in shown("jobs", "get", "job")
    shown("jobs", "get", "job", "--to", str(tmp_path / "job.ipynb"))
    shown("jobs", "put", str(tmp_path / "job.ipynb"), "again")
    assert "print(1)" in shown("jobs", "get", "again")


def test_objects_are_removed_by_name_and_pattern() -> None:
    for name in ("a1", "a2", "b"):
        om.datasets.put([1], name)
    assert shown("datasets", "drop", "b") == "removed b\n"
    assert shown("datasets", "drop", "a*") == "removed a1, a2\n"
    assert shown("datasets", "drop", "a*", "--force") == "nothing to remove\n"


def test_a_bucket_is_another_name_space(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("[1]")
    shown("datasets", "put", str(tmp_path / "one.json"), "one", "--bucket", "other")
    assert shown("datasets", "list") == "no datasets\n"
    assert [each["name"] for each in facts("datasets", "list", "--bucket", "other")] == ["one"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["datasets", "put", "nope.csv", "x"], 2, "there is no file nope.csv"),
        (["datasets", "put", "{dir}/a.txt", "x"], 2, "ends with none of .csv"),
        (["datasets", "put", "{dir}/a.json", "x", "--csv", "sep=;"], 2, "is no .csv"),
        (["datasets", "put", "{dir}/a.csv", "x", "--csv", "sep"], 2, "is no NAME=VALUE"),
        (["datasets", "put", "{dir}/a.csv", "x", "--csv", "colour=1"], 1, "TypeError"),
        (["datasets", "put", "{dir}/a.csv", "x", "--csv", "sep=1", "--csv", "sep=2"], 2, "given twice"),
        (["datasets", "put", "{dir}/a.json", "a*b"], 1, "has a meaning"),
        (["models", "get", "line", "--to", "{dir}/x.csv"], 2, "as .json"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(words: list[str], code: int, said: str, tmp_path: Path) -> None:
    om.models.put(LinearRegression(), "line")
    for name, text in (("a.txt", ""), ("a.json", "[1]"), ("a.csv", "x\n1\n")):
        (tmp_path / name).write_text(text)
    done = call(*[word.format(dir=tmp_path) for word in words])
    told = " ".join((done.output + str(done.exception)).split())
    assert (done.exit_code, said in told) == (code, True), told


def test_an_unknown_name_is_an_error_of_its_own() -> None:
    om.datasets.put([1], "iris")
    done = call("datasets", "get", "irs")
    assert done.exit_code == 1
    assert "did you mean 'data/iris'" in str(done.exception)


def test_an_object_goes_to_another_store_in_a_file(tmp_path: Path) -> None:
    om.datasets.put([1, 2], "numbers")
    file = tmp_path / "numbers.alula"
    assert "wrote" in shown("datasets", "export", "numbers", str(file))
    assert facts("datasets", "export", "numbers", str(file))["bytes"] == file.stat().st_size
    assert facts("datasets", "import", str(file), "again", "--bucket", "other")["name"] == "again"
    assert om.bucket("other").datasets.get("again") == [1, 2]
    refused = call("models", "import", str(file))
    assert refused.exit_code == 1
    assert "not for this store" in " ".join(refused.output.split())

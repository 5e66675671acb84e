"""``alula lineage`` shows what came of what."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression
from typer.testing import CliRunner

import alula as om
from alula.cli import app
from alula.errors import NameNotFoundError
from alula.futures import Engine


@pytest.fixture(autouse=True)
def trained(engine: Engine, home: Path) -> Iterator[None]:
    om.models.put(LinearRegression(), "m")
    om.datasets.put([[0.0], [1.0]], "x")
    om.runtime.model("m").fit("x", [0.0, 1.0]).get()
    yield
    om.runtime.close_default()
    om.workflow.reset_default_executor()


def test_it_is_a_tree_a_picture_or_json(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["lineage", "m@v2"])
    assert (told.exit_code, told.output.splitlines()[0]) == (0, "models/m v2")
    assert "└─ made by fit" in told.output
    assert "data/x v1" in told.output
    facts = json.loads(CliRunner().invoke(app, ["lineage", "m", "--json", "--depth", "1"]).output)
    assert facts["before"][0]["reads"] == ["models/m v1", "data/x v1"]
    file = tmp_path / "m.svg"
    assert CliRunner().invoke(app, ["lineage", "m", "--svg", str(file)]).exit_code == 0
    assert file.read_text().startswith("<svg")
    with pytest.raises(NameNotFoundError, match="did you mean 'models/m'"):
        CliRunner().invoke(app, ["lineage", "models/mm"], catch_exceptions=False)

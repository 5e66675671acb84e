"""Results that are taken from an earlier task, where that was asked for."""

from pathlib import Path
from typing import Any

import pytest

import alula as om
from tests.runtime.estimators import Echo

pytestmark = pytest.mark.usefixtures("engine")


def count(om: Any, path: str, number: int) -> int:
    with Path(path).open("a") as file:
        file.write(".")
    return number * 2


def test_a_script_is_not_run_again_on_the_same_unless_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    om.scripts.put(count, "count")
    cached = om.runtime.require(cached=True).script("count")
    assert [cached.run(str(path), number).get() for number in (1, 1, 2, 1)] == [2, 2, 4, 2]
    assert path.read_text() == ".."
    assert om.runtime.script("count").run(str(path), 1).get() == 2  # who does not ask for it, computes
    om.scripts.put(count, "count")
    assert cached.run(str(path), 1).get() == 2  # a new version
    assert path.read_text() == "...."


def test_a_prediction_is_taken_while_model_and_data_are_the_same(tmp_path: Path) -> None:
    om.models.put(Echo(path=tmp_path / "seen"), "echo")
    om.datasets.put([[1.0]], "rows")
    cached = om.runtime.require(cached=True).model("echo")
    values = [cached.predict(data).get()["X"] for data in ("rows", "rows", [[2.0]], [[2.0]], [[3.0]])]
    assert values == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert (tmp_path / "seen").read_text() == "1 2 3 "
    om.datasets.put([[4.0]], "rows", replace=True)
    assert cached.predict("rows").get()["X"] == 4.0
    om.models.put(Echo(path=tmp_path / "seen"), "echo")
    cached.predict("rows").get()
    assert (tmp_path / "seen").read_text() == "1 2 3 4 4 "


def test_a_value_that_was_forgotten_is_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    om.scripts.put(count, "count")
    cached = om.runtime.require(cached=True).script("count")
    first = cached.run(str(path), 1)
    first.get()
    first.forget()
    assert cached.run(str(path), 1).get() == 2
    assert path.read_text() == ".."


def test_whether_to_cache_is_true_or_false() -> None:
    with pytest.raises(TypeError, match="cached"):
        om.runtime.require(cached="yes")

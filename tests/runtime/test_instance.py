"""Instances: the default one, those for other settings, and buckets."""

from collections.abc import Callable
from pathlib import Path

import pytest

import alula as om
from alula.errors import NameNotFoundError, SettingError, StoreUnavailableError
from alula.runtime import Instance, close_default, default
from tests.runtime.conftest import Child
from tests.runtime.estimators import Adder

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 30.0


def test_the_root_gives_what_the_default_instance_has() -> None:
    assert om.datasets is default().datasets
    assert om.models is default().models
    assert default() is default()


def test_the_default_follows_the_settings_after_it_was_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    om.datasets.put([1], "here")
    monkeypatch.setenv("ALULA_HOME", str(tmp_path / "elsewhere"))
    assert om.datasets.list() == ["here"]
    close_default()
    assert om.datasets.list() == []


def test_an_instance_has_a_store_and_an_executor_of_its_own(tmp_path: Path) -> None:
    with om.setup(home=str(tmp_path / "other"), labels="default,mine") as other:
        other.models.put(Adder(), "adder")
        assert other.runtime.model("adder").fit([[1.0]]).get(ENOUGH).version == 2
        assert list(other.runtime.labels().values()) == [["default", "mine"]]
        assert om.models.list() == []


def test_an_instance_that_is_closed_says_so() -> None:
    with om.setup() as other:
        model = other.models.put(Adder(), "adder")
    assert model.version == 1
    with pytest.raises(StoreUnavailableError, match="was closed"):
        _ = other.models
    with pytest.raises(StoreUnavailableError, match="was closed"):
        _ = other.runtime


def test_a_bucket_is_a_name_space_of_its_own_on_the_same_store() -> None:
    other = default()["other"]
    other.datasets.put([1], "numbers")
    assert (other.bucket, om.datasets.list()) == ("other", [])
    assert om.bucket("other").datasets.list() == ["numbers"]
    assert other[None].datasets.list() == other["default"].datasets.list() == []


def test_a_task_finds_its_data_in_its_own_bucket() -> None:
    for name in ("a", "b"):
        om.bucket(name).models.put(Adder(), "adder")
    om.bucket("a").datasets.put([[1.0]], "rows")
    assert om.bucket("a").runtime.model("adder").fit("rows").get(ENOUGH).bucket == "a"
    with pytest.raises(NameNotFoundError):
        om.bucket("b").runtime.model("adder").fit("rows").get(ENOUGH)


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match=r"'hom'.*did you mean 'home'"):
        om.setup(hom="x")


def test_settings_of_the_engine_must_be_those_of_the_one_that_runs() -> None:
    with pytest.raises(RuntimeError, match="num_cpus"):
        om.setup(num_cpus=7)


def test_settings_of_the_engine_start_it(spawn: Callable[..., Child]) -> None:
    child = spawn("om.setup(num_cpus=3); print(om.cluster_resources()['CPU'])")
    out, err = child.communicate(timeout=ENOUGH)
    assert out == "3.0\n", err


def test_a_process_that_ends_leaves_its_tasks_in_the_queue(spawn: Callable[..., Child]) -> None:
    child = spawn(
        """
        from tests.runtime.estimators import Adder
        with om.setup() as mine:
            mine.models.put(Adder(), "adder")
            tasks = [mine.runtime.model("adder").fit([[1.0]]).id for _ in range(20)]
        print(*tasks)
        """
    )
    out, err = child.communicate(timeout=ENOUGH)
    assert "unfinished, and back in the queue" in err
    left = om.workflow.list_all("PENDING")
    assert left
    assert {task for task, _ in left} <= set(out.split())


def test_an_instance_says_where_it_is(home: Path) -> None:
    assert isinstance(default(), Instance)
    assert repr(default()) == f"<alula omegaml in {home}>"
    assert repr(default().runtime) == "<runtime of omegaml>"


def test_the_health_of_what_it_stands_on_is_told_part_by_part(tmp_path: Path) -> None:
    found = om.status()
    assert (found.ok, found.to_dict()) == (
        True,
        {"store": "ok", "artifacts": "ok", "executors": "ok", "queue": "ok"},
    )
    assert "tasks run in the process that submits them" in str(found)
    with pytest.warns(UserWarning, match="no living executor"):
        waiting = om.runtime.require("gpu").ping(wait=False)
    assert (om.status()["queue"], om.status().ok) == ("pending", True)
    assert "gpu" in om.status().parts[-1].detail
    waiting.revoke()
    with om.setup(home=str(tmp_path / "other")) as other:
        other.models.list()
        (tmp_path / "other" / "alula.db").rename(tmp_path / "gone")
        (tmp_path / "other" / "alula.db").mkdir()
        broken = other.status()
    assert (broken.ok, broken.to_dict()) == (False, {"store": "failed"})
    assert repr(broken) == "<health: store failed>"

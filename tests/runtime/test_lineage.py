"""What each task has read and written, to the version, and what came of what."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sqlalchemy import select

import alula as om
from alula.errors import InvalidNameError, NameNotFoundError, TaskNotFoundError
from alula.runtime import Version, default
from alula.runtime._lineage import STEPS, TOUCHED, _write
from tests.postgres import ON_BOTH
from tests.runtime.estimators import Mortal

pytestmark = pytest.mark.usefixtures("line")


def version(text: str) -> Version:
    """Read ``models/m v3``."""
    name, _, number = text.rpartition(" v")
    prefix, _, rest = name.partition("/")
    return Version(f"{prefix}/", rest, int(number), "omegaml")


@pytest.fixture
def trained() -> str:
    """Give the id of a task that has trained a model, which is deployed; two have predicted with it."""
    with om.runtime.experiment("myexp"):
        fit = om.runtime.model("mymodel").fit("data-X[x]", "data-Y")
        fit.get()
    om.datasets.put(pd.DataFrame({"x": [0.0]}), "data-X")  # another version, which nobody has used
    om.runtime.model("mymodel").deploy().get()
    om.runtime.model("mymodel").predict("new-X", rName="result").get()
    for _ in range(2):
        om.runtime.model("mymodel").predict("new-X").get()
    return fit.id


@ON_BOTH
def test_a_task_has_read_and_written_exact_versions(trained: str) -> None:
    step = om.runtime.lineage(task=trained)
    assert (step.action, step.kind, step.name, step.succeeded) == ("fit", "model", "mymodel", True)
    assert [str(each) for each in step.reads] == ["models/mymodel v1", "data/data-X v1", "data/data-Y v1"]
    assert [str(each) for each in step.writes] == ["models/mymodel v2"]
    assert (step.experiment, step.run) == ("myexp", 1)


@ON_BOTH
def test_an_attempt_whose_end_nobody_heard_of_is_replaced(trained: str) -> None:
    before = om.runtime.lineage(task=trained)
    with default().store.transaction() as connection:
        step = connection.execute(select(STEPS).where(STEPS.c.task == trained)).one()._asdict()
        rows = connection.execute(
            select(TOUCHED).where(TOUCHED.c.task == trained).order_by(TOUCHED.c.id)
        ).all()
        touched = [{name: value for name, value in row._asdict().items() if name != "id"} for row in rows]
        _write(step, touched, connection)
    assert om.runtime.lineage(task=trained) == before


def test_lineage_goes_both_ways(trained: str) -> None:
    lineage = om.runtime.lineage("mymodel@v2")
    assert {str(each) for each in lineage.upstream} == {
        "models/mymodel v1",
        "data/data-X v1",
        "data/data-Y v1",
    }
    assert {str(each) for each in lineage.downstream} == {"deployments/mymodel v2", "data/result v1"}
    assert lineage.runs == [("myexp", 1)]
    assert lineage.deployments == ["mymodel"]
    assert lineage.uses == {version("models/mymodel v2"): {"predict": 2}}
    whole = om.runtime.lineage("data/data-X@v1")
    assert version("deployments/mymodel v2") in whole.downstream
    assert om.runtime.lineage("data/data-X@v2").downstream == []
    assert [str(v) for v in om.runtime.lineage("data/data-X@v1", depth=1).downstream] == ["models/mymodel v2"]


def test_it_prints_as_a_tree_and_shows_as_a_picture(trained: str) -> None:
    lineage = om.runtime.lineage("mymodel")
    text = str(lineage)
    assert text.splitlines()[0] == "models/mymodel v2"
    assert f"├─ made by fit, run 1 of myexp, task {trained[:8]}, " in text
    for part in ("│  ├─ data/data-X v1", "deployments/mymodel v2", "└─ read by predict, 2 times"):
        assert part in text
    drawing = lineage._repr_svg_()
    assert drawing.startswith("<svg")
    for part in ("models/mymodel", "~fit~", "run 1 of myexp", "deployments/mymodel", "v2 · predict, 2 times"):
        assert part in drawing


@pytest.mark.parametrize(
    "name", ["mymodel", "models/mymodel", "mymodel@v2", "mymodel@best", "models/mymodel@v2"]
)
def test_names_are_those_that_people_write(trained: str, name: str) -> None:
    om.models.put(LinearRegression(), "other")
    fitted = om.models.get("mymodel", version=2)
    om.models.put(fitted, "mymodel", tag="best")
    lineage = om.runtime.lineage(name)
    assert (lineage.version.name, lineage.version.version) == ("mymodel", 2 if "v2" in name else 3)


def test_what_was_dropped_is_still_known(trained: str) -> None:
    om.models.drop("mymodel")
    assert version("data/data-X v1") in om.runtime.lineage("models/mymodel@v2").upstream


def test_what_there_is_not_is_refused_by_name(trained: str) -> None:
    for wrong in ("mymodl", "mymodel@v9", "mymodel@worst", "data/mymodel"):
        with pytest.raises(NameNotFoundError):
            om.runtime.lineage(wrong)
    with pytest.raises(NameNotFoundError, match="did you mean 'models/mymodel'"):
        om.runtime.lineage("models/mymodl")
    with pytest.raises(InvalidNameError, match="not of columns"):
        om.runtime.lineage("data-X[x]")
    with pytest.raises(TaskNotFoundError):
        om.runtime.lineage(task="none")
    with pytest.raises(TypeError, match="give one of them"):
        om.runtime.lineage("mymodel", task="none")  # type: ignore[call-overload]  # what is refused


def test_a_task_that_fails_has_read_but_leads_nowhere() -> None:
    result = om.runtime.model("mymodel").predict("data-X")  # which is not fitted
    result.get(propagate=False)
    step = om.runtime.lineage(task=result.id)
    assert not step.succeeded
    assert "data/data-X v1" in [str(each) for each in step.reads]
    assert om.runtime.lineage("data/data-X").after == ()
    assert om.runtime.lineage("data/data-X").uses == {}


def test_what_touches_no_object_leaves_nothing() -> None:
    answer = om.runtime.ping(wait=False)
    answer.get()
    with pytest.raises(TaskNotFoundError):
        om.runtime.lineage(task=answer.id)


def test_values_that_come_along_are_not_objects() -> None:
    om.models.put(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), "plain")
    result = om.runtime.model("plain").predict([[float(i)] for i in range(20_000)])
    result.get()
    assert [str(each) for each in om.runtime.lineage(task=result.id).reads] == ["models/plain v1"]


@pytest.mark.parametrize("error", [None, ValueError])
def test_an_attempt_that_died_or_failed_leaves_nothing_beside_the_one_that_did_not(
    tmp_path: Path, error: type[Exception] | None
) -> None:
    om.models.put(Mortal(tmp_path / "count", times=1, error=error), "mortal")
    ask = om.runtime.require(max_retries=1, retry_exceptions=True)
    result = ask.model("mortal").fit("data-X")
    result.get()
    step = om.runtime.lineage(task=result.id)
    assert [str(each) for each in step.writes] == ["models/mortal v2"]
    assert [str(each) for each in step.reads] == ["models/mortal v1", "data/data-X v1"]
    assert len(om.runtime.lineage("mortal").before) == 1


def test_a_worker_that_died_after_it_had_stored_is_no_gap(spawn: Callable[..., Any]) -> None:
    """The second attempt finds the version and writes down what its attributes tell."""
    from alula.runtime._lineage import _made

    fit = om.runtime.model("mymodel").fit("data-X[x]", "data-Y")
    touched = list(_made(fit.get()))
    assert [(each.mode, each.prefix, each.name, each.version) for each in touched] == [
        ("write", "models/", "mymodel", 2),
        ("read", "data/", "data-X", 1),
        ("read", "data/", "data-Y", 1),
    ]


def test_scripts_are_versions_too() -> None:
    om.scripts.put(_copy, "copy")
    result = om.runtime.script("copy").run("data-X")
    result.get()
    step = om.runtime.lineage(task=result.id)
    assert [str(each) for each in step.reads] == ["scripts/copy v1", "data/data-X v1"]
    assert [str(each) for each in step.writes] == ["data/copied v1"]
    assert "made by run copy" in str(om.runtime.lineage("data/copied"))


def _copy(om: Any, name: str) -> None:
    om.datasets.put(om.datasets.get(name), "copied")


def test_what_a_notebook_touches_in_its_kernel_counts_for_its_task() -> None:
    om.jobs.create(
        """
import alula as om
om.datasets.put(om.datasets.get("data-X"), "of-notebook")
om.datasets.get("of-notebook")
with om.runtime.experiment("other"):
    pass
om.runtime.experiment("myexp").log_metric("inside", 1)
om.logger.info("in the kernel")
""",
        "nb",
    )
    with om.runtime.experiment("myexp") as exp:
        result = om.runtime.job("nb").run()
        result.get()
    step = om.runtime.lineage(task=result.id)
    assert {str(each) for each in step.reads} == {"jobs/nb.ipynb v1", "data/data-X v1"}
    assert "data/of-notebook v1" in [str(each) for each in step.writes]
    assert "made by run nb" in str(om.runtime.lineage("data/of-notebook"))
    [row] = exp.data(key="inside", raw=True)
    assert (row["run"], row["taskid"]) == (1, result.id)
    assert [record.msg for record in result.logs()] == ["in the kernel"]

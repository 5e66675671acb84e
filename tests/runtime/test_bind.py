"""Actions as nodes: tasks of workflows of one's own."""

from typing import Any

import pytest
from sklearn.preprocessing import StandardScaler

import alula as om
from alula import workflow
from alula.errors import InvalidNameError, NameNotFoundError, UnsupportedError, WorkflowExecutionError
from tests.runtime.estimators import Adder

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def adder() -> Any:
    om.models.put(Adder(), "adder")
    return om.runtime.model("adder")


@om.remote
def gather(*values: Any) -> list[Any]:
    return list(values)


def test_an_action_is_a_task_of_the_workflow_that_it_stands_in(adder: Any) -> None:
    fitted = adder.bind("fit", [[1.0], [2.0]])
    metadata, seen = gather.bind(fitted, adder.bind("predict", [[0.0]], after=fitted)).run(workflow_id="w")
    assert (metadata.version, seen["total"]) == (2, 3.0)
    assert workflow.get_output("w", task_id="fit adder") == metadata
    assert workflow.get_metadata("w", "predict adder")["workflow_refs"] == ["fit adder"]


def test_the_values_of_other_nodes_are_data(adder: Any) -> None:
    rows = gather.bind([3.0], [4.0])
    assert adder.bind("fit", rows).run().attributes["dataset"]["Xname"] is None
    assert om.models.get("adder").total_ == 7.0


def test_the_dataset_that_another_node_has_made_is_data(adder: Any) -> None:
    om.models.put(StandardScaler().fit([[0.0], [2.0]]), "scaler")
    scaled = om.runtime.model("scaler").bind("transform", [[3.0]], rName="scaled")
    metadata = adder.bind("fit", scaled).run()
    assert metadata.attributes["dataset"]["Xname"] == "scaled"
    assert om.models.get("adder").total_ == 2.0


def test_a_workflow_that_goes_on_does_not_train_twice(adder: Any) -> None:
    fitted = adder.bind("partial_fit", [[1.0]])
    broken = adder.bind("predict", "rows", after=fitted)
    with pytest.raises(WorkflowExecutionError) as caught:
        broken.run(workflow_id="w")
    assert isinstance(caught.value.__cause__, NameNotFoundError)
    om.datasets.put([[1.0]], "rows")
    assert workflow.resume("w")["total"] == 1.0
    assert len(om.models.versions("adder")) == 2


def test_what_cannot_be_a_node_is_refused_at_once(adder: Any) -> None:
    with pytest.raises(ValueError, match="did you mean 'predict'"):
        adder.bind("predikt", [[1.0]])
    with pytest.raises(TypeError, match="invalid type"):
        adder.bind("fit", 5)
    with pytest.raises(InvalidNameError):
        adder.bind("predict", [[1.0]], rName="a[b]")
    with pytest.raises(UnsupportedError, match="a label"):
        om.runtime.require("gpu").model("adder").bind("fit", [[1.0]])

"""Data that come in chunks."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDRegressor
from sklearn.preprocessing import StandardScaler

import alula as om

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 50.0


@pytest.fixture
def rows() -> pd.DataFrame:
    x = np.arange(50.0)
    frame = pd.DataFrame({"x": x, "y": 3 * x + np.sin(x), "odd": np.arange(50) % 7 > 2})
    om.datasets.put(frame, "rows")
    return frame


def test_predictions_of_chunks_are_those_of_the_whole(rows: pd.DataFrame) -> None:
    om.models.put(LinearRegression().fit(rows[["x"]], rows["y"]), "line")
    model = om.runtime.model("line")
    whole = model.predict("rows[x]").get(ENOUGH)
    np.testing.assert_allclose(model.predict("rows[x]#iterchunks:chunksize=7").get(ENOUGH), whole)
    scaler = StandardScaler().set_output(transform="pandas").fit(rows[["x"]])
    om.models.put(scaler, "scaler")
    scaled = om.runtime.model("scaler").transform("rows[x]#iterchunks:chunksize=20").get(ENOUGH)
    assert len(scaled) == 50


def test_scores_of_chunks_are_those_of_the_whole(rows: pd.DataFrame) -> None:
    om.models.put(LinearRegression().fit(rows[["x"]], rows["y"]), "line")
    om.models.put(LogisticRegression().fit(rows[["x"]], rows["odd"]), "odd")
    for name, target in (("line", "y"), ("odd", "odd")):
        model = om.runtime.model(name)
        whole = model.score("rows[x]", f"rows[{target}]").get(ENOUGH)
        chunks = "#iterchunks:chunksize=9"
        assert model.score(f"rows[x]{chunks}", f"rows[{target}]{chunks}").get(ENOUGH) == pytest.approx(whole)
        assert model.score(f"rows[x]{chunks}", f"rows[{target}]").get(ENOUGH) == pytest.approx(whole)


def test_a_model_learns_chunk_by_chunk(rows: pd.DataFrame) -> None:
    om.models.put(SGDRegressor(random_state=0, eta0=1e-5), "steps")
    om.runtime.model("steps").partial_fit(
        "rows[x]#iterchunks:chunksize=10", "rows[y]#iterchunks:chunksize=10"
    ).get(ENOUGH)
    assert om.models.get("steps").t_ == 51  # one step for each row
    om.runtime.model("steps").partial_fit("rows[x]#iterchunks:chunksize=10", rows["y"]).get(ENOUGH)
    assert om.models.get("steps").t_ == 101


def test_as_many_rows_are_learned_from_as_there_are_targets(rows: pd.DataFrame) -> None:
    om.models.put(SGDRegressor(), "steps")
    with pytest.raises(ValueError, match="50 rows"):
        om.runtime.model("steps").partial_fit("rows[x]#", [1.0] * 60).get(ENOUGH)

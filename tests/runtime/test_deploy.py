"""Models on their way to tensor servers: what is deployed predicts as the estimator itself does."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import onnxruntime
import pytest
import redis
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import alula as om
from alula._core._settings import Settings
from alula.errors import DeployError, InvalidNameError, MissingExtraError, NameNotFoundError
from alula.objects import TOPIC, Catalogs, open_catalogs
from alula.runtime import default
from alula.runtime._inputs import as_rows
from alula.runtime._onnx import to_onnx
from alula.runtime._remote import store_model
from alula.server import Server, background
from tests.runtime.estimators import Adder

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 30.0

CLASSIFIERS = {
    "a pipeline": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=1000)),
    "a forest": RandomForestClassifier(20, random_state=0),
    "a network": make_pipeline(
        MinMaxScaler(), MLPClassifier((20,), solver="lbfgs", max_iter=300, random_state=0)
    ),
}


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    images, labels = load_digits(return_X_y=True)
    return images.astype("f4"), labels


@pytest.fixture
def catalogs(home: Path) -> Iterator[Catalogs]:
    with open_catalogs(Settings.load()) as catalogs:
        yield catalogs


def outputs(blob: bytes, rows: Any) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(blob, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    assert (given.name, given.type, given.shape[0]) == ("input", "tensor(float)", None)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": rows}), strict=True))


@pytest.mark.parametrize("estimator", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_deployed_classifier_agrees_with_scikit_learn(
    estimator: BaseEstimator, digits: tuple[Any, Any], catalogs: Catalogs
) -> None:
    images, labels = digits
    om.models.put(estimator, "digits")
    model = om.runtime.model("digits")
    model.fit(images[:1000], labels[:1000]).get(ENOUGH)
    deployment = model.deploy().get(ENOUGH)
    given = outputs(catalogs.deployments.blob(deployment), images[1000:])
    expected = om.models.get("digits").predict_proba(images[1000:])
    assert list(given) == ["label", "probabilities"]
    assert np.allclose(given["probabilities"], expected, atol=1e-5)
    first, second = np.sort(expected)[:, :-3:-1].T
    clear = first - second > 1e-5  # trees may be divided, and then rounding decides
    assert clear.mean() > 0.95
    assert np.array_equal(given["label"][clear], expected.argmax(axis=1)[clear])


@pytest.mark.parametrize(
    "estimator", [LinearRegression(), StandardScaler()], ids=["regressor", "transformer"]
)
def test_a_deployed_model_of_another_sort_agrees_too(estimator: Any, catalogs: Catalogs) -> None:
    rows = np.random.default_rng(0).random((20, 3)).astype("f4")
    om.models.put(estimator.fit(rows, rows.sum(axis=1)), "m")
    deployment = om.runtime.model("m").deploy().get(ENOUGH)
    [value] = outputs(catalogs.deployments.blob(deployment), rows).values()
    expected = estimator.predict(rows) if hasattr(estimator, "predict") else estimator.transform(rows)
    assert np.allclose(value.reshape(expected.shape), expected, atol=1e-5)


def test_a_deployment_has_the_name_and_the_version_of_its_model(catalogs: Catalogs) -> None:
    for slope in (1.0, 2.0):
        om.models.put(LinearRegression().fit([[0.0], [1.0]], [0.0, slope]), "line")
    latest = om.runtime.model("line").deploy().get(ENOUGH)
    assert (latest.key, latest.tag, latest.backend) == ("line", "2", "ONNX")
    earlier = om.runtime.model("line^").deploy("old").get(ENOUGH)
    assert (earlier.key, earlier.tag) == ("old", "1")
    assert om.runtime.model("line^").deploy().get(ENOUGH).key == "line"
    assert [(each.key, each.tag) for each in catalogs.deployments.list()] == [("line", "1"), ("old", "1")]


def test_servers_hear_of_a_deployment() -> None:
    heard = Event()
    stop = default().store.listen(TOPIC, heard.set)
    om.models.put(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), "line")
    om.runtime.model("line").deploy()
    assert heard.wait(ENOUGH)
    stop()


# ---------------------------------------------------------------------------------------- refusals


def test_a_model_that_is_not_fitted_is_not_deployed() -> None:
    om.models.put(LinearRegression(), "line")
    with pytest.raises(NotFittedError):
        om.runtime.model("line").deploy().get(ENOUGH)


@pytest.mark.parametrize(
    ("model", "kind", "why"),
    [
        (Adder().fit([[1.0]]), None, "ONNX has no form for it: .*Adder"),
        ({"no": "estimator"}, "python.model", "a dict is no scikit-learn estimator"),
    ],
    ids=["an estimator of one's own", "no estimator"],
)
def test_a_model_that_onnx_cannot_hold_is_refused_with_the_reason(
    model: object, kind: str | None, why: str, catalogs: Catalogs
) -> None:
    om.models.put(model, "m", kind=kind)
    with pytest.raises(DeployError, match=f"models/m cannot be deployed: {why}"):
        om.runtime.model("m").deploy().get(ENOUGH)
    assert catalogs.deployments.list() == []


def test_a_key_or_an_address_that_is_none_is_refused_at_the_call() -> None:
    om.models.put(LinearRegression(), "line")
    with pytest.raises(InvalidNameError):
        om.runtime.model("line").deploy("a*b")
    for url in ("localhost:6379", "http://localhost", "redis://", ""):
        with pytest.raises(ValueError, match="is no address such as 'redis://localhost:6379'"):
            om.runtime.model("line").deploy(server=url)


def test_what_is_not_installed_is_said_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alula\[lab\]'"):
        to_onnx(LinearRegression(), "line")
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alula\[serve\]'"):
        store_model("redis://localhost", "line", "1", b"")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'alula\[lab\]'"):
        as_rows({"x": [1]}, LinearRegression())


# ------------------------------------------------------------------------------ a server elsewhere


@pytest.fixture
def line() -> Any:
    """A model with a line learned: y = 2 x."""
    om.models.put(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), "line")
    return om.runtime.model("line")


def test_a_server_by_its_address_gets_the_model(line: Any, catalogs: Catalogs) -> None:
    with background(Server(port=0)) as server:
        deployment = line.deploy("double", server=f"redis://127.0.0.1:{server.port}").get(ENOUGH)
        assert (deployment.key, deployment.tag) == ("double", "1")
        with redis.Redis(port=server.port, protocol=2) as client:
            client.execute_command("AI.TENSORSET", "x", "FLOAT", 1, 1, "VALUES", 3)
            client.execute_command("AI.MODELEXECUTE", "double", "INPUTS", 1, "x", "OUTPUTS", 1, "y")
            [value] = client.execute_command("AI.TENSORGET", "y", "VALUES")
            line.undeploy("double", server=f"redis://127.0.0.1:{server.port}")
            assert not client.exists("double")
        with pytest.raises(DeployError, match="refused it: model key is empty"):
            line.undeploy("double", server=f"redis://127.0.0.1:{server.port}")
    assert float(value) == pytest.approx(6.0)
    assert catalogs.deployments.list() == []


def test_what_was_deployed_is_taken_away_again(line: Any, catalogs: Catalogs) -> None:
    line.deploy().get(ENOUGH)
    line.deploy("double").get(ENOUGH)
    line.undeploy("double")
    assert [deployment.key for deployment in catalogs.deployments.list()] == ["line"]
    line.undeploy()
    assert catalogs.deployments.list() == []
    with pytest.raises(NameNotFoundError, match="line"):
        line.undeploy()
    with pytest.raises(ValueError, match="is no address"):
        line.undeploy(server="localhost")


def test_a_server_that_is_not_there_is_named_without_its_password(line: Any) -> None:
    with pytest.raises(DeployError, match=r"the server at 127\.0\.0\.1:1 cannot be reached") as caught:
        line.deploy(server="redis://me:secret@127.0.0.1:1").get(ENOUGH)
    assert "secret" not in str(caught.value).split("Traceback")[0]


def test_a_server_that_knows_no_models_is_said_to_refuse(line: Any, plain_redis: str) -> None:
    with pytest.raises(DeployError, match="refused it: unknown command"):
        line.deploy(server=plain_redis).get(ENOUGH)


@pytest.fixture
def plain_redis(tmp_path: Path) -> Iterator[str]:
    """A real Redis, without the commands of tensor servers."""
    program = shutil.which("redis-server")
    if program is None:
        assert "CI" not in os.environ, "redis-server is not installed"
        pytest.skip("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("eady to accept connections" in line for line in process.stdout)
        yield f"redis://127.0.0.1:{port}"
        process.terminate()
        process.stdout.read()

from collections.abc import Callable
from threading import Event

import pytest

from alula.errors import InvalidNameError, NameNotFoundError
from alula.objects import TOPIC, Catalogs
from tests.postgres import ON_BOTH

pytestmark = ON_BOTH

Look = Callable[[], set[str]]


def test_a_deployment_is_listed_with_its_bytes(catalogs: Catalogs) -> None:
    made = catalogs.deployments.put("iris", b"onnx bytes", tag="3")
    [found] = catalogs.deployments.list()
    assert found == made
    assert (found.key, found.tag, found.backend, found.device) == ("iris", "3", "ONNX", "CPU")
    assert catalogs.deployments.blob(found) == b"onnx bytes"


def test_a_key_holds_one_model_and_the_old_bytes_go(catalogs: Catalogs, artifacts: Look) -> None:
    old = catalogs.deployments.put("iris", b"old", tag="1")
    new = catalogs.deployments.put("iris", b"new", tag="2")
    assert catalogs.deployments.list() == [new]
    assert artifacts() == {new.digest}
    assert old.digest != new.digest


def test_to_deploy_the_same_again_keeps_its_bytes(catalogs: Catalogs) -> None:
    catalogs.deployments.put("iris", b"same", tag="1")
    again = catalogs.deployments.put("iris", b"same", tag="2")
    assert catalogs.deployments.blob(again) == b"same"


def test_bytes_stay_while_a_deployment_reads_them(catalogs: Catalogs) -> None:
    catalogs.models.put(b"shared", "m", kind="python.model")
    made = catalogs.deployments.put("m", b"shared")
    catalogs.models.drop("m")
    assert catalogs.deployments.blob(made) == b"shared"


def test_each_change_rings(catalogs: Catalogs) -> None:
    heard = Event()
    stop = catalogs.store.listen(TOPIC, heard.set)
    catalogs.deployments.put("iris", b"model")
    assert heard.wait(150)
    heard.clear()
    catalogs.deployments.drop("iris")
    assert heard.wait(150)
    stop()


def test_dropping_takes_it_away_with_its_bytes(catalogs: Catalogs, artifacts: Look) -> None:
    catalogs.deployments.put("iris", b"model")
    catalogs.deployments.drop("iris")
    assert catalogs.deployments.list() == []
    assert artifacts() == set()


def test_an_unknown_key_is_named_with_those_that_exist(catalogs: Catalogs) -> None:
    catalogs.deployments.put("iris", b"model")
    with pytest.raises(NameNotFoundError, match="iriss does not exist; did you mean 'iris'"):
        catalogs.deployments.drop("iriss")


def test_a_key_without_a_name_is_refused(catalogs: Catalogs) -> None:
    with pytest.raises(InvalidNameError):
        catalogs.deployments.put("", b"model")

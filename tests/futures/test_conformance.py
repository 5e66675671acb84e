"""Every engine passes the suite that outsiders run on theirs."""

from collections.abc import Iterator

import pytest

import alula
from alula.futures import Engine, current
from alula.testing.conformance import EngineConformance


@pytest.fixture(scope="module", params=["embedded", "ray"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "ray":
        request.getfixturevalue("ray_is_installed")
    alula.init(engine=request.param, num_cpus=2)
    yield current()
    alula.shutdown()


class TestEngine(EngineConformance):
    pass

"""Every engine passes the suite that outsiders run on theirs."""

from collections.abc import Iterator

import cloudpickle
import pytest

import alula
from alula.futures import Engine, current
from alula.testing import conformance


@pytest.fixture(scope="module", params=["embedded", "ray"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine; on ours the functions of the suite travel whole, as those of a program do.

    Otherwise each worker loads pytest for them, which is most of the time. On Ray they travel by name.
    """
    if request.param == "ray":
        request.getfixturevalue("ray_is_installed")
        alula.init(engine="ray", num_cpus=2)
    else:
        cloudpickle.register_pickle_by_value(conformance)
        alula.init(num_cpus=2)
    yield current()
    alula.shutdown()
    if request.param == "embedded":
        cloudpickle.unregister_pickle_by_value(conformance)


class TestEngine(conformance.EngineConformance):
    pass

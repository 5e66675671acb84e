"""One Ray on this machine, for all that does not start one of its own."""

from collections.abc import Iterator

import pytest

import alula
from alula.futures import Engine, current


@pytest.fixture(scope="package")
def engine(ray_is_installed: None) -> Iterator[Engine]:
    alula.init(engine="ray", num_cpus=2)
    yield current()
    alula.shutdown()

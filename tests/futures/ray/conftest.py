"""A Ray on this machine, for the tests of a module that start none of their own."""

from collections.abc import Iterator

import pytest

import alula
from alula.futures import Engine, current


@pytest.fixture(scope="module")
def engine(ray_is_installed: None) -> Iterator[Engine]:
    alula.init(engine="ray", num_cpus=2)
    yield current()
    alula.shutdown()

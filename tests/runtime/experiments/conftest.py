"""An experiment in an empty store."""

import pytest

import alula as om
from alula.runtime import Experiment


@pytest.fixture
def exp(instance: None) -> Experiment:
    return om.runtime.experiment("myexp")

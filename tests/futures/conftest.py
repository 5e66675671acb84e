"""Ray is an extra: its tests are left out where it is missing, but not in continuous integration."""

import os
from importlib.util import find_spec

import pytest


@pytest.fixture(scope="session")
def ray_is_installed() -> None:
    if find_spec("ray") is None:
        if os.environ.get("CI"):
            pytest.fail("Ray is not installed, and CI is set: pip install 'alula[ray]'")
        pytest.skip("Ray is not installed")

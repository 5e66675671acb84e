"""Ray is an extra: its tests are left out where it is missing, but not in continuous integration."""

import os
from importlib.util import find_spec

import pytest

# Ray looks once in so many milliseconds for tasks to try again; a second would be most of the suite's time.
os.environ.setdefault("RAY_core_worker_internal_heartbeat_ms", "100")


@pytest.fixture(scope="session")
def ray_is_installed() -> None:
    if find_spec("ray") is None:
        if os.environ.get("CI"):
            pytest.fail("Ray is not installed, and CI is set: pip install 'alula[ray]'")
        pytest.skip("Ray is not installed")

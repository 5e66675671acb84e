"""Whoever asks for a public name may open what stands behind it: that ends with the module."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """Let go of the objects and the runtime by default, which are those of the home at that moment."""
    yield
    if (runtime := sys.modules.get("alula.runtime")) is not None:
        runtime.close_default()

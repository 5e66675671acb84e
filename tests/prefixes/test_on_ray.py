"""The same on Ray."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings

import alula
from alula.futures import Engine, current
from tests.prefixes.programs import Step
from tests.prefixes.strategies import programs
from tests.prefixes.test_prefixes import FIXED, LIMIT, LONG, SEEDS, Count, Proof, apart, on_sqlite

__all__ = ["apart"]


@pytest.fixture(scope="module")
def engine(ray_is_installed: None) -> Iterator[Engine]:
    alula.init(engine="ray", num_cpus=2)
    yield current()
    alula.shutdown()


@given(program=programs(), seed=SEEDS)
@settings(FIXED, max_examples=100 if LONG else 2)
@LIMIT
def test_after_each_commit_on_ray_as_well(count: Count, program: Step, seed: int) -> None:
    with on_sqlite() as recorder:
        Proof(recorder, program, Random(seed), count).whole(most=None if LONG else 5)

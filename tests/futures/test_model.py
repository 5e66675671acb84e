"""Random programs give what a model of ten lines says, on every engine, and none of them hangs."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

import alula
from tests.futures.model import Programs

# Programs start processes and wait for them: their time says nothing.
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("engine", "programs", "steps"), [("embedded", 40, 25), ("ray", 3, 12)])
def test_programs_give_what_the_model_says(
    engine: str, programs: int, steps: int, request: pytest.FixtureRequest
) -> None:
    if engine == "ray":
        request.getfixturevalue("ray_is_installed")
    alula.init(engine=engine, num_cpus=2)
    try:
        run_state_machine_as_test(
            Programs,
            settings=settings(
                max_examples=programs,
                stateful_step_count=steps,
                suppress_health_check=_SLOW,
                derandomize=True,
            ),
        )
    finally:
        alula.shutdown()

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.graph import Done, Failed, Grown, Outcome
from alula.testing._graphs import Program, Step, StepFailed, agree, draw, plain

ONE = Program((Step("a"),), (0,))
BAD = Program((Step("a", then="fail"),), (0,))


def grows(program: Program) -> int:
    """Count the steps that grow, however deep."""
    inner = [step.then for step in program.steps if isinstance(step.then, Program)]
    return len(inner) + sum(map(grows, inner))


@given(st.integers(0, 1 << 32))
def test_the_same_seed_draws_the_same_program(seed: int) -> None:
    assert draw(Random(seed)) == draw(Random(seed))


@given(st.randoms(use_true_random=True))
def test_what_is_not_wanted_is_not_drawn(random: Random) -> None:
    program = draw(random, size=5, growth=0, failures=False, outputs=1, effects=False)
    assert len(program.steps) <= 5
    assert (len(program.outputs), program.effects) == (1, ())
    assert grows(program) == 0
    assert plain(program).failed == set()


@given(st.randoms(use_true_random=True))
def test_every_step_of_a_program_has_a_value_or_failed_or_was_skipped(random: Random) -> None:
    program = draw(random)
    expected = plain(program)
    over = expected.values.keys() | expected.failed | expected.skipped
    assert {program.steps[i].name for i in program.needed} - over <= {
        step.name for step in program.steps if isinstance(step.then, Program)
    }
    assert not expected.values.keys() & (expected.failed | expected.skipped)


def test_a_run_that_gave_what_the_plain_loop_gives_agrees() -> None:
    agree(ONE, Done(plain(ONE).outputs))
    agree(BAD, Failed(StepFailed("a")))


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        (ONE, Done((1,))),
        (ONE, Failed(StepFailed("a"))),
        (ONE, Grown(ONE.graph())),
        (BAD, Done((None,))),
        (BAD, Failed(StepFailed("b"))),
        (BAD, Failed(ValueError("a"))),
    ],
)
def test_any_other_run_does_not(program: Program, outcome: Outcome) -> None:
    with pytest.raises(AssertionError, match="and a plain loop"):
        agree(program, outcome)

"""Workflows that tasks start and wait for."""

import alula
from alula import workflow
from alula.testing import Turnstile


def test_tasks_that_hold_every_core_can_wait_for_workflows(turnstile: Turnstile) -> None:
    @alula.remote
    def inner(number: int) -> int:
        return number + 1

    @alula.remote
    def outer(number: int) -> int:
        turnstile.wait()
        return int(workflow.run(inner.bind(number)))

    refs = [outer.remote(number) for number in range(2)]
    turnstile.arrived()
    turnstile.arrived()  # both cores are taken before either asks for more
    turnstile.let()
    assert alula.get(refs, timeout=150) == [1, 2]

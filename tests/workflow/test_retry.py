"""Retry policies: when another attempt is made, and what happens to one that takes too long."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Semaphore
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alula
from alula import workflow
from alula.errors import (
    TaskError,
    WorkerCrashedError,
    WorkflowCancellationError,
    WorkflowExecutionError,
    WorkflowTimeoutError,
)
from alula.graph import Graph
from alula.testing import Clock, Turnstile
from alula.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from alula.workflow import Executor
from alula.workflow._limits import GRACE
from alula.workflow._retry import LONGEST_DELAY, Retry, policy
from tests.workflow.bodies import OddError, Tally, add, die_first, fail_first, held

FINITE = st.floats(0, 1e9)


# ------------------------------------------------------------------------------------ the policy


@given(FINITE, st.floats(1, 1e9), FINITE, st.floats(0, 1), st.integers(1, 10**6))
def test_no_pause_is_longer_than_allowed_or_negative(
    delay: float, backoff: float, longest: float, jitter: float, attempts: int
) -> None:
    retry = Retry(-1, True, delay=delay, backoff=backoff, longest=longest, jitter=jitter)
    assert 0 <= retry.pause(attempts) <= longest


@given(st.floats(0.001, 10), st.floats(1, 3), st.integers(1, 8))
def test_each_pause_is_longer_by_the_factor(delay: float, backoff: float, attempts: int) -> None:
    retry = Retry(-1, True, delay=delay, backoff=backoff, longest=1e9)
    assert retry.pause(attempts) == pytest.approx(delay * backoff ** (attempts - 1))


@given(st.floats(0, 1))
def test_the_jitter_is_a_share_of_the_pause(jitter: float) -> None:
    pause = Retry(-1, True, delay=10, jitter=jitter).pause(1)
    assert 10 * (1 - jitter) - 1e-9 <= pause <= 10 * (1 + jitter) + 1e-9


def test_without_a_delay_nothing_is_waited_for() -> None:
    assert Retry(-1, True, jitter=1).pause(7) == 0


@given(st.integers(-1, 20), st.integers(1, 25), st.booleans())
def test_one_budget_counts_all_attempts(most: int, attempts: int, crash: bool) -> None:
    cause = ValueError()
    error = (
        WorkerCrashedError("f", 1, "died") if crash else TaskError.of(cause, task="f", remote_traceback="")
    )
    assert Retry(most, True).allows(error, attempts) == (most == -1 or attempts <= most)


def test_a_process_that_died_counts_whatever_errors_do() -> None:
    error = WorkerCrashedError("f", 1, "died")
    assert Retry(1, False).allows(error, 1)
    assert Retry(1, (KeyError,)).allows(error, 1)
    assert Retry(1, lambda _: False).allows(error, 1)


def test_what_a_task_says_wins_over_its_engine_options() -> None:
    assert policy({}, 3, False) == Retry(3, False)
    assert policy({"max_retries": 1, "retry_exceptions": [KeyError]}, 3, False) == Retry(1, (KeyError,))
    chosen = policy({"retry_delay": 1, "retry_max_delay": 9, "timeout": 2}, 3, True)
    assert chosen == Retry(3, True, delay=1, longest=9, timeout=2)
    assert (chosen.backoff, chosen.jitter) == (2, 0)
    assert Retry().longest == LONGEST_DELAY


# ------------------------------------------------------------------------------------ which errors


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"retry_delay": "1"}, TypeError),
        ({"retry_delay": True}, TypeError),
        ({"retry_delay": -1}, ValueError),
        ({"retry_delay": float("nan")}, ValueError),
        ({"retry_delay": float("inf")}, ValueError),
        ({"retry_backoff": 0.5}, ValueError),
        ({"retry_max_delay": -1}, ValueError),
        ({"retry_jitter": 1.5}, ValueError),
        ({"retry_exceptions": ValueError}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"timeout": "1"}, TypeError),
    ],
)
def test_a_wrong_policy_is_refused_where_it_is_written(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(given))):
        workflow.options(**given)


def test_ten_failures_pass_with_ten_retries(tally: Tally) -> None:
    node = fail_first.options(**workflow.options(max_retries=10)).bind(tally, 10)
    assert workflow.run(node) == 11


def test_eleven_failures_do_not(tally: Tally) -> None:
    node = fail_first.options(**workflow.options(max_retries=10)).bind(tally, 11)
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(node)
    assert isinstance(caught.value.__cause__, ValueError)
    assert tally.counts()["try"] == 11


def test_a_function_says_which_errors_count(tally: Tally) -> None:
    picky = workflow.options(max_retries=5, retry_exceptions=lambda error: "1" in str(error))
    with pytest.raises(WorkflowExecutionError, match="fail_first") as caught:
        workflow.run(fail_first.options(**picky).bind(tally, 3))
    assert "attempt 2" in str(caught.value.__cause__)


def test_a_function_that_fails_is_the_end(tally: Tally) -> None:
    def unsure(error: BaseException) -> bool:
        raise OddError(code=3)

    node = fail_first.options(**workflow.options(max_retries=5, retry_exceptions=unsure)).bind(tally, 1)
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(node)
    assert isinstance(caught.value.__cause__, OddError)


def test_a_function_is_stored_by_value_and_good_after_a_resume(tally: Tally, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    wanted = workflow.options(max_retries=4, retry_exceptions=lambda error: flag.exists())
    node = fail_first.options(**wanted).bind(tally, 3)
    with pytest.raises(WorkflowExecutionError):
        workflow.run(node, workflow_id="w")
    flag.touch()
    workflow.reset_default_executor()
    assert workflow.resume("w") == 4


def test_classes_and_strategies_can_be_submitted_and_recalled(tally: Tally) -> None:
    strategy = NodeAffinitySchedulingStrategy(node_id="0" * 56, soft=True)
    node = fail_first.options(
        scheduling_strategy=strategy, **workflow.options(max_retries=1, retry_exceptions=[KeyError, OddError])
    ).bind(tally, 2, KeyError)
    with pytest.raises(WorkflowExecutionError):
        workflow.run(node, workflow_id="w")
    workflow.reset_default_executor()
    assert workflow.resume("w") == 3


def test_a_link_in_place_asks_the_same_function(tally: Tally) -> None:
    here = workflow.options(
        allow_inplace=True, max_retries=9, retry_exceptions=lambda error: "3" not in str(error)
    )

    @alula.remote
    def first() -> Any:
        return fail_first.options(**here).bind(tally, 5)

    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(first.bind())
    assert "attempt 3" in str(caught.value.__cause__)


# ------------------------------------------------------------------------------------------- when


class _Waiting:
    """Tells when the executor's timers wait, and until when."""

    def __init__(self, executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times: list[float] = []
        self._set = Semaphore(0)
        timers = executor._runs._aside.timers
        before: Callable[..., Any] = timers.at

        def at(when: float, then: Callable[[], None]) -> Callable[[], None]:
            given: Callable[[], None] = before(when, then)
            self.times.append(when)
            self._set.release()
            return given

        monkeypatch.setattr(timers, "at", at)

    def next(self) -> float:
        assert self._set.acquire(timeout=60)
        return self.times[-1]


@pytest.fixture
def waiting(timed: Executor, monkeypatch: pytest.MonkeyPatch) -> _Waiting:
    return _Waiting(timed, monkeypatch)


def test_attempts_come_at_the_times_of_the_policy(
    timed: Executor, waiting: _Waiting, clock: Clock, tally: Tally
) -> None:
    wanted = workflow.options(max_retries=4, retry_delay=10, retry_backoff=3, retry_max_delay=50)
    handle = timed.submit(Graph.of(fail_first.options(**wanted).bind(tally, 4)))
    for attempt, pause in enumerate([10, 30, 50, 50], 1):
        assert waiting.next() - clock.time() == pause
        assert tally.counts()["try"] == attempt
        clock.advance(pause)
    assert handle.result() == 5


def test_between_attempts_no_worker_is_held(
    timed: Executor, waiting: _Waiting, clock: Clock, tally: Tally
) -> None:
    wanted = workflow.options(max_retries=1, retry_delay=10)
    slow = timed.submit(Graph.of(fail_first.options(num_cpus=2, **wanted).bind(tally, 1)))
    waiting.next()
    assert timed.submit(Graph.of(add.options(num_cpus=2).bind(1, 2))).result() == 3
    clock.advance(10)
    assert slow.result() == 2


def test_who_waits_for_an_attempt_can_be_cancelled(
    timed: Executor, waiting: _Waiting, clock: Clock, tally: Tally
) -> None:
    wanted = workflow.options(max_retries=1, retry_delay=10)
    handle = timed.submit(Graph.of(fail_first.options(**wanted).bind(tally, 1)), id="w")
    waiting.next()
    timed.cancel("w")
    with pytest.raises(WorkflowCancellationError):
        handle.result()
    timed._runs.await_end("w")
    clock.advance(100)
    assert tally.counts()["try"] == 1


def test_who_waits_for_an_attempt_is_resumed(
    timed: Executor, waiting: _Waiting, home: Path, tally: Tally
) -> None:
    wanted = workflow.options(max_retries=1, retry_delay=10)
    timed.submit(Graph.of(fail_first.options(**wanted).bind(tally, 1)), id="w")
    waiting.next()
    timed.close()
    assert workflow.resume("w") == 2


def test_a_link_in_place_waits_in_its_process(tally: Tally) -> None:
    @alula.remote
    def first() -> Any:
        here = workflow.options(allow_inplace=True, max_retries=2, retry_delay=0.01)
        return fail_first.options(**here).bind(tally, 2)

    assert workflow.run(first.bind()) == 3


# ------------------------------------------------------------------------------------------ limits


def test_an_attempt_that_takes_too_long_fails(turnstile: Turnstile) -> None:
    node = held.options(**workflow.options(timeout=0.1, max_retries=0)).bind(turnstile)
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(node, workflow_id="w")
    cause = caught.value.__cause__
    assert isinstance(cause, WorkflowTimeoutError)
    assert cause.seconds == 0.1
    assert "'tests.workflow.bodies.held'" in str(cause)


def exceed(waiting: _Waiting, clock: Clock, turnstile: Turnstile, seconds: float) -> None:
    """Let an attempt begin and take too long."""
    turnstile.arrived()
    for _ in range(2):  # by the first it is seen that it has begun
        waiting.next()
        clock.advance(seconds)
    assert waiting.next() == clock.time() + GRACE


def test_such_an_attempt_counts_like_any_other(
    timed: Executor, waiting: _Waiting, clock: Clock, turnstile: Turnstile, tally: Tally
) -> None:
    @alula.remote
    def slow_first() -> int:
        tally.mark("try")
        if tally.counts()["try"] < 3:
            turnstile.wait()
        return tally.counts()["try"]

    given = workflow.options(timeout=5, max_retries=2, retry_exceptions=False)
    handle = timed.submit(Graph.of(slow_first.options(**given).bind()))
    exceed(waiting, clock, turnstile, 5)
    exceed(waiting, clock, turnstile, 5)
    assert handle.result() == 3


def test_who_does_not_end_is_killed(
    timed: Executor, waiting: _Waiting, clock: Clock, turnstile: Turnstile, tally: Tally
) -> None:
    @alula.remote
    def stubborn() -> None:
        while True:
            try:
                turnstile.wait()
            except KeyboardInterrupt:
                tally.mark("no")

    node = stubborn.options(**workflow.options(timeout=5, max_retries=0)).bind()
    handle = timed.submit(Graph.of(node))
    exceed(waiting, clock, turnstile, 5)
    turnstile.arrived()  # it goes on
    clock.advance(GRACE)
    with pytest.raises(WorkflowExecutionError) as caught:
        handle.result()
    assert isinstance(caught.value.__cause__, WorkflowTimeoutError)
    assert tally.counts()["no"] == 1


def test_the_time_begins_with_the_body(
    timed: Executor, waiting: _Waiting, clock: Clock, turnstile: Turnstile
) -> None:
    first = timed.submit(Graph.of(held.options(num_cpus=2).bind(turnstile, "first")))
    turnstile.arrived()
    limited = add.options(num_cpus=2, **workflow.options(timeout=5, max_retries=0)).bind(1)
    second = timed.submit(Graph.of(limited))
    for _ in range(3):
        assert waiting.next() == clock.time() + 5
        clock.advance(5)
    turnstile.let()
    assert (first.result(), second.result()) == ("first", 1)


def test_a_task_in_time_is_let_be(tally: Tally) -> None:
    given = workflow.options(timeout=60)
    assert workflow.run(add.options(**given).bind(1, 2)) == 3
    loose = workflow.options(timeout=60, checkpoint=False)
    assert workflow.run(add.options(**loose).bind(add.options(**loose).bind(1), 2)) == 3


def test_a_task_with_a_limit_does_not_run_in_place() -> None:
    @alula.remote
    def pid() -> int:
        return os.getpid()

    @alula.remote
    def first() -> Any:
        given = workflow.options(allow_inplace=True, timeout=60, task_id="limited")
        return pid.options(**given).bind()

    workflow.run(first.bind(), workflow_id="w")
    given = workflow.options(allow_inplace=True, timeout=60)
    assert workflow.run(pid.options(**given).bind()) != os.getpid()
    assert not workflow.default_executor().records.is_inplace("w", "limited")


def test_the_limit_is_good_after_a_resume(turnstile: Turnstile, tally: Tally) -> None:
    @alula.remote
    def slow_later() -> None:
        tally.mark("try")
        if tally.counts()["try"] == 1:
            os._exit(1)
        turnstile.wait()

    node = slow_later.options(**workflow.options(timeout=0.1, max_retries=0)).bind()
    with pytest.raises(WorkflowExecutionError):
        workflow.run(node, workflow_id="w")
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.resume("w")
    assert isinstance(caught.value.__cause__, WorkflowTimeoutError)


def test_deaths_and_timeouts_share_the_budget(tally: Tally) -> None:
    given = workflow.options(timeout=60, max_retries=2, retry_exceptions=False)
    assert workflow.run(die_first.options(**given).bind(tally, 2)) == 3

"""An executor that recovers goes on with what others have left, whether they died or were closed."""

from typing import Any

import pytest
from sqlalchemy import select, update

from alula.errors import WorkflowExecutionError, WorkflowNotResumableError
from alula.graph import Graph, Node
from alula.testing import Turnstile, fail, faults
from alula.workflow import Executor
from alula.workflow._deaths import MOST_DEATHS
from alula.workflow._line import Limits
from alula.workflow._recovery import Recovery
from alula.workflow._tables import WORKFLOWS
from tests.conftest import Open
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, held, noted

HELD = held.options(num_cpus=0.1)


def leave(executor: Executor, turnstile: Turnstile, node: Node[Any], **given: Any) -> None:
    """Submit a workflow, and close its executor when it stands at the turnstile."""
    executor.submit(Graph.of(node), id="w", where="here", **given)
    turnstile.arrived()
    executor.close()


def change(where: Executor, /, **facts: Any) -> None:
    with where._store.transaction() as connection:
        connection.execute(update(WORKFLOWS).values(**facts))


def fact(executor: Executor, name: str) -> Any:
    with executor._store.reading() as connection:
        return connection.scalar(select(WORKFLOWS.c[name]))


def test_what_was_left_goes_on_when_it_is_opened(
    open_executor: Open, turnstile: Turnstile, tally: Tally
) -> None:
    leave(open_executor(), turnstile, HELD.bind(turnstile, noted.bind(tally, "first")))
    executor = open_executor(recover=True)
    assert executor.status("w") == "RUNNING"
    turnstile.let()
    assert executor.find("w").result() == 1
    assert tally.counts() == {"first": 1}


@ON_BOTH
def test_what_others_leave_later_goes_on_too(open_executor: Open, turnstile: Turnstile, tally: Tally) -> None:
    executor = open_executor(recover=True)
    leave(open_executor(), turnstile, HELD.bind(turnstile, noted.bind(tally, "first")))
    turnstile.arrived()  # it begins again, though nobody has asked for that
    turnstile.let()
    assert executor.find("w").result() == 1
    assert tally.counts() == {"first": 1}


def test_of_two_that_recover_one_takes_it(open_executor: Open, turnstile: Turnstile, tally: Tally) -> None:
    executors = [open_executor(recover=True) for _ in range(2)]
    first = open_executor()
    first.submit(Graph.of(noted.bind(tally, "last", HELD.bind(turnstile, 1))), id="w", where="here")
    turnstile.arrived()
    first.close()
    turnstile.arrived()
    turnstile.let()
    assert executors[0].find("w").result(150) == 2
    assert tally.counts() == {"last": 1}
    with pytest.raises(TimeoutError):
        turnstile.arrived(0)


def test_without_it_nothing_is_taken(open_executor: Open, turnstile: Turnstile) -> None:
    leave(open_executor(), turnstile, HELD.bind(turnstile))
    assert open_executor().status("w") == "RESUMABLE"


@pytest.mark.parametrize("facts", [{"labels": "gpu"}, {"python": "2.7"}, {"requeue": True}])
def test_what_is_for_others_is_left_to_them(
    open_executor: Open, turnstile: Turnstile, facts: dict[str, Any]
) -> None:
    leave(open_executor(), turnstile, HELD.bind(turnstile))
    change(open_executor(), **facts)
    assert open_executor(recover=True).status("w") == "RESUMABLE"


def test_limits_hold_for_what_is_recovered(open_executor: Open, turnstile: Turnstile) -> None:
    first = open_executor()
    for n in range(3):
        first.submit(Graph.of(HELD.bind(turnstile, n)), id=f"w{n}")
    for _ in range(3):
        turnstile.arrived()
    first.close()
    executor = open_executor(recover=True, limits=Limits(1, 0))
    assert [str(executor.status(f"w{n}")) for n in range(3)] == ["RUNNING", "PENDING", "PENDING"]
    turnstile.let()
    assert [executor.find(f"w{n}").result(150) for n in range(3)] == [0, 1, 2]


def test_what_could_not_be_taken_is_taken_the_next_time(open_executor: Open, turnstile: Turnstile) -> None:
    leave(open_executor(), turnstile, HELD.bind(turnstile, 5))
    x = open_executor()
    recovery = Recovery(x._store, x._executors, x.lease, x.vault, x._runs, x.engine)
    error = OSError("disk full")
    with faults({"store.before_commit": fail(error)}), pytest.raises(OSError, match="disk full"):
        recovery._look()
    assert x.status("w") == "RESUMABLE"
    recovery._look()
    turnstile.let()
    assert x.find("w").result(150) == 5


# --------------------------------------------------------------------------------------- deaths


def die(executor: Executor, deaths: int) -> None:
    """Let a workflow look as if its executor had died at work on it, after others."""
    change(executor, executor="dead", epoch=1, deaths=deaths)


@ON_BOTH
def test_deaths_are_counted_until_something_is_recorded(
    open_executor: Open, turnstile: Turnstile, tally: Tally
) -> None:
    inner = noted.bind(tally, "between", HELD.bind(turnstile, 1))
    leave(open_executor(), turnstile, HELD.bind(turnstile, inner))
    die(open_executor(), 4)
    second = open_executor(recover=True)
    assert fact(second, "deaths") == 5
    turnstile.arrived()
    turnstile.let(1)
    turnstile.arrived()
    second.close()
    die(open_executor(), 5)
    third = open_executor(recover=True)
    assert fact(third, "deaths") == 1
    turnstile.let()
    assert third.find("w").result(150) == 2
    assert tally.counts() == {"between": 1}


def test_what_is_closed_is_no_death(open_executor: Open, turnstile: Turnstile) -> None:
    leave(open_executor(), turnstile, HELD.bind(turnstile))
    for _ in range(MOST_DEATHS + 1):
        executor = open_executor(recover=True)
        turnstile.arrived()
        executor.close()
    assert open_executor().status("w") == "RESUMABLE"


def test_after_too_many_deaths_it_fails_and_may_be_resumed_all_the_same(
    open_executor: Open, turnstile: Turnstile
) -> None:
    leave(open_executor(), turnstile, add.bind(HELD.bind(turnstile, 5)))
    die(open_executor(), MOST_DEATHS - 1)
    executor = open_executor(recover=True)
    assert executor.status("w") == "FAILED"
    with pytest.raises(WorkflowExecutionError) as caught:
        executor.find("w").result()
    assert isinstance(caught.value.__cause__, WorkflowNotResumableError)
    assert f"{MOST_DEATHS} executors have died" in str(caught.value.__cause__)
    turnstile.let()
    assert executor.resume("w").result(150) == 5
    assert fact(executor, "deaths") == 0

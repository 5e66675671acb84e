"""Transactions: what a task writes to the store's database and its result are one commit."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, String, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import alula
from alula import workflow
from alula._core._gates import arm
from alula.errors import (
    TaskError,
    TransactionError,
    WorkerCrashedError,
    WorkflowError,
    WorkflowExecutionError,
)
from alula.testing import Turnstile
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, fail_unless, held

ADD = text("INSERT INTO entries (name) VALUES (:name)")


@pytest.fixture(autouse=True)
def entries(executor: None) -> Callable[[], list[str]]:
    """A table of the user's in the store; gives what is in it."""
    store = workflow.default_executor()._store
    with store.transaction() as connection:
        connection.execute(text("CREATE TABLE entries (name TEXT PRIMARY KEY)"))

    def read() -> list[str]:
        with store.reading() as connection:
            return sorted(connection.scalars(text("SELECT name FROM entries")))

    return read


Entries = Callable[[], list[str]]


@workflow.transaction
def enter(connection: Connection, name: str) -> str:
    connection.execute(ADD, {"name": name})
    return name.upper()


def cause(node: Any) -> BaseException:
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(node, workflow_id="w")
    assert caught.value.__cause__ is not None
    return caught.value.__cause__


# ------------------------------------------------------------------------------------------- commits


@ON_BOTH
def test_what_it_writes_is_there_with_its_result(entries: Entries) -> None:
    assert workflow.run(enter.bind("ada"), workflow_id="w") == "ADA"
    assert entries() == ["ada"]
    assert workflow.get_output("w") == "ADA"
    assert workflow.resume("w") == "ADA"
    assert entries() == ["ada"]


def test_it_reads_the_values_of_other_tasks_and_gives_its_own(entries: Entries) -> None:
    @alula.remote
    def name() -> str:
        return "ada"

    assert workflow.run(add.bind(1, length.bind(enter.bind(name.bind())))) == 4
    assert entries() == ["ada"]


@alula.remote
def length(value: str) -> int:
    return len(value)


@ON_BOTH
def test_many_at_once_all_commit(entries: Entries) -> None:
    refs = [workflow.run_async(enter.bind(f"n{n}")) for n in range(12)]
    assert alula.get(refs) == [f"N{n}" for n in range(12)]
    assert len(entries()) == 12


@ON_BOTH
def test_a_large_result_is_recorded_with_it(entries: Entries) -> None:
    @workflow.transaction
    def large(connection: Connection) -> bytes:
        connection.execute(ADD, {"name": "large"})
        return bytes(10**6)

    assert workflow.run(large.bind(), workflow_id="w") == bytes(10**6)
    workflow.reset_default_executor()
    assert workflow.get_output("w") == bytes(10**6)


@ON_BOTH
def test_it_may_go_on_with_other_tasks(entries: Entries, tmp_path: Path) -> None:
    @workflow.transaction
    def begin(connection: Connection, flag: Path) -> Any:
        connection.execute(ADD, {"name": "begun"})
        return workflow.continuation(fail_unless.bind(flag, add.bind(2, 3)))

    assert isinstance(cause(begin.bind(tmp_path / "flag")), TaskError)
    workflow.reset_default_executor()
    (tmp_path / "flag").touch()
    assert workflow.resume("w") == 5
    assert len(workflow.list_tasks("w")) == 3


class Base(DeclarativeBase):
    pass


class Entry(Base):
    __tablename__ = "entries"
    name: Mapped[str] = mapped_column(String, primary_key=True)


def test_a_session_of_the_orm_works(entries: Entries) -> None:
    @workflow.transaction
    def enter_it(connection: Connection) -> int:
        with Session(connection) as session:
            session.add(Entry(name="ada"))
            session.commit()
            return len(session.scalars(select(Entry)).all())

    assert workflow.run(enter_it.bind()) == 1
    assert entries() == ["ada"]


# ----------------------------------------------------------------------------------------- rollbacks


@ON_BOTH
def test_what_raises_is_undone_and_each_attempt_begins_anew(entries: Entries, tally: Tally) -> None:
    @workflow.transaction
    def enter_and_fail(connection: Connection, tally: Tally) -> int:
        connection.execute(ADD, {"name": "ada"})
        tally.mark("try")
        if tally.counts()["try"] < 3:
            raise ConnectionError("another try")
        return tally.counts()["try"]

    node = enter_and_fail.options(**workflow.options(max_retries=2)).bind(tally)
    # A third attempt may begin anew, if what others recorded meanwhile has crossed it.
    assert workflow.run(node) == tally.counts()["try"] >= 3
    assert entries() == ["ada"]
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(enter.bind("ada"))
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert entries() == ["ada"]


def test_a_caught_error_undoes_it_as_well(entries: Entries) -> None:
    @workflow.transaction
    def fail(connection: Connection) -> None:
        connection.execute(ADD, {"name": "ada"})
        raise KeyError("no")

    catching = workflow.options(catch_exceptions=True)
    value, error = cast("tuple[None, KeyError]", workflow.run(fail.options(**catching).bind()))
    assert value is None
    assert isinstance(error, KeyError)
    pair: Any = workflow.run(enter.options(**catching).bind("bob"))
    assert pair == ("BOB", None)
    assert entries() == ["bob"]


@ON_BOTH
def test_a_part_of_it_may_be_undone(entries: Entries) -> None:
    @workflow.transaction
    def partly(connection: Connection) -> None:
        connection.execute(ADD, {"name": "ada"})
        with connection.begin_nested() as part:
            connection.execute(ADD, {"name": "bob"})
            part.rollback()

    workflow.run(partly.bind())
    assert entries() == ["ada"]


def test_a_result_that_cannot_be_pickled_undoes_it(entries: Entries) -> None:
    @workflow.transaction
    def odd(connection: Connection) -> Any:
        connection.execute(ADD, {"name": "ada"})
        return connection

    assert isinstance(cause(odd.bind()), TypeError)
    assert entries() == []


@ON_BOTH
def test_it_may_not_end_itself(entries: Entries) -> None:
    @workflow.transaction
    def ends(connection: Connection) -> None:
        connection.execute(ADD, {"name": "ada"})
        connection.commit()

    error = cause(ends.bind())
    assert isinstance(error, TransactionError)
    assert "begin_nested" in str(error)
    assert entries() == []


@ON_BOTH
def test_a_wrong_statement_is_told_in_sqlalchemys_words(entries: Entries) -> None:
    @workflow.transaction
    def wrong(connection: Connection) -> None:
        connection.execute(text("SELECT * FROM nowhere"))

    assert isinstance(cause(wrong.bind()), OperationalError | ProgrammingError)
    assert workflow.get_status("w") == workflow.FAILED


def test_one_that_takes_too_long_is_ended(entries: Entries, turnstile: Turnstile, tally: Tally) -> None:
    @workflow.transaction
    def slow(connection: Connection, tally: Tally, turnstile: Turnstile) -> str:
        connection.execute(ADD, {"name": "ada"})
        tally.mark("try")
        if tally.counts()["try"] == 1:
            turnstile.wait()
        return "done"

    limited = slow.options(**workflow.options(timeout=0.3, max_retries=1))
    assert workflow.run(limited.bind(tally, turnstile), workflow_id="w") == "done"
    assert tally.counts() == {"try": 2}
    assert entries() == ["ada"]
    assert [task.attempts for task in workflow.list_tasks("w")] == [2]


# ------------------------------------------------------------------------------------------- crashes


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@ON_BOTH
@pytest.mark.parametrize(("gate", "runs"), [("store.lent", 2), ("store.committed", 1)])
def test_its_worker_may_die_around_the_commit(entries: Entries, tally: Tally, gate: str, runs: int) -> None:
    @workflow.transaction
    def mortal(connection: Connection, tally: Tally, gate: str) -> str:
        connection.execute(ADD, {"name": "ada"})
        tally.mark("run")
        if tally.counts()["run"] == 1:
            arm(gate, _die)
        return "done"

    assert workflow.run(mortal.bind(tally, gate)) == "done"
    assert tally.counts() == {"run": runs}
    assert entries() == ["ada"]


def test_a_committed_one_needs_no_attempts_any_more(entries: Entries) -> None:
    @workflow.transaction
    def mortal(connection: Connection) -> Any:
        connection.execute(ADD, {"name": "ada"})
        arm("store.committed", _die)
        return workflow.continuation(add.bind(1, 2))

    assert workflow.run(mortal.options(**workflow.options(max_retries=0)).bind()) == 3
    with pytest.raises(WorkflowExecutionError) as caught:
        workflow.run(dies.options(max_retries=0).bind())
    assert isinstance(caught.value.__cause__, WorkerCrashedError)
    assert entries() == ["ada"]


@workflow.transaction
def dies(connection: Connection) -> None:
    connection.execute(ADD, {"name": "bob"})
    _die()


@pytest.mark.parametrize("records", ["postgres"], indirect=True)
def test_who_has_lost_the_workflow_commits_nothing(entries: Entries, turnstile: Turnstile) -> None:
    # On a file nobody can take a workflow away while the transaction is open.
    @workflow.transaction
    def late(connection: Connection, turnstile: Turnstile) -> str:
        connection.execute(ADD, {"name": "ada"})
        with suppress(KeyboardInterrupt):
            turnstile.wait()
        return "done"

    ref = workflow.run_async(late.bind(turnstile), workflow_id="w")
    turnstile.arrived()
    workflow.cancel("w")
    with pytest.raises(WorkflowError, match="was cancelled"):
        alula.get(ref)
    turnstile.let()
    assert workflow.run(enter.bind("ada")) == "ADA"


# ------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("options", [{"checkpoint": False}, {"allow_inplace": True}])
def test_what_cannot_be_promised_is_refused_before_anything_is_stored(options: dict[str, bool]) -> None:
    node = enter.options(**workflow.options(**options)).bind("ada")
    with pytest.raises(ValueError, match=rf"enter is a transaction.*{next(iter(options))}"):
        workflow.run(node)
    assert workflow.list_all() == []


def test_one_that_an_unrecorded_task_returns_is_refused(entries: Entries) -> None:
    @alula.remote
    def begin() -> Any:
        return enter.bind("ada")

    error = cause(begin.options(**workflow.options(checkpoint=False)).bind())
    assert "a task with checkpoint=False has returned it" in str(error)
    assert entries() == []


def test_without_a_workflow_there_is_none(entries: Entries) -> None:
    for ref in (enter.remote("ada"), enter.bind("ada").execute()):
        with pytest.raises(WorkflowError, match=r"enter is a transaction: run it in a workflow"):
            alula.get(ref)
    assert entries() == []


def test_only_plain_functions_that_take_a_connection_can_be_one() -> None:
    async def asynchronous(connection: Connection) -> None: ...

    def generator(connection: Connection) -> Iterator[int]:
        yield 1

    def without() -> None: ...

    refused: list[tuple[Any, str]] = [
        (asynchronous, "is async def"),
        (generator, "yields"),
        (without, "takes no connection"),
        (add, "directly above a function"),
    ]
    for function, why in refused:
        with pytest.raises(TypeError, match=why):
            workflow.transaction(function)
    with pytest.raises(ValueError, match="isolation is one of"):
        workflow.transaction(isolation="none")  # type: ignore[call-overload]  # the point


def test_arguments_are_checked_without_the_connection() -> None:
    with pytest.raises(TypeError, match="enter"):
        enter.bind()
    with pytest.raises(TypeError, match="enter"):
        enter.bind("ada", "bob")


# -------------------------------------------------------------------------------------- with the rest


def test_what_it_tells_is_told_when_it_is_committed(entries: Entries) -> None:
    @workflow.transaction
    def tell(connection: Connection, fails: bool) -> None:
        workflow.set_event("name", "ada")
        if fails:
            raise KeyError("no")

    cause(tell.bind(True))
    with pytest.raises(WorkflowError):
        workflow.get_event("w", "name")
    workflow.run(tell.bind(False), workflow_id="v")
    assert workflow.get_event("v", "name") == "ada"


def test_a_fork_takes_its_result_and_not_its_effect(entries: Entries) -> None:
    workflow.run(length.bind(enter.bind("ada")), workflow_id="w")
    forked = workflow.fork("w", f"{__name__}.length")
    assert workflow.get_output(forked) == 3
    assert entries() == ["ada"]


def test_wait_hands_it_out_like_any_other(entries: Entries, turnstile: Turnstile) -> None:
    @alula.remote
    def first(split: Any) -> Any:
        return split[0][0]

    node = first.bind(workflow.wait([enter.bind("ada"), held.bind(turnstile)]))
    assert workflow.run(node) == "ADA"
    assert entries() == ["ada"]


@pytest.mark.parametrize("records", ["postgres"], indirect=True)
def test_two_that_cross_are_put_in_order(entries: Entries, turnstile: Turnstile, tally: Tally) -> None:
    """Each adds one to what it has read: of two that have read the same, one begins anew."""
    store = workflow.default_executor()._store
    with store.transaction() as connection:
        connection.execute(text("CREATE TABLE counters (n INTEGER)"))
        connection.execute(text("INSERT INTO counters VALUES (0)"))

    @workflow.transaction
    def count(connection: Connection, tally: Tally, turnstile: Turnstile) -> int:
        found = connection.scalars(text("SELECT n FROM counters")).one() + 1
        tally.mark("read")
        if tally.counts()["read"] <= 2:
            turnstile.wait()
        connection.execute(text("UPDATE counters SET n = :n"), {"n": found})
        return int(found)

    refs = [workflow.run_async(count.bind(tally, turnstile)) for _ in range(2)]
    turnstile.arrived()
    turnstile.arrived()
    turnstile.let()
    turnstile.let()
    assert sorted(alula.get(refs)) == [1, 2]
    assert tally.counts() == {"read": 3}

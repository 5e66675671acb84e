"""The database goes away in the middle of a run, or two executors want the same."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from sqlalchemy import Connection, text

from alula import remote, workflow
from alula.errors import FencedError, StoreUnavailableError
from alula.graph import Graph
from alula.store import Store, _postgres
from alula.testing import Turnstile, faults
from alula.workflow import Executor, _patience
from tests.conftest import Open
from tests.faults.races import race_for_ids
from tests.postgres import Postgres
from tests.workflow.bodies import Tally, held, noted
from tests.workflow.programs import SAMPLE, build, evaluate

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def records(postgres: Postgres) -> Iterator[str]:
    with postgres.database() as url:
        yield url


def restart(postgres: Postgres) -> None:
    postgres.stop()
    postgres.start()


# ------------------------------------------------------------------------------ a server that restarts


def test_a_run_goes_on_when_its_database_comes_back(
    open_executor: Open, postgres: Postgres, tally: Tally, turnstile: Turnstile
) -> None:
    node = noted.bind(tally, "last", held.bind(turnstile, 1), noted.bind(tally, "first", 1))
    handle = open_executor().submit(Graph.of(node), id="w")
    turnstile.arrived()
    restart(postgres)
    turnstile.let()
    assert handle.result(150) == 4
    assert tally.counts() == {"first": 1, "last": 1}


@pytest.mark.parametrize("gate", ["store.before_commit", "store.committed"])
def test_a_restart_around_any_commit_is_not_seen(
    open_executor: Open, postgres: Postgres, tally: Tally, gate: str
) -> None:
    executor = open_executor()
    moments = iter(range(100))

    def strike() -> None:
        if next(moments) in (2, 5):
            restart(postgres)

    with faults({gate: strike}):
        handle = executor.submit(Graph.of(build(tally, SAMPLE, {})), id="w")
        assert handle.result(150) == evaluate(SAMPLE)
    assert set(tally.counts().values()) == {1}


def test_what_a_server_that_stays_away_has_ended_is_resumed(
    open_executor: Open,
    postgres: Postgres,
    tally: Tally,
    turnstile: Turnstile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor = open_executor()
    node = noted.bind(tally, "last", held.bind(turnstile, 1), noted.bind(tally, "first", 1))
    handle = executor.submit(Graph.of(node), id="w")
    turnstile.arrived()
    while "first" not in tally.counts():
        pass
    monkeypatch.setattr(_postgres, "BUSY", 0.2)
    monkeypatch.setattr(_patience, "PATIENCE", 0.1)
    postgres.stop()
    try:
        turnstile.let()
        with pytest.raises(StoreUnavailableError, match=r"no server answers there.*resume\('w'\)"):
            handle.result(150)
    finally:
        postgres.start()
    assert executor.resume("w").result(150) == 4
    assert tally.counts()["last"] == 1


def test_a_server_that_is_away_for_longer_than_a_connection_waits_is_waited_for(
    open_executor: Open, postgres: Postgres, turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, refused = open_executor(), Event()
    handle = executor.submit(Graph.of(held.bind(turnstile, 1)), id="w")
    turnstile.arrived()
    monkeypatch.setattr(_postgres, "BUSY", 0.05)
    [run] = executor._runs._all()
    later = run._journal.later
    assert later is not None

    def noted(seconds: float, again: Callable[[], None]) -> object:
        refused.set()
        return later(seconds, again)

    run._journal.later = noted
    postgres.stop()
    turnstile.let()
    assert refused.wait(150)
    postgres.start()
    assert handle.result(150) == 1


# ----------------------------------------------------------------------------------- two that want one


def test_of_two_executors_that_race_for_an_id_one_wins(open_executor: Open, tally: Tally) -> None:
    race_for_ids([open_executor(), open_executor()], tally, 10)


RACE = """
import sys
from pathlib import Path
import alula
from alula._core._settings import Settings
from alula.graph import Graph
from alula.workflow import Executor, _patience
from tests.workflow.bodies import Tally, noted

alula.init(num_cpus=1)
with Executor.open(Settings.load(), claims=True) as executor:
    print("ready", flush=True)
    sys.stdin.readline()
    handles = []
    while claimed := executor.claim(3):
        handles += claimed
    for handle in handles:
        handle.result(150)
    print(len(handles), flush=True)
alula.shutdown()
"""


def test_processes_that_claim_at_once_run_each_workflow_once(open_executor: Open, tally: Tally) -> None:
    client = open_executor()
    for n in range(20):
        with pytest.warns(UserWarning, match="no living executor"):
            client.submit(Graph.of(noted.bind(tally, f"w{n}", 1)), where="queue")
    pipe = subprocess.PIPE
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE], stdin=pipe, stdout=pipe, text=True) for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    counts = [int(racer.communicate("\n", timeout=150)[0]) for racer in racers]
    assert sum(counts) == 20
    assert tally.counts() == {f"w{n}": 1 for n in range(20)}


def take_for_dead(executor: Executor, records: str) -> None:
    store = Store.open(records)
    expire = text("UPDATE executor_beats SET expires = 0 WHERE name = :name")
    with store.transaction() as connection:
        connection.execute(expire, {"name": executor.lease.name})
    store.close()


def test_who_was_taken_for_dead_can_write_nothing_more(
    open_executor: Open, records: str, turnstile: Turnstile, tally: Tally
) -> None:
    silent, heir = open_executor(), open_executor()
    handle = silent.submit(Graph.of(noted.bind(tally, "last", held.bind(turnstile, 5))), id="w")
    turnstile.arrived()
    take_for_dead(silent, records)
    assert heir.status("w") == "RESUMABLE"
    taken = heir.resume("w")
    turnstile.let()
    with pytest.raises(FencedError):
        handle.result(150)
    turnstile.let()
    assert taken.result(150) == 6
    assert tally.counts() == {"last": 1}


@remote(max_retries=0)
def failing_at_first(tally: Tally, turnstile: Turnstile) -> int:
    first = not tally.counts()
    tally.mark("ran")
    turnstile.wait()
    if first:
        raise ValueError("this one was taken for dead")
    return 6


def test_who_was_taken_for_dead_fails_nothing_that_is_another_s(
    open_executor: Open, records: str, turnstile: Turnstile, tally: Tally
) -> None:
    silent, heir = open_executor(), open_executor()
    handle = silent.submit(Graph.of(failing_at_first.bind(tally, turnstile)), id="w")
    turnstile.arrived()
    take_for_dead(silent, records)
    taken = heir.resume("w")
    turnstile.arrived()
    turnstile.let()
    with pytest.raises(FencedError):
        handle.result(150)
    assert taken.result(150) == 6


@workflow.transaction
def entered_late(connection: Connection, turnstile: Turnstile) -> str:
    connection.execute(text("INSERT INTO entries VALUES (1)"))
    turnstile.wait()
    return "done"


def test_who_was_taken_for_dead_commits_no_transaction(
    open_executor: Open, records: str, turnstile: Turnstile
) -> None:
    silent, heir = open_executor(), open_executor()
    store = Store.open(records)
    with store.transaction() as connection:
        connection.execute(text("CREATE TABLE entries (n INTEGER PRIMARY KEY)"))
    node = entered_late.options(**workflow.options(timeout=None)).bind(turnstile)
    handle = silent.submit(Graph.of(node), id="w")
    turnstile.arrived()
    take_for_dead(silent, records)
    taken = heir.resume("w")  # whose body waits for what the other has inserted and not committed
    turnstile.let()
    with pytest.raises(FencedError):
        handle.result(150)
    turnstile.let()
    assert taken.result(150) == "done"
    with store.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM entries")) == 1
    store.close()


def test_two_that_write_for_one_owner_come_one_after_the_other(
    open_executor: Open, records: str, turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = open_executor()
    handle = executor.submit(Graph.of(held.bind(turnstile, 5)), id="w")
    turnstile.arrived()
    monkeypatch.setattr(_postgres, "_SETTINGS", "SET lock_timeout = '50ms'")
    [run] = executor._runs._all()
    one, other = Store.open(records), Store.open(records)
    with (
        one.transaction(run._journal.owner),
        pytest.raises(StoreUnavailableError, match="another process has been writing"),
        other.transaction(run._journal.owner),
    ):
        pass
    one.close()
    other.close()
    turnstile.let()
    assert handle.result(150) == 5

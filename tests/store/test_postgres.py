"""What is Postgres' own: errors by name, a server that goes away and comes back, executors that expire."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Literal

import psycopg
import pytest
from sqlalchemy import Connection, select, text

from alula._core._gates import arm, disarm
from alula.errors import FencedError, StoreUnavailableError
from alula.store import Executors, Store, _beats, _postgres
from alula.store._notify import NotifyDoorbell
from tests.postgres import Postgres
from tests.store.numbers import NUMBERS, adding, kept

WAIT = 20.0


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture
def other(url: str) -> Iterator[Store]:
    """The same store, as another process would have it."""
    store = Store.open(url)
    yield store
    store.close()


@pytest.fixture
def gates() -> Iterator[None]:
    yield
    disarm()


def no_fence(connection: Connection) -> None:
    """Let everybody through."""


class Told:
    """What the callback of a post was told."""

    def __init__(self) -> None:
        self._done = Event()
        self._told: Any = None

    def __call__(self, value: Any, error: BaseException | None) -> None:
        self._told = error or value
        self._done.set()

    def wait(self) -> Any:
        assert self._done.wait(WAIT)
        return self._told


# ------------------------------------------------------------------------------------------- places


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_form_of_the_url_is_understood(url: str, scheme: str) -> None:
    store = Store.open(url.replace("postgresql", scheme, 1))
    again = Store.open(store.url)
    again.close()
    store.close()


def test_a_database_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(
        StoreUnavailableError, match=r"postgresql://alula@/nowhere .*no such database.*ALULA_STORE"
    ):
        Store.open(_elsewhere(url, "nowhere"))


def _elsewhere(url: str, database: str) -> str:
    start, _, query = url.partition("?")
    return f"{start.rpartition('/')[0]}/{database}?{query}"


def test_a_wrong_password_is_told_without_it(url: str, postgres: Postgres) -> None:
    postgres.execute("DROP ROLE IF EXISTS locked_out", "CREATE ROLE locked_out LOGIN PASSWORD 'right'")
    wrong = url.replace("alula@", "locked_out:sesame@", 1)
    with pytest.raises(StoreUnavailableError, match="correct user and password in ALULA_STORE") as caught:
        Store.open(wrong)
    assert "sesame" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_at_once() -> None:
    with pytest.raises(StoreUnavailableError, match=r"127.0.0.1:1/db .*no server answers there: start it"):
        Store.open("postgresql://me:secret@127.0.0.1:1/db")


def test_a_user_who_may_not_make_tables_is_told(url: str, postgres: Postgres) -> None:
    postgres.execute("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    with pytest.raises(StoreUnavailableError, match="grant it CREATE"):
        Store.open(url.replace("alula@", "guest@", 1))


def test_a_server_that_only_reads_says_so(url: str, store: Store) -> None:
    name = url.partition("?")[0].rpartition("/")[2]
    with store.transaction() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    with pytest.raises(StoreUnavailableError, match=r"read-only: name the primary"):
        Store.open(url)


@pytest.mark.parametrize(("durability", "found"), [("normal", "off"), ("full", "on")])
def test_full_durability_overrules_a_server_that_does_not_wait_for_its_disk(
    url: str, durability: Literal["normal", "full"], found: str
) -> None:
    lax = f"{url}&options=-csynchronous_commit%3Doff"
    store = Store.open(lax, durability=durability)
    with store.transaction() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == found
    store.close()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("the database system is starting up", "08000"),
        ("the database system is shutting down", "08000"),
        ('database "x" does not exist', "3D000"),
        ('too many connections for database "x"', "53300"),
        ('role "me" does not exist', "28"),
        ('permission denied for database "x"', "42501"),
    ],
)
def test_what_is_said_at_the_door_is_understood(said: str, code: str) -> None:
    """A server that starts or ends is waited for; all else is told at once."""
    refused = psycopg.OperationalError(f'connection failed: connection to "/tmp/x" failed: FATAL:  {said}')
    assert _postgres._code(refused) == code


# ------------------------------------------------------------------------------------ who may write


def test_writes_behind_fences_run_beside_each_other(numbers: Store, other: Store) -> None:
    inside, told = Event(), Told()

    def hold(connection: Connection) -> None:
        inside.set()
        assert told.wait() == 1  # the other one commits while this transaction is open

    held = Told()
    numbers.post(hold, held, fence=no_fence)
    assert inside.wait(WAIT)
    other.post(adding(1), told, fence=no_fence)
    assert held.wait() is None


def test_a_decision_waits_for_all_others(numbers: Store, other: Store) -> None:
    with ThreadPoolExecutor(1) as pool, numbers.transaction() as connection:
        adding(1)(connection)
        seen = pool.submit(lambda: _decide(other))
        assert not seen.done()
        connection.commit()
    assert seen.result(WAIT) == [1]


def _decide(store: Store) -> list[int]:
    with store.transaction() as connection:
        return list(connection.scalars(select(NUMBERS.c.n)))


# ------------------------------------------------------------------- a server that goes and comes back


def restart(postgres: Postgres) -> None:
    postgres.stop()
    postgres.start()


def test_who_comes_after_a_restart_notices_nothing(numbers: Store, postgres: Postgres) -> None:
    with numbers.transaction() as connection:
        adding(1)(connection)
    restart(postgres)
    assert kept(numbers) == [1]
    with numbers.transaction() as connection:
        adding(2)(connection)
    assert kept(numbers) == [1, 2]


def test_a_post_that_loses_its_connection_half_way_is_made_again(numbers: Store, postgres: Postgres) -> None:
    calls: list[int] = []

    def work(connection: Connection) -> int:
        adding(1)(connection)
        calls.append(1)
        if len(calls) == 1:
            restart(postgres)
        return adding(2)(connection)

    told = Told()
    numbers.post(work, told)
    assert told.wait() == 2
    assert len(calls) == 2
    assert kept(numbers) == [1, 2]


def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    numbers: Store, postgres: Postgres, gates: None
) -> None:
    """The gate stands behind the commit: an error there looks like one of the connection."""
    tries: list[int] = []

    def lose() -> None:
        if not tries:
            tries.append(1)
            restart(postgres)
            with pytest.raises(StoreUnavailableError) as lost, numbers.reading() as connection:
                connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            raise lost.value

    told = Told()
    arm("store.committed", lose)
    numbers.post(adding(1), told)
    assert told.wait() == 1
    assert kept(numbers) == [1]


def test_a_server_that_stays_away_is_told_by_name(
    numbers: Store, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgres, "BUSY", 0.3)
    postgres.stop()
    try:
        told = Told()
        numbers.post(adding(1), told)
        error = told.wait()
        assert isinstance(error, StoreUnavailableError)
        assert "no server answers there" in str(error)
        with pytest.raises(StoreUnavailableError), numbers.reading():
            pass
    finally:
        postgres.start()
    assert kept(numbers) == []


def test_a_listener_hears_again_after_a_restart(numbers: Store, other: Store, postgres: Postgres) -> None:
    heard = Event()
    numbers.listen("queue", heard.set)
    restart(postgres)
    assert heard.wait(WAIT)  # whatever was rung meanwhile
    heard.clear()
    other.ring("queue")
    assert heard.wait(WAIT)


def test_a_listener_may_end_in_the_moment_in_which_it_is_told_to(
    numbers: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers.listen("queue", lambda: None)
    assert isinstance(numbers._doorbell, NotifyDoorbell)
    listening = numbers._doorbell._listening
    assert listening is not None
    told = listening._stopped.set

    def end() -> None:
        told()
        listening._here.send(b"!")
        listening._thread.join()

    monkeypatch.setattr(listening._stopped, "set", end)
    numbers.close()


# --------------------------------------------------------------------------------------- executors


EXPIRE = "UPDATE executor_beats SET expires = 0"

REGISTER = """
executors = Executors(store)
lease = executors.register(["default"], name="worker")
say("registered")
sys.stdin.readline()
from alula.errors import FencedError
try:
    with store.transaction() as connection:
        executors.check(connection, lease)
    say("goes on")
except FencedError as error:
    say(error)
"""


def expire(store: Store) -> None:
    """Let the time pass that an executor has for a sign of life."""
    with store.transaction() as connection:
        connection.execute(text(EXPIRE))


def test_an_executor_that_is_silent_for_too_long_is_dead(store: Store, spawn: Callable[..., Any]) -> None:
    """It is stopped, and not killed: it comes back when another has its name, and is refused."""
    child = spawn(REGISTER)
    assert child.stdout.readline() == "registered\n"
    executors = Executors(store)
    os.kill(child.pid, signal.SIGSTOP)
    assert executors.is_alive("worker", 1)
    expire(store)
    assert not executors.is_alive("worker", 1)
    assert executors.register(["default"], name="worker").epoch == 2
    os.kill(child.pid, signal.SIGCONT)
    child.stdin.write("\n")
    child.stdin.flush()
    assert "executor 'worker' is no longer owned by epoch 1" in child.stdout.readline()


def test_an_executor_that_comes_back_in_time_goes_on(store: Store) -> None:
    executors = Executors(store)
    lease = executors.register(["default"])
    expire(store)
    assert not executors.is_alive(lease.name, 1)
    assert isinstance(store.locks, _beats.Beats)
    store.locks.beat()
    assert executors.is_alive(lease.name, 1)


def test_an_executor_whose_name_is_gone_says_so(
    store: Store, other: Store, caplog: pytest.LogCaptureFixture
) -> None:
    lease = Executors(store).register(["default"])
    expire(store)
    Executors(other).register(["default"], name=lease.name)
    assert isinstance(store.locks, _beats.Beats)
    with caplog.at_level(logging.ERROR, "alula.store"):
        store.locks.beat()
        store.locks.beat()
    assert caplog.text.count("another has its name") == 1


def test_signs_of_life_come_by_themselves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_beats, "_PERIOD", 0.01)
    beaten = Event()
    monkeypatch.setattr(_beats.Beats, "beat", lambda self: beaten.set())
    Executors(store).register(["default"])
    assert beaten.wait(WAIT)


def test_an_executor_of_another_machine_is_alive_until_it_expires(store: Store) -> None:
    executors = Executors(store)
    lease = executors.register(["default"])
    with store.transaction() as connection:
        connection.execute(text("UPDATE executor_beats SET process = 'boot/1/999999999/1'"))
    assert executors.is_alive(lease.name, 1)


def test_signs_of_life_wait_for_no_writer(store: Store, other: Store) -> None:
    Executors(store).register(["default"])
    assert isinstance(store.locks, _beats.Beats)
    with other.transaction():
        store.locks.beat()


def test_a_refused_lease_names_the_executor(store: Store, other: Store) -> None:
    executors = Executors(store)
    lease = executors.register(["default"])
    expire(store)
    Executors(other).register(["default"], name=lease.name)
    with pytest.raises(FencedError, match=lease.name), store.transaction() as connection:
        executors.check(connection, lease)


# ---------------------------------------------------------------------------------- the tests' server


def test_the_server_of_tests_ends_with_who_started_it() -> None:
    code = """
import os, signal
from tests.postgres import running
with running() as server:
    print(server.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, text=True, check=False
    )  # which returns when the last process that has this pipe is gone
    assert done.returncode == -signal.SIGKILL
    assert not Path(done.stdout.strip()).exists()

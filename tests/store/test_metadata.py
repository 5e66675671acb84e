import os
import resource
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import Connection, MetaData, func, select
from sqlalchemy.exc import IntegrityError

from alula.errors import FencedError, StoreUnavailableError
from alula.store import Store, _metadata, _postgres, _sqlite
from tests.store.conftest import ON_A_FILE
from tests.store.numbers import NUMBERS, TABLES, add, kept


def file_of(store: Store) -> Path:
    return Path(store.url.removeprefix("sqlite:///"))


def fence(connection: Connection) -> None:
    raise FencedError("workflow w", 3)


# --------------------------------------------------------------------------------- transactions


def test_a_transaction_keeps_all_or_nothing(numbers: Store) -> None:
    with numbers.transaction() as connection:
        add(connection, 1, 2)
    with pytest.raises(IntegrityError), numbers.transaction() as connection:
        add(connection, 3, 1)
    assert kept(numbers) == [1, 2]


def test_a_fence_is_asked_before_the_work(numbers: Store) -> None:
    with pytest.raises(FencedError, match=r"workflow w .* epoch 3"), numbers.transaction(fence):
        raise AssertionError("the work must not begin")


def test_a_reader_sees_one_state_while_others_write(numbers: Store) -> None:
    count = select(func.count()).select_from(NUMBERS)
    with numbers.reading() as reader:
        assert reader.scalar(count) == 0
        with numbers.transaction() as writer:
            add(writer, 1)
        assert reader.scalar(count) == 0
    assert kept(numbers) == [1]


def test_a_transaction_inside_a_transaction_is_refused_at_once(numbers: Store) -> None:
    inner = numbers.transaction()
    with numbers.transaction(), pytest.raises(RuntimeError, match="hand its connection on"), inner:
        pass


def test_a_thread_that_waits_too_long_for_another_is_told(
    numbers: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_metadata, "BUSY", 0.0)
    with numbers.transaction(), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(numbers.transaction().__enter__)
        with pytest.raises(StoreUnavailableError, match="another thread has been writing"):
            waiting.result()


def test_a_process_that_waits_too_long_for_another_is_told(
    numbers: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite, "BUSY", 0.05)
    monkeypatch.setattr(_postgres, "_SETTINGS", "SET lock_timeout = '50ms'")
    other = Store.open(numbers.url)
    with numbers.transaction() as connection:
        add(connection, 1)
        with (
            pytest.raises(StoreUnavailableError, match="another process has been writing"),
            other.transaction(),
        ):
            pass
    other.close()


def test_errors_about_the_data_stay_what_they_are(numbers: Store) -> None:
    with pytest.raises(IntegrityError), numbers.transaction() as connection:
        add(connection, 1, 1)


def test_many_processes_write_at_once_and_nothing_is_lost(numbers: Store, spawn: Callable[..., Any]) -> None:
    code = """
        for n in range(100):
            with store.transaction() as connection:
                connection.execute(insert(numbers).values(n=int(sys.argv[2]) + n))
    """
    children = [spawn(code, str(first)) for first in (0, 100, 200)]
    for child in children:
        assert child.communicate(timeout=150)[1] == ""
    assert kept(numbers) == list(range(300))


# --------------------------------------------------------------------------------------- crashes

WRITE = """
    die_at(sys.argv[3])
    with store.transaction() as connection:
        connection.execute(insert(numbers).values(n=int(sys.argv[2])))
    say("told")
"""


@pytest.mark.parametrize(("gate", "survives"), [("store.before_commit", []), ("store.committed", [7])])
def test_a_kill_loses_exactly_what_was_not_committed(
    numbers: Store, spawn: Callable[..., Any], gate: str, survives: list[int]
) -> None:
    child = spawn(WRITE, "7", gate)
    output, _ = child.communicate(timeout=150)
    assert (child.returncode, output) == (-signal.SIGKILL, "")
    assert kept(numbers) == survives
    with numbers.transaction() as connection:  # and its lock died with it
        add(connection, 8)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads
def test_the_child_of_a_fork_uses_connections_of_its_own(numbers: Store) -> None:
    with numbers.reading() as connection:
        connection.execute(select(NUMBERS)).all()
    child = os.fork()
    if not child:
        try:
            with numbers.transaction() as connection:
                add(connection, 1)
            numbers.post(lambda c: add(c, 2), lambda value, error: None)
            numbers.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with numbers.transaction() as connection:
        add(connection, 3)
    assert kept(numbers) == [1, 2, 3]


# ------------------------------------------------------------------------------------------ layers


def test_tables_are_made_once_and_stay(url: str) -> None:
    for _ in range(2):
        store = Store.open(url)
        store.ensure("test", 1, TABLES)
        with store.transaction() as connection:
            add(connection, len(kept(store)))
        store.close()
    store = Store.open(url)
    assert kept(store) == [0, 1]
    store.close()


def test_a_newer_layer_asks_for_an_upgrade(numbers: Store) -> None:
    numbers.ensure("other", 5, MetaData())
    with pytest.raises(StoreUnavailableError, match=r"newer Alula .* other \(format 5, .* 4\): upgrade"):
        numbers.ensure("other", 4, MetaData())


def test_an_older_layer_is_not_touched(numbers: Store) -> None:
    with pytest.raises(StoreUnavailableError, match="old format 1, and this Alula needs 2"):
        numbers.ensure("test", 2, TABLES)


# -------------------------------------------------------------------------------------- bad places


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError, match=r"file/home.*Not a directory"):
        Store.open(f"sqlite:///{tmp_path}/file/home/alula.db")


def test_a_read_only_place_says_so() -> None:
    with pytest.raises(StoreUnavailableError, match=r"/proc/alula.db .*ALULA_HOME"):
        Store.open("sqlite:////proc/alula.db")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("my notes\n" * 200)
    with pytest.raises(StoreUnavailableError, match=r"notes.txt .* not an SQLite database"):
        Store.open(f"sqlite:///{file}")
    assert file.read_text() == "my notes\n" * 200


@ON_A_FILE
def test_a_damaged_database_says_so(url: str, tmp_path: Path) -> None:
    Store.open(url).close()
    file = tmp_path / "home" / "alula.db"
    file.write_bytes(file.read_bytes()[:100] + b"x" * 8000)
    with pytest.raises(StoreUnavailableError, match=r"alula.db .* (damaged|not an SQLite)"):
        Store.open(url)


@ON_A_FILE
def test_a_full_disk_undoes_the_transaction_and_says_so(numbers: Store) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(StoreUnavailableError, match="full"), numbers.transaction() as connection:
            add(connection, *range(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with numbers.transaction() as connection:
        add(connection, 1)
    assert kept(numbers) == [1]


@pytest.mark.parametrize("place", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true"])
def test_a_store_in_memory_is_refused(place: str) -> None:
    with pytest.raises(StoreUnavailableError, match="must be a file"):
        Store.open(place)


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(StoreUnavailableError, match="no database URL"):
        Store.open("my folder")


def test_a_database_that_is_not_supported_is_refused_without_its_password() -> None:
    with pytest.raises(StoreUnavailableError, match="only sqlite: and postgresql: URLs") as caught:
        Store.open("mysql://me:secret@host/db")
    assert "secret" not in str(caught.value)


def test_a_relative_url_means_the_same_in_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open("sqlite:///alula.db")
    store.close()
    assert store.url == f"sqlite:///{tmp_path}/alula.db"


def test_a_closed_store_says_so(numbers: Store) -> None:
    numbers.close()
    with pytest.raises(StoreUnavailableError, match="closed"), numbers.reading():
        pass
    with pytest.raises(StoreUnavailableError, match="closed"):
        numbers.post(lambda connection: None, lambda value, error: None)


@ON_A_FILE
def test_a_store_that_was_deleted_says_so(numbers: Store) -> None:
    shutil.rmtree(file_of(numbers).parent)
    with pytest.raises(StoreUnavailableError, match=r"alula.db .* gone"), numbers.transaction():
        pass


@ON_A_FILE
def test_a_store_that_was_replaced_says_so(numbers: Store) -> None:
    copy = file_of(numbers).with_name("copy")
    shutil.copy(file_of(numbers), copy)
    copy.rename(file_of(numbers))
    with pytest.raises(StoreUnavailableError, match="replaced"), numbers.reading():
        pass


@ON_A_FILE
@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
def test_durability_sets_how_often_the_disk_is_forced(
    url: str, durability: Literal["normal", "full"], level: int
) -> None:
    store = Store.open(url, durability=durability)
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store.close()

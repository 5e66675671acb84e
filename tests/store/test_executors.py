import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

from alula.errors import ExecutorAliveError, StoreUnavailableError
from alula.store import Executors, Lease, Store
from tests.store.conftest import ON_A_FILE

HOST = socket.gethostname()

REGISTER = """
lease = Executors(store).register(["gpu", "cpu"], name=sys.argv[2] or None, claims=True)
say(lease.name, lease.epoch)
sys.stdin.read()
"""


@pytest.fixture
def executors(store: Store) -> Executors:
    return Executors(store)


def registered(child: Any) -> Lease:
    name, epoch = child.stdout.readline().split()
    return Lease(name, int(epoch), ("gpu", "cpu"))


def kill(child: Any) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait()


def test_an_executor_is_listed_with_all_that_is_known_of_it(
    executors: Executors, spawn: Callable[..., Any]
) -> None:
    child = spawn(REGISTER, "")
    lease = registered(child)
    [info] = executors.alive()
    assert (
        (info.name, info.epoch, info.labels)
        == (f"alula@{HOST}", 1, ("gpu", "cpu"))
        == (
            lease.name,
            lease.epoch,
            lease.labels,
        )
    )
    assert (info.claims, info.host, info.pid, info.alive) == (True, HOST, child.pid, True)


def test_death_by_sigkill_is_known_at_once(executors: Executors, spawn: Callable[..., Any]) -> None:
    child = spawn(REGISTER, "")
    lease = registered(child)
    assert executors.is_alive(lease.name, lease.epoch)
    kill(child)
    assert not executors.is_alive(lease.name, lease.epoch)
    assert executors.alive() == []
    assert [info.alive for info in executors.list()] == [False]


def test_the_next_holder_of_a_name_has_the_next_epoch(
    executors: Executors, spawn: Callable[..., Any]
) -> None:
    child = spawn(REGISTER, "worker")
    first = registered(child)
    kill(child)
    second = executors.register(["gpu"], name="worker")
    assert (first.epoch, second.epoch) == (1, 2)
    assert executors.is_alive("worker", 2)
    assert not executors.is_alive("worker", 1)


def test_default_names_are_numbered_and_the_first_dead_one_is_taken(executors: Executors) -> None:
    leases = [executors.register(["default"]) for _ in range(3)]
    assert [lease.name for lease in leases] == [f"alula@{HOST}", f"alula-2@{HOST}", f"alula-3@{HOST}"]
    executors.release(leases[1])
    assert executors.register(["default"]) == Lease(f"alula-2@{HOST}", 2, ("default",))


def test_the_name_of_a_living_executor_is_refused(executors: Executors, spawn: Callable[..., Any]) -> None:
    child = spawn(REGISTER, "worker")
    registered(child)
    with pytest.raises(ExecutorAliveError, match=rf"'worker' runs already \(process {child.pid} on {HOST}\)"):
        executors.register(["gpu"], name="worker")


def test_processes_that_register_at_once_get_different_names(
    executors: Executors, spawn: Callable[..., Any]
) -> None:
    children = [spawn(REGISTER, "") for _ in range(4)]
    names = {registered(child).name for child in children}
    assert len(names) == 4
    assert {info.name for info in executors.alive()} == names


def test_a_released_name_is_dead_and_to_release_again_is_harmless(executors: Executors) -> None:
    lease = executors.register(["default"])
    executors.release(lease)
    executors.release(lease)
    assert not executors.is_alive(lease.name, lease.epoch)
    assert executors.register(["default"]).epoch == 2


def test_a_death_between_lock_and_record_costs_nothing(
    executors: Executors, spawn: Callable[..., Any]
) -> None:
    child = spawn("die_at('store.before_commit')" + REGISTER, "worker")
    assert child.wait(150) == -signal.SIGKILL
    assert executors.list() == []
    assert executors.register(["gpu"], name="worker").epoch == 1


def test_a_registration_that_cannot_be_recorded_leaves_no_living_ghost(
    executors: Executors, store: Store
) -> None:
    with store.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE executors RENAME COLUMN pid TO process")
    with pytest.raises(Exception, match="pid"):
        executors.register(["gpu"], name="worker")
    assert not executors.is_alive("worker", 1)


@ON_A_FILE
def test_an_older_copy_of_the_database_does_not_give_an_epoch_twice(
    executors: Executors, store: Store
) -> None:
    executors.register(["gpu"], name="worker")
    with store.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM executors")
    with pytest.raises(StoreUnavailableError, match="older copy"):
        executors.register(["gpu"], name="worker")


def test_a_forked_child_does_not_keep_its_dead_parent_alive(
    executors: Executors, spawn: Callable[..., Any]
) -> None:
    child = spawn("""
        import os, signal
        lease = Executors(store).register(["gpu"], name="parent")
        if not os.fork():
            say("forked", os.getpid())
            signal.pause()
        signal.pause()
    """)
    _, grandchild = child.stdout.readline().split()
    assert executors.is_alive("parent", 1)
    kill(child)
    assert not executors.is_alive("parent", 1)
    os.kill(int(grandchild), signal.SIGKILL)


def test_a_name_may_hold_any_characters(executors: Executors) -> None:
    lease = executors.register(["gpu"], name="../lab 3/gpu")
    assert executors.is_alive(lease.name, 1)


@pytest.mark.parametrize("labels", [[], [""], ["a,b"]])
def test_labels_that_cannot_be_told_apart_are_refused(executors: Executors, labels: list[str]) -> None:
    with pytest.raises(ValueError, match="at least one label"):
        executors.register(labels)

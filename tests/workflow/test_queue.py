from pathlib import Path
from typing import Any

from sqlalchemy import select

from alula._core._settings import Settings
from alula.store import Lease, Store
from alula.workflow._deaths import MOST_DEATHS
from alula.workflow._queue import Look, look, reclaim
from alula.workflow._tables import WORKFLOWS
from alula.workflow._vault import Vault
from tests.postgres import ON_BOTH
from tests.workflow.rows import put_waiting

pytestmark = ON_BOTH


def put(store: Store, id_: str, **facts: Any) -> None:
    with store.transaction() as connection:
        put_waiting(connection, id_, **facts)


def seen(store: Store, labels: list[str], most: int = 10) -> Look:
    with store.reading() as connection:
        return look(connection, Lease("me", 1, tuple(labels)), lambda name, _: name == "alive", most, 5.0)


def ids(store: Store, labels: list[str], most: int = 10) -> list[str]:
    return [row.id for row in seen(store, labels, most).rows]


def statuses(store: Store) -> dict[str, str]:
    with store.reading() as connection:
        return {row.id: row.status for row in connection.execute(select(WORKFLOWS))}


def test_what_waits_is_given_in_order_if_the_labels_fit(store: Store) -> None:
    for id_, labels in (("a", "default"), ("b", "default,gpu"), ("c", "gpu"), ("d", "default")):
        put(store, id_, labels=labels)
    assert ids(store, ["default"]) == ["a", "d"]
    assert ids(store, ["gpu", "default"], most=3) == ["a", "b", "c"]


def test_what_another_python_stored_is_left_to_it(store: Store) -> None:
    put(store, "old", python="2.7")
    assert ids(store, ["default"]) == []


def test_what_has_an_owner_does_not_wait(store: Store) -> None:
    put(store, "owned", executor="e", epoch=1)
    put(store, "running", status="RUNNING", executor="e", epoch=1)
    assert ids(store, ["default"]) == []


def test_nothing_is_pressing_while_there_is_nothing_to_take(store: Store) -> None:
    assert seen(store, ["default"]) == Look([], False, None)
    put(store, "other", labels="gpu")
    put(store, "running", status="RUNNING", executor="alive", epoch=1)
    assert not seen(store, ["default"]).pressing
    put(store, "orphan", status="RUNNING", executor="dead", epoch=1)
    assert seen(store, ["default"]).pressing


def test_orphans_return_to_the_queue_if_they_came_from_there(store: Store, home: Path) -> None:
    put(store, "orphan", status="RUNNING", executor="dead", epoch=1)
    put(store, "client's", status="RUNNING", executor="dead", epoch=1, requeue=False)
    put(store, "running", status="RUNNING", executor="alive", epoch=1)
    with store.transaction() as connection:
        reclaim(connection, lambda name, _: name == "alive", Vault.of(Settings.load()), 5.0)
    assert statuses(store) == {"orphan": "PENDING", "client's": "RUNNING", "running": "RUNNING"}
    assert ids(store, ["default"]) == ["orphan"]


def test_what_has_outlived_too_many_executors_fails(store: Store, home: Path) -> None:
    put(store, "deadly", status="RUNNING", executor="dead", epoch=1, started=0.0, deaths=MOST_DEATHS - 1)
    with store.transaction() as connection:
        reclaim(connection, lambda *_: False, Vault.of(Settings.load()), 5.0)
    assert statuses(store) == {"deadly": "FAILED"}

"""What a workflow tells those outside: values under keys, the last of each."""

from sqlalchemy import Connection, delete, insert, select

from ..store import Store
from ._owner import Owner
from ._tables import EVENTS
from ._vault import Stored
from ._watch import TOPIC

__all__ = ["tell", "told", "write"]


def tell(store: Store, owner: Owner, key: str, value: Stored) -> None:
    """Write a value under a key, behind the fence of the workflow's owner, and wake those who ask for it."""
    with store.transaction(owner.afterwards) as connection:
        write(connection, owner, key, value, store.clock.time())
    store.ring(TOPIC)


def write(connection: Connection, owner: Owner, key: str, value: Stored, now: float) -> None:
    """Write a value under a key."""
    c = EVENTS.c
    row = {"workflow": owner.number, "key": key, "digest": value.digest, "value": value.data}
    connection.execute(delete(EVENTS).where(c.workflow == owner.number, c.key == key))
    connection.execute(insert(EVENTS), {**row, "set_at": now})


def told(connection: Connection, number: int, key: str) -> Stored | None:
    """Read what a workflow has told under a key, if anything."""
    c = EVENTS.c
    asked = select(c.digest, c.value).where(c.workflow == number, c.key == key)
    row = connection.execute(asked).one_or_none()
    return None if row is None else Stored(row.digest, row.value)

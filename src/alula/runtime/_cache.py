"""Results that were computed before: by the exact versions and arguments that they were computed from.

The key is made where the task runs, from what it has really read; so a version that comes between the call
and the run is never taken for another one. What is kept is the id of the task that has the value.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Column, MetaData, String, Table, delete, insert, select

from .._core._pickle import dump
from ..errors import AlulaError
from ..objects import Metadata
from ..store import Store
from ._inputs import Input

__all__ = ["Cache", "key_of"]

_METADATA = MetaData()
_CACHE = Table(
    "runtime_cache",
    _METADATA,
    Column("key", String(64), primary_key=True),
    Column("task", String(255), nullable=False),
)
_c: Final = _CACHE.c


class Cache:
    """Which task has computed what; safe to use from any thread and process."""

    def __init__(self, store: Store) -> None:
        store.ensure("cache", 1, _METADATA)
        self._store = store

    def take(self, key: str, task: str, read: Callable[[str], Any], compute: Callable[[], Any]) -> Any:
        """Give what another task has computed for a key, or compute it and note that this one has.

        Parameters
        ----------
        task
            The one that asks.
        read
            Gives the value of a task; raises if it has none, or none any more.
        """
        with self._store.reading() as connection:
            known = connection.scalar(select(_c.task).where(_c.key == key))
        if known is not None and known != task:
            try:
                value = read(known)
            except AlulaError:  # it was forgotten, or has not ended
                pass
            else:
                if not isinstance(value, BaseException):
                    return value
        value = compute()
        with self._store.transaction() as connection:
            connection.execute(delete(_CACHE).where(_c.key == key))
            connection.execute(insert(_CACHE).values(key=key, task=task))
        return value


def key_of(*parts: Any) -> str:
    """Make the key of a result from all that it depends on."""
    digest = sha256()
    for part in parts:
        pickled = dump(_told(part), "an argument")
        pieces: list[bytes | memoryview] = [pickled.body, *pickled.buffers]
        for piece in pieces:
            digest.update(len(piece).to_bytes(8))
            digest.update(piece)
    return digest.hexdigest()


def _told(part: Any) -> Any:
    """Give what stands for an object in a key: its exact version, rather than its value."""
    if isinstance(part, Metadata):
        return (part.bucket, part.prefix, part.name, part.created.isoformat(), part.version)
    if isinstance(part, Input) and part.metadata is not None:
        return (part.name, _told(part.metadata))
    return part.value if isinstance(part, Input) else part

"""Deployments: the models that tensor servers on this store are to load, and under which keys.

Only what is deployed is ever seen by a server. A change is a row and a ring of the doorbell; a server
looks into the rows when it starts and when it hears one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import insert, select

from ..errors import NameNotFoundError
from . import _rows as rows
from ._names import check_name
from ._shelf import Raw, Shelf

__all__ = ["TOPIC", "Deployment", "Deployments"]

TOPIC: Final = "deployments"
"""What is rung after each change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One model for servers to load.

    Attributes
    ----------
    key
        Of the model on the server.
    tag
        Which version it is, in the words of whoever deployed it.
    digest
        Of the sealed bytes; two deployments with the same digest are the same model.
    backend
        ``"ONNX"``.
    device
        Such as ``"CPU"`` or ``"GPU:0"``.
    created
        When it was deployed; UTC.
    """

    key: str
    tag: str
    digest: str
    backend: str
    device: str
    created: datetime


class Deployments:
    """The deployments of a store; safe to use from any thread and process."""

    def __init__(self, shelf: Shelf) -> None:
        shelf.store.ensure("objects", rows.VERSION, rows.TABLES)
        self._shelf, self._store = shelf, shelf.store

    def put(
        self, key: str, blob: bytes, *, tag: str = "", backend: str = "ONNX", device: str = "CPU"
    ) -> Deployment:
        """Deploy a model under a key, in place of the one that is there.

        Parameters
        ----------
        blob
            The model in the form that the backend loads.

        Raises
        ------
        InvalidNameError
            If the key is empty or has a character with a meaning.
        """
        check_name(key)
        sealed = self._shelf.lay(Raw((blob,)))
        row = {
            "key": key,
            "tag": tag,
            "digest": sealed.digest,
            "backend": backend,
            "device": device,
            "created": self._store.clock.time(),
        }
        with self._store.transaction() as connection:
            self._shelf.hold([sealed])
            rows.undeploy(connection, key)
            connection.execute(insert(rows.DEPLOYMENTS).values(row))
        self._changed()
        return _deployment(row)

    def list(self) -> list[Deployment]:
        """Give all deployments, by key."""
        with self._store.reading() as connection:
            found = connection.execute(select(rows.DEPLOYMENTS).order_by(rows.DEPLOYMENTS.c.key))
            return [_deployment(row._asdict()) for row in found]

    def blob(self, deployment: Deployment) -> bytes:
        """Give the bytes of a model.

        Raises
        ------
        ArtifactNotFoundError
            If it was replaced or dropped since it was listed: list again.
        SealError
            If the bytes are damaged, or were stored under another key.
        """
        return bytes(self._shelf.take(deployment.digest, f"deployment {deployment.key!r}"))

    def drop(self, key: str) -> None:
        """Take a model away from the servers.

        Raises
        ------
        NameNotFoundError
            If nothing is deployed under that key.
        """
        with self._store.transaction() as connection:
            found = rows.undeploy(connection, key)
        if not found:
            raise NameNotFoundError(key, [deployment.key for deployment in self.list()])
        self._changed()

    def _changed(self) -> None:
        self._store.ring(TOPIC)
        self._shelf.sweep()


def _deployment(facts: dict[str, Any]) -> Deployment:
    return Deployment(**{**facts, "created": datetime.fromtimestamp(facts["created"], UTC)})

"""Where objects lie: rows in a store, sealed bytes among artifacts, and the one rule between them.

A row only ever mentions bytes that are there. So bytes are written before the row that mentions them,
and removed after the last such row is gone, by whoever holds the store's write lock at that moment.
"""

from dataclasses import dataclass
from typing import Any

from .._core._seal import Chunk, Sealed, is_pickle, seal, sign, unseal, unsign
from ..store import Artifacts, Store
from . import _rows as rows

__all__ = ["Raw", "Shelf"]


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes to be kept as they are, rather than as a pickle.

    Attributes
    ----------
    chunks
        One after the other; nobody may write to them before they are kept.
    """

    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store and its artifacts, with the key that seals them.

    Attributes
    ----------
    store
        Keeps the rows.
    artifacts
        Keeps the bytes. Nobody else may keep anything there: what no row mentions is removed.
    key
        Seals and unseals.
    """

    store: Store
    artifacts: Artifacts
    key: bytes

    def lay(self, value: Any) -> Sealed:
        """Seal a value, or sign `Raw` bytes, and write it before a transaction that will mention it.

        Raises
        ------
        TypeError
            If it cannot be pickled; the message names the offending part.
        """
        raw = isinstance(value, Raw)
        sealed = sign(value.chunks, key=self.key) if raw else seal(value, key=self.key)
        self.artifacts.put(sealed)
        return sealed

    def hold(self, sealed: Sealed) -> None:
        """Make sure, inside the transaction that mentions the bytes, that nobody removed them since."""
        if not self.artifacts.exists(sealed.digest):
            self.artifacts.put(sealed)

    def take(self, digest: str, what: str) -> Any:
        """Give the value of some bytes; arrays in it are the caller's own and may be written to.

        Of what was `Raw` it gives the bytes themselves.

        Raises
        ------
        SealError
            If they are damaged, or were stored under another key.
        ArtifactNotFoundError
            If they are gone.
        """
        data = self.artifacts.get(digest, writable=True)
        if is_pickle(data, what):
            return unseal(data, key=self.key, what=what, writable=True)
        return unsign(data, key=self.key, what=what)

    def sweep(self) -> None:
        """Remove the bytes that no row mentions any more, also after a process died before it could."""
        with self.store.transaction() as connection:
            for digest, used in rows.orphans(connection):
                if not used:
                    self.artifacts.delete(digest)
                rows.forget_orphan(connection, digest)

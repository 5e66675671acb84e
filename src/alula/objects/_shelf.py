"""Where objects lie: rows in a store, signed bytes among artifacts, and the one rule between them.

A row only ever mentions bytes that are there. So bytes are written before the row that mentions them,
and removed after the last such row is gone, by whoever holds the store's write lock at that moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .._core._seal import Chunk, Sealed, is_pickle, reseal, seal, sign, unseal, unsign
from .._core._settings import Pickles
from ..errors import PickleRefusedError
from ..store import Artifacts, Store
from . import _rows as rows
from ._checked import Checked

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
    pickles
        Whether pickles are written and read.
    sources
        Where packages may come from.
    checked
        What was found whole, of bytes that are not hashed each time.
    """

    store: Store
    artifacts: Artifacts
    key: bytes
    pickles: Pickles = "trusted"
    sources: tuple[str, ...] = ()
    checked: Checked = field(default_factory=Checked)

    def lay(self, value: Any, what: str = "a value") -> Sealed:
        """Seal a value, or sign `Raw` bytes, and write it before a transaction that will mention it.

        Raises
        ------
        TypeError
            If it cannot be pickled; the message names the offending part.
        PickleRefusedError
            If it would be a pickle, and there are to be none.
        """
        if isinstance(value, Raw):
            sealed = sign(value.chunks, key=self.key)
        else:
            self._check(what)
            sealed = seal(value, key=self.key)
        self.artifacts.put(sealed)
        return sealed

    def hold(self, parts: Iterable[Sealed]) -> None:
        """Make sure, inside the transaction that mentions the bytes, that nobody removed them since."""
        for sealed in parts:
            if not self.artifacts.exists(sealed.digest):
                self.artifacts.put(sealed)

    def take(self, digest: str, what: str, *, check: bool = True) -> Any:
        """Give the value of some bytes; arrays in it are the caller's own and may be written to.

        Of what was `Raw` it gives the bytes themselves.

        Parameters
        ----------
        check
            False for `Raw` bytes whose format has checksums.

        Raises
        ------
        SealError
            If they are damaged, or were stored under another key.
        PickleRefusedError
            If they are a pickle, and there are to be none.
        ArtifactNotFoundError
            If they are gone.
        """
        data = self.artifacts.get(digest, writable=True)
        if is_pickle(data, what):
            self._check(what)
            return unseal(data, key=self.key, what=what, writable=True)
        return unsign(data, key=self.key, what=what, check=check)

    def sealed(self, digest: str, what: str) -> Sealed:
        """Give the bytes as they lie there, checked."""
        return reseal(self.artifacts.get(digest), key=self.key, new=self.key, what=what)

    def adopt(self, data: Chunk, key: bytes | None, what: str) -> Sealed:
        """Write bytes that were signed with another key, or with any if `key` is None, signed with this one.

        Raises
        ------
        SealError
            If they are damaged, or signed with another key than that.
        PickleRefusedError
            If they are a pickle, and there are to be none.
        """
        if is_pickle(data, what):
            self._check(what)
        sealed = reseal(data, key=key, new=self.key, what=what)
        self.artifacts.put(sealed)
        return sealed

    def discard(self, parts: Iterable[Sealed]) -> None:
        """Remove bytes that were laid for rows that are not to be, unless others mention them."""
        with self.store.transaction() as connection:
            rows.orphan(connection, [sealed.digest for sealed in parts])
        self.sweep()

    def sweep(self) -> None:
        """Remove the bytes that no row mentions any more, also after a process died before it could."""
        with self.store.transaction() as connection:
            for digest, used in rows.orphans(connection):
                if not used:
                    self.artifacts.delete(digest)
                rows.forget_orphan(connection, digest)

    def sweep_unmentioned(self, before: float) -> int:
        """Remove bytes that no row has mentioned and that were put before a time; give how many."""
        found = 0
        for digest in self.artifacts.list(before):
            with self.store.transaction() as connection:
                if not rows.is_read(connection, digest):
                    found += self.artifacts.delete_old(digest, before)
        return found

    def _check(self, what: str) -> None:
        if self.pickles == "none":
            raise PickleRefusedError(what)

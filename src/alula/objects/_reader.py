"""Reading versions: the bytes of what was found, and what its kind makes of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from .._core._seal import Sealed
from ..errors import ArtifactNotFoundError, InvalidNameError, StoreError
from ._kinds import KINDS, Ask, Kind
from ._lookup import Found, Lookup
from ._names import Reference
from ._observing import tell
from ._shelf import Shelf

__all__ = ["Reader"]

T = TypeVar("T")


class Reader:
    """What reads the objects of one prefix in one bucket."""

    def __init__(self, shelf: Shelf, lookup: Lookup, prefix: str) -> None:
        self._shelf, self._lookup, self._prefix = shelf, lookup, prefix

    def read(self, reference: Reference, found: Found, ask: Ask) -> Any:
        """Give what a name stands for, or the part of it that is asked for; `Catalog.get` says its errors."""

        def value(kind: Kind, parts: list[Any], ask: Ask) -> Any:
            if reference.chunksize is None:
                return kind.load(parts, ask)
            return _chunked(kind, reference)(parts, ask, reference.chunksize)

        return self._retried(reference, found, lambda at: self._given(reference, at, ask, value))

    def sealed(self, reference: Reference, found: Found) -> list[Sealed]:
        """Give the bytes as they lie there, each part checked."""
        where = self._prefix + reference.name

        def taken(at: Found) -> list[Sealed]:
            return [self._shelf.sealed(digest, where) for digest in at.digests]

        return self._retried(reference, found, taken)

    def _retried(self, reference: Reference, found: Found, work: Callable[[Found], T]) -> T:
        while True:
            try:
                return work(found)
            except ArtifactNotFoundError:
                # Another process replaced the object between our look at the rows and at the bytes.
                again = self._lookup.found(reference)
                if again.digests == found.digests:
                    raise
                found = again

    def _given(self, reference: Reference, found: Found, ask: Ask, value: Callable[..., Any]) -> Any:
        where, metadata = self._prefix + reference.name, found.metadata
        kinds = KINDS[self._prefix]
        if metadata.kind not in kinds:
            raise StoreError(
                f"{where} is kept as {metadata.kind!r}, which this Alula cannot read: upgrade alula"
            )
        if not found.digests:
            raise StoreError(f"{where} has no value: only its metadata were saved")
        kind = kinds[metadata.kind]
        columns = self._lookup.columns(reference, found) or ask.columns
        kind.ready()
        tell("read", metadata)
        parts = [self._shelf.take(digest, where, check=not kind.checks_itself) for digest in found.digests]
        whole = replace(
            ask,
            facts=metadata.kind_meta,
            columns=columns,
            rows=reference.rows or ask.rows,
            digests=found.digests,
            checked=self._shelf.checked,
        )
        return value(kind, parts, whole)


def _chunked(kind: Kind, reference: Reference) -> Callable[..., Any]:
    chunks: Callable[..., Any] | None = getattr(kind, "chunks", None)
    if chunks is None:
        raise InvalidNameError(reference.text, f"a {kind.name} cannot be read in chunks")
    return chunks

"""What is known of objects by name, without reading them."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, overload

from .._core._html import Listing, grid
from ..errors import InvalidNameError, NameNotFoundError
from . import _rows as rows
from ._kinds import KINDS, STORES
from ._lookup import Lookup, name_filter
from ._metadata import Metadata
from ._shelf import Shelf

__all__ = ["Browser"]

Names: TypeAlias = list[str]  # inside the class `list` is the method
Metadatas: TypeAlias = list[Metadata]

_SHOWN: Final = 20  # objects in the table of a notebook


class Browser:
    """The objects of one prefix in one bucket, as one who looks for them sees them."""

    suffix = ""
    """What every name ends with; one that is written without it means the same object."""

    def __init__(self, shelf: Shelf, *, prefix: str, bucket: str) -> None:
        shelf.store.ensure("objects", rows.VERSION, rows.TABLES)
        shelf.store.ensure("object_counters", rows.VERSION, rows.TABLES)
        self.prefix, self.bucket = prefix, bucket
        self._kinds = KINDS[prefix]
        self._shelf, self._store = shelf, shelf.store
        self._lookup = Lookup(shelf.store, bucket, prefix, self.suffix)

    def resolve(self, name: str) -> Metadata:
        """Give the metadata of what a name points to now, without reading the object.

        Raises
        ------
        NameNotFoundError
            If there is no such object, version, tag or column.
        InvalidNameError
            If the name is wrongly written, or asks for columns of what has none.
        """
        reference = self._lookup.parse(name)
        found = self._lookup.found(reference)
        self._lookup.columns(reference, found)
        return found.metadata

    def metadata(self, name: str, raw: bool = False) -> Metadata | None:
        """Give what is known of an object or one version of it; None if there is none of that name.

        Parameters
        ----------
        raw
            Only of the version itself; else a model's ``attributes["versions"]`` tell of all.
        """
        found = self._lookup.find(self._lookup.parse(name))
        return None if found is None else found.metadata

    def versions(self, name: str, *, last: int | None = None) -> list[Metadata]:
        """Give the versions of an object, the oldest first.

        Parameters
        ----------
        last
            How many of the newest; all by default.

        Raises
        ------
        NameNotFoundError
            If there is none of that name.
        """
        name = self._lookup.full(name)
        with self._store.reading() as connection:
            latest = self._lookup.latest(connection, name)
            if latest is not None:
                found, tags = (
                    rows.versions(connection, latest.object, last),
                    rows.tags(connection, latest.object),
                )
                return Listing((self._lookup.describe(connection, row, tags) for row in found), _table)
        raise self._lookup.missing(name)

    def exists(self, name: str, hidden: bool = False) -> bool:
        """Tell whether `resolve` would find something.

        Parameters
        ----------
        hidden
            For programs written for omega-ml; a name that begins with ``.`` is found without it.
        """
        try:
            self.resolve(name)
        except NameNotFoundError:
            return False
        return True

    def summary(self, name: str) -> dict[str, Any]:
        """Describe an object: kind, size in bytes, rows and columns, dates (ISO, UTC), versions and tags.

        Raises
        ------
        NameNotFoundError
            If there is none of that name.
        """
        metadata = self.resolve(name)
        versions = self.versions(metadata.name)
        facts = {key: metadata.kind_meta[key] for key in ("rows", "columns") if key in metadata.kind_meta}
        return {
            "name": metadata.name,
            "kind": metadata.kind,
            "size": metadata.size,
            **facts,
            "created": metadata.created.isoformat(),
            "modified": metadata.modified.isoformat(),
            "version": metadata.version,
            "versions": [each.version for each in versions],
            "tags": {tag: each.version for each in versions for tag in each.tags},
            "docs": metadata.attributes.get("docs"),
        }

    def stats(self) -> dict[str, Any]:
        """Count what is listed: objects, bytes of their latest versions, and both by kind."""
        kinds: dict[str, dict[str, int]] = {}
        for metadata in self.list(raw=True):
            kind = kinds.setdefault(metadata.kind, {"count": 0, "size": 0})
            kind["count"] += 1
            kind["size"] += metadata.size
        count, size = (sum(kind[key] for kind in kinds.values()) for key in ("count", "size"))
        return {
            "store": STORES[self.prefix],
            "bucket": self.bucket,
            "count": count,
            "size": size,
            "kinds": kinds,
        }

    def dbstats(self) -> dict[str, Any]:
        """Count what the whole store holds, of all buckets: objects, versions, bytes of the latest ones."""
        with self._store.reading() as connection:
            return rows.totals(connection)

    def help(self, name_or_obj: Any = None) -> str:
        """Give the text or address in ``attributes["docs"]`` of an object, or what its kind is.

        Parameters
        ----------
        name_or_obj
            A name; the name of a kind; or a value, for the kind that would keep it. None for all kinds.

        Raises
        ------
        NameNotFoundError
            If it is a text, and neither a kind nor a name.
        """
        if isinstance(name_or_obj, str) and name_or_obj not in self._kinds:
            metadata = self.resolve(name_or_obj)
            docs = metadata.attributes.get("docs")
            return str(docs) if docs else self._described(metadata.kind)
        if isinstance(name_or_obj, str):
            return self._described(name_or_obj)
        fits = [
            name
            for name, kind in self._kinds.items()
            if name_or_obj is None or (not kind.on_request and kind.accepts(name_or_obj))
        ]
        return "\n\n".join(map(self._described, fits)) or f"{STORES[self.prefix]} keep nothing like that"

    @overload
    def list(
        self,
        pattern: str | None = ...,
        regexp: str | None = ...,
        kind: str | None = ...,
        raw: Literal[False] = ...,
        hidden: bool | None = ...,
        include_temp: bool = ...,
        filter: Mapping[str, Any] | None = ...,
    ) -> Names: ...

    @overload
    def list(
        self,
        pattern: str | None = ...,
        regexp: str | None = ...,
        kind: str | None = ...,
        *,
        raw: Literal[True],
        hidden: bool | None = ...,
        include_temp: bool = ...,
        filter: Mapping[str, Any] | None = ...,
    ) -> Metadatas: ...

    def list(
        self,
        pattern: str | None = None,
        regexp: str | None = None,
        kind: str | None = None,
        raw: bool = False,
        hidden: bool | None = None,
        include_temp: bool = False,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # the name that programs for omega-ml use
    ) -> Names | Metadatas:
        """Give the names of the objects, in order.

        Parameters
        ----------
        pattern
            As in a shell: ``iris*``.
        regexp
            Found anywhere in the name.
        kind
            Only of this kind.
        raw
            Give metadata rather than names.
        hidden
            Whether to list names that begin with ``.``; None if the pattern does.
        include_temp
            Whether to list temporary names; also if the pattern begins with ``_``.
        filter
            Only those whose attributes have these values.

        Raises
        ------
        ValueError
            If `regexp` is none.
        """
        test = name_filter(pattern, regexp, kind, hidden, include_temp, self.suffix)
        with self._store.reading() as connection:
            found = [
                row
                for row in self._lookup.matching(connection, test)
                if all(row.attributes.get(key) == value for key, value in (filter or {}).items())
            ]
            if raw:
                return Listing((self._lookup.describe(connection, row) for row in found), _table)
            return [row.name for row in found]

    def page(
        self,
        pattern: str | None = None,
        *,
        kind: str | None = None,
        but: Sequence[str] = (),
        after: str | None = None,
        limit: int = 100,
    ) -> Metadatas:
        """Give the metadata of some objects, by name, at the cost of these and not of all.

        Parameters
        ----------
        pattern, kind
            As for `list`.
        but
            What the names of those to be left away begin with.
        after
            A name: only what comes after it.
        limit
            How many at most.
        """
        test = name_filter(pattern, kind=kind, suffix=self.suffix)
        with self._store.reading() as connection:
            found = self._lookup.page(connection, test, pattern or "", but, after, limit)
            return [self._lookup.describe(connection, row) for row in found]

    def _described(self, kind: str) -> str:
        said = inspect.getdoc(type(self._kinds[kind])) if kind in self._kinds else None
        return f"{kind}: {said or 'a kind that this Alula does not know'}"

    def _one_version(self, name: str) -> bool:
        """Tell whether a name is that of one version, rather than an object or a pattern.

        Raises
        ------
        InvalidNameError
            If it is that of some columns, or rows.
        """
        if "*" in name:
            return False
        reference = self._lookup.parse(name)
        if reference.columns is not None or "#" in name:
            raise InvalidNameError(name, "columns and rows cannot be dropped: put what is to be left")
        return not reference.is_latest


def _table(found: Sequence[Metadata]) -> str:
    """Show metadata as a notebook does."""
    rows = [
        (each.name, each.kind, each.version, ", ".join(each.tags), f"{each.modified:%Y-%m-%d %H:%M}")
        for each in found[:_SHOWN]
    ]
    columns = ("name", "kind", "version", "tags", "modified")
    return grid(f"{len(found):,} version{'s' * (len(found) != 1)}", columns, rows, total=len(found))

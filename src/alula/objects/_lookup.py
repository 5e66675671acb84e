"""Looking names up: which row a name points to, and what to say when there is none."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from sqlalchemy import Connection, Row

from ..errors import InvalidNameError, NameNotFoundError
from ..store import Store
from . import _rows as rows
from ._filters import Condition, conditions
from ._metadata import Home, Metadata
from ._names import Reference, is_hidden, is_temporary, pick_columns

__all__ = ["Found", "Lookup", "name_filter"]

_AT_ONCE: Final = 1000  # names that are looked through at a time

Test = Callable[[Row[Any]], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """A version, and the digests of its parts."""

    metadata: Metadata
    digests: Sequence[str]


class Lookup:
    """The names of one prefix in one bucket."""

    def __init__(
        self, store: Store, bucket: str, prefix: str, suffix: str = "", home: Home | None = None
    ) -> None:
        self._store, self._bucket, self._prefix, self._suffix = store, bucket, prefix, suffix
        self.home = home

    def full(self, name: str) -> str:
        """Give a name with the suffix that all have here."""
        return name if name.endswith(self._suffix) else name + self._suffix

    def parse(self, text: str) -> Reference:
        """Read a name as people write it.

        Raises
        ------
        InvalidNameError
            If it is wrongly written.
        """
        reference = Reference.parse(text)
        return replace(reference, name=self.full(reference.name))

    def latest(self, connection: Connection, name: str) -> Row[Any] | None:
        """Give the latest version of an object; None if there is no such object."""
        return rows.find_object(connection, self._bucket, self._prefix, name)

    def matching(self, connection: Connection, test: Test) -> Sequence[Row[Any]]:
        """Give the latest version of each object that passes the test, by name."""
        return [row for row in rows.latest_of_all(connection, self._bucket, self._prefix) if test(row)]

    def page(
        self,
        connection: Connection,
        test: Test,
        pattern: str,
        but: Sequence[str],
        after: str | None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Give the latest version of some objects that pass a test, by name; the others are not read."""
        begin = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        names: list[str] = []
        while len(names) < limit:
            some = rows.names(connection, (self._bucket, self._prefix), begin, but, after, _AT_ONCE)
            names += [row.name for row in some if test(row)]
            if len(some) < _AT_ONCE:
                break
            after = some[-1].name
        return rows.latest_of(connection, self._bucket, self._prefix, names[:limit])

    def row(self, connection: Connection, reference: Reference) -> Row[Any] | None:
        """Find the version that a name points to; None if there is no such object.

        Raises
        ------
        NameNotFoundError
            If there is the object, but not that version or tag.
        """
        latest = self.latest(connection, reference.name)
        if latest is None or reference.is_latest:
            return latest
        found = rows.find_version(connection, latest, reference.version, reference.tag)
        if found is None and reference.tag is not None:
            found = self._committed(connection, latest, reference.tag)
        if found is None:
            raise self._no_version(connection, reference, latest)
        return found

    def _committed(self, connection: Connection, latest: Row[Any], name: str) -> Row[Any] | None:
        """Find the version of a commit; or of ``v3``, which any version is called that no tag is."""
        for row in rows.versions(connection, latest.object):
            if name in (row.facts.get("commit"), f"v{row.number}"):
                return row
        return None

    def find(self, reference: Reference) -> Found | None:
        """Find what a name points to, in one look; None if there is no such object."""
        with self._store.reading() as connection:
            row = self.row(connection, reference)
            if row is None:
                return None
            return Found(self.describe(connection, row), rows.parts(connection, row))

    def found(self, reference: Reference) -> Found:
        """Find what a name points to.

        Raises
        ------
        NameNotFoundError
            If there is no such object, version or tag.
        """
        found = self.find(reference)
        if found is None:
            raise self.missing(reference.name)
        return found

    def columns(self, reference: Reference, found: Found) -> Sequence[str] | None:
        """Give the columns that a name asks for; None for all.

        Raises
        ------
        NameNotFoundError
            If there is no such column.
        InvalidNameError
            If what was found has no columns.
        """
        if reference.columns is None:
            return None
        known = found.metadata.kind_meta.get("columns")
        if known is None:
            raise InvalidNameError(reference.text, f"a {found.metadata.kind} has no columns")
        return pick_columns(reference.columns, known, self._prefix + reference.name)

    def conditions(self, given: Mapping[str, Any], metadata: Metadata) -> Sequence[Condition]:
        """Read the filters that are given for an object.

        Raises
        ------
        NameNotFoundError
            If there is no such column, or level of the index.
        ValueError
            If there is no such operator, or what it is to be compared with cannot be.
        InvalidNameError
            If the object has no columns.
        """
        if not given:
            return ()
        known = metadata.kind_meta.get("types")
        if known is None:
            raise InvalidNameError(metadata.name, f"a {metadata.kind} has no columns to filter by")
        names = [name for name in known if not name.startswith("__index_level_")]
        return conditions(given, names, self._prefix + metadata.name)

    def describe(
        self, connection: Connection, row: Row[Any], tags: Mapping[int, tuple[str, ...]] | None = None
    ) -> Metadata:
        """Give the metadata of a version, whose object's tags may be known already."""
        tagged = rows.tags(connection, row.object) if tags is None else tags
        return Metadata(
            home=self.home,
            name=row.name,
            bucket=self._bucket,
            prefix=self._prefix,
            kind=row.kind,
            created=datetime.fromtimestamp(row.created, UTC),
            modified=datetime.fromtimestamp(row.modified, UTC),
            version=row.number,
            tags=tagged.get(row.number, ()),
            size=row.size,
            kind_meta=row.facts,
            attributes=row.attributes,
        )

    def missing(self, name: str) -> NameNotFoundError:
        """Make the error for a name that is not there: the nearest one, and what there is."""
        listed = name_filter(hidden=is_hidden(name), include_temp=is_temporary(name))
        with self._store.reading() as connection:
            known = [self._prefix + row.name for row in self.matching(connection, listed)]
        return NameNotFoundError(self._prefix + name, known)

    def _no_version(
        self, connection: Connection, reference: Reference, latest: Row[Any]
    ) -> NameNotFoundError:
        """Say which tags there are, or how far one can go back."""
        full = self._prefix + reference.name
        if reference.tag is not None:
            tagged = rows.tags(connection, latest.object).values()
            return NameNotFoundError(
                f"{full}@{reference.tag}", [f"{full}@{t}" for tags in tagged for t in tags]
            )
        numbers = [row.number for row in rows.versions(connection, latest.object)]
        return NameNotFoundError(
            f"{full} version {reference.version}", [f"{full} version {n}" for n in numbers]
        )


def name_filter(
    pattern: str | None = None,
    regexp: str | None = None,
    kind: str | None = None,
    hidden: bool | None = None,
    include_temp: bool = False,
    suffix: str = "",
) -> Test:
    """Make the test for the rows to be listed; the parameters are those of `Catalog.list`.

    Raises
    ------
    ValueError
        If `regexp` is none.
    """
    pattern = pattern or "*"
    try:
        search = re.compile(regexp or "").search
    except re.error as error:
        raise ValueError(f"regexp {regexp!r} is none: {error}") from error
    with_hidden = pattern.startswith(".") if hidden is None else hidden
    with_temporary = include_temp or pattern.startswith("_")

    def test(row: Row[Any]) -> bool:
        name: str = row.name
        return (
            (fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(suffix), pattern))
            and bool(search(name))
            and kind in (None, row.kind)
            and (with_hidden or not is_hidden(name))
            and (with_temporary or not is_temporary(name))
        )

    return test

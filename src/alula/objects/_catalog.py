"""The catalog: objects by name, with versions.

Every put makes a new version and touches no earlier one. The version appears in one transaction after
its bytes are written, so a process that dies anywhere leaves either the whole new version or none.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, overload

from sqlalchemy import Connection, Row

from ..errors import ArtifactNotFoundError, InvalidNameError, NameNotFoundError, StoreError
from . import _rows as rows
from ._kinds import KINDS, Kind, choose
from ._lookup import Found, Lookup, name_filter
from ._metadata import Metadata
from ._names import Reference, check_name
from ._observing import tell
from ._shelf import Shelf

__all__ = ["Catalog"]

Names: TypeAlias = list[str]  # inside the class `list` is the method
Metadatas: TypeAlias = list[Metadata]


class Catalog:
    """The objects of one prefix in one bucket; safe to use from any thread and process.

    Parameters
    ----------
    shelf
        Where rows and bytes are kept.
    prefix
        ``"data/"`` or ``"models/"``: which kinds there are, and how messages name an object.
    bucket
        The name space.
    """

    suffix = ""
    """What every name ends with; one that is written without it means the same object."""

    def __init__(self, shelf: Shelf, *, prefix: str, bucket: str) -> None:
        shelf.store.ensure("objects", rows.VERSION, rows.TABLES)
        self.prefix, self.bucket = prefix, bucket
        self._kinds = KINDS[prefix]
        self._shelf, self._store = shelf, shelf.store
        self._lookup = Lookup(shelf.store, bucket, prefix, self.suffix)

    def put(
        self,
        obj: Any,
        name: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        kind: str | None = None,
        replace: bool = False,
        append: bool = False,
        tag: str | None = None,
    ) -> Metadata:
        """Keep an object as a new version of a name.

        Parameters
        ----------
        obj
            Anything that a kind of this store accepts.
        name
            May contain ``/``. Names that begin with ``.`` are hidden, with ``_`` temporary.
        attributes
            JSON. None keeps those of the version before, ``{}`` clears them, others are merged in.
        kind
            By default the first that accepts the object.
        replace
            Remove all earlier versions in the same step, and their bytes.
        append
            Make the new version of the rows of the version before and these. Frames and series only;
            columns and types must be the same. With nothing there yet, the same as without.
        tag
            Another name of this version; one that exists moves here.

        Returns
        -------
        Metadata
            Of the new version.

        Raises
        ------
        KindError
            If no kind accepts the object, or the one named does not.
        InvalidNameError
            If the name or tag is empty or has a character with a meaning.
        TypeError
            If something in the object cannot be kept, its kind cannot be appended to, or the
            attributes are not JSON.
        ValueError
            If there is no such kind, or what is appended does not fit.
        StoreUnavailableError
            If it cannot be written; the earlier versions are as they were.
        """
        name = self._lookup.full(check_name(name))
        check_name(name if tag is None else tag)
        _check_json(attributes)
        if append and replace:
            raise ValueError("append=True keeps what replace=True removes: give one of them")
        chosen = choose(self.prefix, obj, kind)
        dumped = chosen.dump(obj)
        sealed = self._shelf.lay(dumped.payload)
        with self._store.transaction() as connection:
            self._shelf.hold(sealed)
            latest = self._lookup.latest(connection, name)
            base = latest if append else None
            new = rows.New(
                kind=chosen.name,
                digest=sealed.digest,
                size=sealed.size,
                facts=dumped.facts if base is None else self._extended(chosen, base, dumped.facts),
                attributes=_merged(latest, attributes),
                now=self._store.clock.time(),
            )
            place = (self.bucket, self.prefix, name)
            added = rows.add_version(connection, place, latest, new, append=base is not None)
            if tag is not None:
                rows.tag(connection, added.object, added.number, tag)
            if replace:
                rows.drop_before(connection, added.object, added.number)
            metadata = self._lookup.describe(connection, added)
        if replace:
            self._shelf.sweep()
        tell("write", metadata)
        return metadata

    def get(self, name: str, *, version: int | None = None, tag: str | None = None) -> Any:
        """Give an object, or None if there is none of that name.

        Parameters
        ----------
        name
            ``iris``; ``iris[x,y]``, ``iris[a:c]`` or ``iris[^y]`` for some columns of a frame;
            ``model@tag``, ``model^``, ``model^^`` for an earlier version.
        version
            A number from 1, or from the end: -1 is the latest, -2 the one before.
        tag
            A tag.

        Raises
        ------
        NameNotFoundError
            If the object exists, but not that version, tag or column.
        InvalidNameError
            If the name is wrongly written, or asks for columns of what has none.
        SealError
            If the bytes are damaged, or were stored under another key.
        MissingExtraError
            If the package that reads this kind is not installed.
        """
        reference = self._lookup.parse(name).at(version, tag)
        found = self._lookup.find(reference)
        return None if found is None else self._read(reference, found)

    def load(self, name: str, *, version: int | None = None, tag: str | None = None) -> Any:
        """Give an object as `get` does, and raise where `get` gives None.

        Raises
        ------
        NameNotFoundError
            If there is none of that name; says which is nearest, and which there are.
        """
        reference = self._lookup.parse(name).at(version, tag)
        return self._read(reference, self._lookup.found(reference))

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

    def metadata(self, name: str) -> Metadata | None:
        """Give what is known of an object or one version of it; None if there is none of that name."""
        found = self._lookup.find(self._lookup.parse(name))
        return None if found is None else found.metadata

    def versions(self, name: str) -> list[Metadata]:
        """Give all versions of an object, the oldest first.

        Raises
        ------
        NameNotFoundError
            If there is none of that name.
        """
        name = self._lookup.full(name)
        with self._store.reading() as connection:
            latest = self._lookup.latest(connection, name)
            if latest is not None:
                found = rows.versions(connection, latest.object)
                return [self._lookup.describe(connection, row) for row in found]
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

    def annotate(self, name: str, attributes: Mapping[str, Any]) -> Metadata:
        """Change the attributes of a version, by the rule of `put`, and its time of modification.

        Raises
        ------
        NameNotFoundError
            If there is no such object, version or tag.
        TypeError
            If the attributes are not JSON.
        """
        _check_json(attributes)
        reference = self._lookup.parse(name)
        with self._store.transaction() as connection:
            row = self._lookup.row(connection, reference)
            if row is not None:
                now = self._store.clock.time()
                changed = rows.annotate(connection, row, _merged(row, attributes), now)
                return self._lookup.describe(connection, changed)
        raise self._lookup.missing(reference.name)

    def amend(self, name: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Metadata:
        """Change the attributes of a version by what they are, in one step: nobody's change is lost.

        Parameters
        ----------
        change
            Is given the attributes, and gives all that there are to be; may be called again.

        Raises
        ------
        NameNotFoundError
            If there is no such object, version or tag.
        TypeError
            If the attributes are not JSON.
        """
        reference = self._lookup.parse(name)
        with self._store.transaction() as connection:
            row = self._lookup.row(connection, reference)
            if row is not None:
                attributes = dict(change(row.attributes))
                _check_json(attributes)
                changed = rows.annotate(connection, row, attributes, self._store.clock.time())
                return self._lookup.describe(connection, changed)
        raise self._lookup.missing(reference.name)

    def drop(self, name: str, force: bool = False, report: bool = False) -> bool | dict[str, bool]:
        """Remove an object with all its versions, or all objects that match a pattern.

        Parameters
        ----------
        name
            With a ``*`` it is a pattern, which also finds temporary objects, and hidden ones if it
            begins with ``.``.
        force
            Whether it is fine if there are none.
        report
            Whether to give the names and whether each was there.

        Returns
        -------
        bool or dict
            True, or the report.

        Raises
        ------
        NameNotFoundError
            If there are none, unless `force`. Nothing was removed.
        InvalidNameError
            If the name is that of one version.
        """
        if "*" not in name and Reference.parse(name).name != name:
            raise InvalidNameError(name, "versions and columns cannot be dropped one by one")
        done: dict[str, bool] = {}
        with self._store.transaction() as connection:
            for each in self._named(connection, name):
                latest = self._lookup.latest(connection, each)
                done[each] = latest is not None
                if latest is not None:
                    rows.drop(connection, latest.object)
        if not any(done.values()) and not force:
            raise self._lookup.missing(name)
        self._shelf.sweep()
        return done if report else True

    @overload
    def list(
        self,
        pattern: str | None = ...,
        regexp: str | None = ...,
        kind: str | None = ...,
        raw: Literal[False] = ...,
        hidden: bool | None = ...,
        include_temp: bool = ...,
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
    ) -> Metadatas: ...

    def list(
        self,
        pattern: str | None = None,
        regexp: str | None = None,
        kind: str | None = None,
        raw: bool = False,
        hidden: bool | None = None,
        include_temp: bool = False,
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

        Raises
        ------
        ValueError
            If `regexp` is none.
        """
        test = name_filter(pattern, regexp, kind, hidden, include_temp, self.suffix)
        with self._store.reading() as connection:
            found = self._lookup.matching(connection, test)
            if raw:
                return [self._lookup.describe(connection, row) for row in found]
            return [row.name for row in found]

    # ------------------------------------------------------------------------------------- inside

    def _named(self, connection: Connection, name: str) -> Sequence[str]:
        if "*" not in name:
            return [self._lookup.full(name)]
        listed = name_filter(name, include_temp=True, suffix=self.suffix)
        return [row.name for row in self._lookup.matching(connection, listed)]

    def _read(self, reference: Reference, found: Found) -> Any:
        while True:
            try:
                return self._load(reference, found)
            except ArtifactNotFoundError:
                # Another process replaced the object between our look at the rows and at the bytes.
                again = self._lookup.found(reference)
                if again.digests == found.digests:
                    raise
                found = again

    def _load(self, reference: Reference, found: Found) -> Any:
        where, name = self.prefix + reference.name, found.metadata.kind
        if name not in self._kinds:
            raise StoreError(f"{where} is kept as {name!r}, which this Alula cannot read: upgrade alula")
        columns, kind = self._lookup.columns(reference, found), self._kinds[name]
        kind.ready()
        tell("read", found.metadata)
        return kind.load([self._shelf.take(digest, where) for digest in found.digests], columns)

    def _extended(self, kind: Kind, base: Row[Any], facts: Mapping[str, Any]) -> Mapping[str, Any]:
        where = self.prefix + base.name
        if kind.name != base.kind:
            raise TypeError(f"cannot append a {kind.name} to {where}, which is a {base.kind}")
        try:
            return kind.extend(base.facts, facts)
        except ValueError as error:
            raise ValueError(f"cannot append to {where}: {error}") from error


def _merged(latest: Row[Any] | None, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Follow the rule for attributes: None keeps, an empty mapping clears, others are merged in."""
    before = {} if latest is None else dict(latest.attributes)
    if given is None:
        return before
    return {**before, **given} if given else {}


def _check_json(attributes: Mapping[str, Any] | None) -> None:
    try:
        json.dumps(attributes)
    except (TypeError, ValueError) as error:
        raise TypeError(f"attributes must be JSON: {error}") from error

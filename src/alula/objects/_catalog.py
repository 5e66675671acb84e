"""The catalog: objects by name, with versions.

Every put makes a new version and touches no earlier one. The version appears in one transaction after
its bytes are written, so a process that dies anywhere leaves either the whole new version or none.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Connection, Row

from .._core._seal import Sealed
from ..errors import InvalidNameError
from . import _rows as rows
from ._archive import Archive
from ._browser import Browser
from ._kinds import Ask, How, check_options, choose
from ._lookup import Lookup, name_filter
from ._metadata import Metadata
from ._names import Reference, check_name
from ._reader import Reader
from ._shelf import Shelf
from ._writer import Parts, Put, Writer, changed_by, check_json

__all__ = ["Catalog"]


class Catalog(Browser):
    """The objects of one prefix in one bucket; safe to use from any thread and process.

    Parameters
    ----------
    shelf
        Where rows and bytes are kept.
    prefix
        ``"data/"``, ``"models/"``, ``"scripts/"`` or ``"jobs/"``: which kinds there are, and how messages
        name an object.
    bucket
        The name space.
    """

    def __init__(self, shelf: Shelf, *, prefix: str, bucket: str) -> None:
        super().__init__(shelf, prefix=prefix, bucket=bucket)
        self._lookup = Lookup(shelf.store, bucket, prefix, self.suffix, home=self)
        self._reader = Reader(shelf, self._lookup, prefix)
        self._writer = Writer(shelf, self._lookup, (bucket, prefix))

    def put(
        self,
        obj: Any,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        kind: str | None = None,
        replace: bool = False,
        *,
        append: bool = False,
        tag: str | None = None,
        commit: str | None = None,
        **options: Any,
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
        commit
            Another name of this version, for ever. Models have one in any case.
        options
            Those of the kind.

        Returns
        -------
        Metadata
            Of the new version.

        Raises
        ------
        KindError
            If no kind accepts the object, or the one named does not.
        InvalidNameError
            If the name, tag or commit is empty or has a character with a meaning.
        TypeError
            If something in the object cannot be kept, its kind cannot be appended to or has no such
            option, or the attributes are not JSON.
        ValueError
            If there is no such kind, what is appended does not fit, or another version has that commit.
        PickleRefusedError
            If it could only be kept as a pickle, and there are to be none.
        StoreUnavailableError
            If it cannot be written; the earlier versions are as they were.
        """
        name = self._lookup.full(check_name(name))
        if append and replace:
            raise ValueError("append=True keeps what replace=True removes: give one of them")
        check_json(attributes)
        chosen = choose(self.prefix, obj, kind)
        check_options(chosen, options)
        how = How(options=options, name=name, pickles=self._shelf.pickles, sources=self._shelf.sources)
        dumped = chosen.dump(obj, how)
        sealed = self._shelf.lay(dumped.payload, self.prefix + name)
        put = Put(attributes=attributes, replace=replace, append=append, tag=tag, commit=commit)
        return self._writer.keep(name, chosen.name, Parts((sealed,), dumped.facts), put)

    def get(
        self, name: str, *, version: int | None = None, tag: str | None = None, commit: str | None = None
    ) -> Any:
        """Give an object, or None if there is none of that name.

        Parameters
        ----------
        name
            ``model@tag``, ``model@commit``, ``model@v3``, or ``model^``, ``model^^`` for an earlier version;
            of datasets also ``iris[x,y]`` and the like.
        version
            A number from 1, or from the end: -1 is the latest, -2 the one before.
        tag, commit
            Other names of a version.

        Raises
        ------
        NameNotFoundError
            If the object exists, but not that version, tag or column.
        InvalidNameError
            If the name is wrongly written, or asks for columns of what has none.
        SealError
            If the bytes are damaged, or were stored under another key.
        PickleRefusedError
            If it is a pickle, and there are to be none.
        MissingExtraError
            If the package that reads this kind is not installed.
        """
        reference = self._lookup.parse(name).at(version, tag or commit)
        found = self._lookup.find(reference)
        return None if found is None else self._reader.read(reference, found, Ask())

    def getl(self, name: str, **how: Any) -> Any:
        """Give an object as `get` does; of a frame, one that is read when it is looked at."""
        return self.get(name, **how)

    def load(self, name: str, **how: Any) -> Any:
        """Give an object as `get` does, and raise where `get` gives None.

        Raises
        ------
        NameNotFoundError
            If there is none of that name; says which is nearest, and which there are.
        """
        found = self.get(name, **how)
        if found is None:
            raise self._lookup.missing(self._lookup.parse(name).name)
        return found

    def annotate(self, name: str, attributes: Mapping[str, Any]) -> Metadata:
        """Change the attributes of a version, by the rule of `put`, and its time of modification.

        Raises
        ------
        NameNotFoundError
            If there is no such object, version or tag.
        TypeError
            If the attributes are not JSON.
        """
        check_json(attributes)
        return self.amend(name, partial(changed_by, given=attributes))

    def make_metadata(
        self, name: str, kind: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> Metadata:
        """Give metadata to be saved: of the object of that name, or of one that is to have no value.

        Parameters
        ----------
        kind
            Of a new object; by default that which this store takes first.
        attributes
            By the rule of `put`: None keeps, ``{}`` clears, others are merged in.

        Raises
        ------
        TypeError
            If the attributes are not JSON.
        ValueError
            If there is no such kind.
        """
        check_json(attributes)
        if kind is not None and kind not in self._kinds:
            choose(self.prefix, None, kind)  # which says so
        found = self.metadata(name, raw=True) if name else None
        if found is not None:
            return changed(found, attributes=changed_by(found.attributes, attributes))
        now = datetime.fromtimestamp(self._store.clock.time(), UTC)
        return Metadata(
            name=name,
            bucket=self.bucket,
            prefix=self.prefix,
            kind=kind or next(iter(self._kinds)),
            created=now,
            modified=now,
            version=0,
            attributes=dict(attributes or {}),
            home=self,
        )

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
        return self._amended(self._lookup.parse(name), change)

    def drop(self, name: str, force: bool = False, report: bool = False) -> bool | dict[str, bool]:
        """Remove an object with all its versions, one version, or all objects that match a pattern.

        Parameters
        ----------
        name
            That of a version (``m@tag``, ``m^``) removes this one only. With a ``*`` it is a pattern, which
            also finds temporary objects, and hidden ones if it begins with ``.``.
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
            If it asks for columns, or for one revision of many, on which later ones stand.
        """
        single = self._one_version(name)
        done: dict[str, bool] = {}
        with self._store.transaction() as connection:
            for each in self._named(connection, name):
                reference = self._lookup.parse(each)
                row = self._lookup.row(connection, reference)
                done[each if single else reference.name] = row is not None
                if row is not None and single:
                    _check_single(reference, row)
                    rows.drop_version(connection, row)
                elif row is not None:
                    rows.drop(connection, row.object)
        if not any(done.values()) and not force:
            raise self._lookup.missing(name)
        self._shelf.sweep()
        return done if report else True

    def promote(self, name: str, other_store: "Catalog", asname: str | None = None) -> Metadata:
        """Copy a version of an object to another bucket or instance, as a new version there.

        Parameters
        ----------
        other_store
            The catalog to copy to, of the same sort.
        asname
            The name there; by default the same.

        Returns
        -------
        Metadata
            Of the copy. Tags stay behind; attributes come along.

        Raises
        ------
        NameNotFoundError
            If there is no such object or version.
        ValueError
            If that is the object itself.
        AssertionError
            If `other_store` is no catalog of the same sort.
        PickleRefusedError
            If it is a pickle, and the other instance takes none.
        """
        if not isinstance(other_store, Catalog) or other_store.prefix != self.prefix:
            raise AssertionError(f"cannot promote to {other_store!r}: give a catalog of {self.prefix}")
        reference = self._lookup.parse(name)
        found = self._lookup.found(reference)
        target = other_store._lookup.full(check_name(asname or reference.name))
        here = (self._store.url, self.bucket, reference.name)
        if here == (other_store._store.url, other_store.bucket, target):
            raise ValueError(
                f"{self.prefix}{target} cannot be promoted to itself: give another name or store"
            )
        sealed = self._reader.sealed(reference, found)
        shelf = other_store._shelf
        parts = tuple(shelf.adopt(bytes(part), self._shelf.key, self.prefix + name) for part in sealed)
        return other_store._adopt(target, found.metadata, parts)

    @property
    def takes_pickles(self) -> bool:
        """Whether what is kept may be a pickle, where no other form holds all of it."""
        return self._shelf.pickles != "none"

    def to_archive(self, name: str, path: str | os.PathLike[str]) -> Path:
        """Write a version of an object, with what is known of it, to one file; give its path.

        Raises
        ------
        NameNotFoundError
            If there is no such object or version.
        OSError
            If the file cannot be written; one that is there is as it was.
        """
        reference = self._lookup.parse(name)
        found = self._lookup.found(reference)
        archive = Archive(found.metadata, [bytes(part) for part in self._reader.sealed(reference, found)])
        return archive.write(Path(path).expanduser(), self._shelf.key)

    def from_archive(
        self, path: str | os.PathLike[str], name: str | None = None, *, trust: bool = False
    ) -> Metadata:
        """Keep what `to_archive` has written, as a new version.

        Parameters
        ----------
        name
            By default the one that it had.
        trust
            Whether to take code, pickles included, that another key has signed. Only where whoever made the
            file may run anything on this machine.

        Returns
        -------
        Metadata
            Of the new version.

        Raises
        ------
        SealError
            If the file is damaged or no archive, or holds code that another key has signed.
        PickleRefusedError
            If it holds a pickle, and there are to be none.
        ValueError
            If what it holds is not for this store.
        FileNotFoundError
            If there is no such file.
        """
        archive = Archive.read(Path(path).expanduser(), self._shelf.key, trust=trust)
        metadata = archive.metadata
        if metadata.prefix != self.prefix or metadata.kind not in self._kinds:
            raise ValueError(
                f"{path} holds a {metadata.kind} of {metadata.prefix}, which is not for this store"
            )
        parts = tuple(self._shelf.adopt(part, None, str(path)) for part in archive.parts)
        return self._adopt(self._lookup.full(check_name(name or metadata.name)), metadata, parts)

    # ------------------------------------------------------------------------- what metadata ask

    def keep_metadata(
        self, metadata: Metadata, *, version: bool, tag: str | None, commit: str | None
    ) -> Metadata:
        """Write attributes; `Metadata.save` says how."""
        check_name(metadata.name)
        new = {key: value for key, value in metadata.attributes.items() if key not in self._derived}
        put = Put(attributes=new, tag=tag, commit=commit)
        if not metadata.version:
            return self._writer.keep(self._lookup.full(metadata.name), metadata.kind, Parts(()), put)
        exact = _exact(metadata)
        if version:
            sealed = self._reader.sealed(exact, self._lookup.found(exact))
            return self._writer.keep(metadata.name, metadata.kind, Parts((*sealed,), metadata.kind_meta), put)
        written = self._amended(exact, lambda _: new)
        return written if tag is None else self._writer.tag(exact, tag)

    def open_bytes(self, metadata: Metadata) -> BinaryIO:
        """Open the bytes of a version, without what signs them."""
        exact = _exact(metadata)
        sealed = self._reader.sealed(exact, self._lookup.found(exact))
        return BytesIO(b"".join(bytes(chunk) for part in sealed for chunk in part.content))

    # ------------------------------------------------------------------------------------- inside

    _derived: frozenset[str] = frozenset()
    """Attributes that are made when they are asked for, and never written."""

    def _adopt(self, name: str, metadata: Metadata, parts: tuple[Sealed, ...]) -> Metadata:
        """Keep bytes from elsewhere under a name, with what was known of them there."""
        facts = {key: value for key, value in metadata.kind_meta.items() if key not in ("commit", "parent")}
        put = Put(attributes=metadata.attributes, replace=bool(facts.get("revisions")))
        return self._writer.keep(name, metadata.kind, Parts(parts, facts), put)

    def _amended(
        self, reference: Reference, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> Metadata:
        with self._store.transaction() as connection:
            row = self._lookup.row(connection, reference)
            if row is not None:
                new = dict(change(dict(row.attributes)))
                check_json(new)
                written = rows.annotate(connection, row, new, self._store.clock.time())
                return self._lookup.describe(connection, written)
        raise self._lookup.missing(reference.name)

    def _named(self, connection: Connection, name: str) -> Sequence[str]:
        if "*" not in name:
            return [name]
        listed = name_filter(name, include_temp=True, suffix=self.suffix)
        return [row.name for row in self._lookup.matching(connection, listed)]


def _exact(metadata: Metadata) -> Reference:
    return Reference(metadata.name, metadata.name, metadata.version)


def _check_single(reference: Reference, row: Row[Any]) -> None:
    """Refuse to take one revision away: later ones are changes to it."""
    if row.facts.get("revisions"):
        raise InvalidNameError(
            reference.text, "a revision cannot be dropped: those after it are changes to it"
        )

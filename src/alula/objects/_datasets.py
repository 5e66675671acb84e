"""The catalog of datasets: frames of which parts can be read, that can be appended to, and have revisions."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from ..errors import InvalidNameError, NameNotFoundError
from ._catalog import Catalog
from ._kinds import Ask
from ._lazy import LazyFrame
from ._lookup import Found
from ._metadata import Metadata
from ._names import CHUNK, Reference, check_columns

__all__ = ["Datasets", "Head"]

_IN_ROWS: Final = ("pandas.dfrows", "pandas.dfgroup", "pandas.serows")


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a dataset.

    Attributes
    ----------
    metadata
        Of the version; ``kind_meta`` says how many rows and columns there are in all.
    value
        Some rows of a frame, and all of anything else; None if it was not read.
    why
        Why it was not; else empty.
    """

    metadata: Metadata
    value: Any = None
    why: str = ""


class Datasets(Catalog):
    """The datasets of one bucket."""

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
        """Keep a dataset as a new version of a name; `Catalog.put` says what is not said here.

        Parameters
        ----------
        options
            ``revisions=True``: a frame whose later puts are changes, merged by the index.
            ``delete=True``: a change that takes away the rows of these labels.
            ``groupby=["a"]``: rows lie by groups, so that one group is read without the others.
            ``timestamp=True``, or a name: a column more, ``_created``, with the time of now.
            ``as_pydata=True``: an array as a list. ``as_raw=True``: dicts as documents.
            ``uri="s3://..."``: of a file, where its bytes are to lie in place of the store.
            ``csv={...}``: of ``kind="pandas.csv"``, for `pandas.read_csv`.

        Raises
        ------
        ValueError
            Also if revisions are asked for where there is a dataset without them, or one is without a frame.
        """
        options = {key: value for key, value in options.items() if value not in (None, False)}
        if not replace and kind is None and "revisions" not in options and "groupby" not in options:
            found = self._lookup.find(Reference(name, name)) if hasattr(obj, "columns") else None
            if found is not None and found.metadata.kind_meta.get("revisions"):
                options["revisions"] = True
        if "delete" in options and "revisions" not in options:
            raise ValueError(f"data/{name} has no revisions, so none can take rows away: see revisions=True")
        if kind is None:
            asked = {"groupby": "pandas.dfgroup", "as_raw": "pandas.rawdict", "as_pydata": "python.data"}
            kind = next((each for option, each in asked.items() if option in options), None)
        if kind == "python.data" and "as_pydata" in options and hasattr(obj, "tolist"):
            obj = obj.tolist()
        if kind == "python.file" and isinstance(obj, str):
            obj = Path(obj)
        return super().put(
            obj, name, attributes, kind, replace, append=append, tag=tag, commit=commit, **options
        )

    def get(
        self,
        name: str,
        *,
        version: int | None = None,
        tag: str | None = None,
        commit: str | None = None,
        columns: Sequence[str] | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # the name that programs for omega-ml use
        chunksize: int | None = None,
        revision: int | str | date | None = None,
        changeset: int | None = None,
        trace_revisions: bool = False,
        local: str | os.PathLike[str] | None = None,
        force_python: bool = False,
        **where: Any,
    ) -> Any:
        """Give a dataset or some of it, or None if there is none of that name.

        Parameters
        ----------
        name
            ``iris``; ``iris[x,y]``, ``iris[a:c]`` or ``iris[^y]`` for some columns; ``iris#`` or
            ``iris#iterchunks:chunksize=100`` for an iterator of frames; ``iris#rows:start=10,end=20`` for
            these rows, counted from 0, the last one left out; ``iris@tag``, ``iris^``, ``iris@v3``.
        version, tag, commit
            As for `Catalog.get`.
        columns
            Those to read, in this order, where the name does not say.
        filter, where
            Only rows for which all hold: ``age__gte=18``. The operators are eq (the default), ne, not, lt,
            lte, gt, gte, in, between (both ends), contains, startswith, endswith, isnull and match (a regular
            expression). What cannot match is not read.
        chunksize
            Give an iterator of frames of at most so many rows.
        revision
            Of a dataset with revisions: the number of a version, or a tag, or a time (or ISO text) up to
            which changes are to count.
        changeset
            The number of a version whose change alone is to be given.
        trace_revisions
            Give every change, with the columns ``_revision``, ``_changed`` (UTC) and ``_deleted``.
        local
            Of a file: where to write it.
        force_python
            Of documents: the dicts themselves.

        Raises
        ------
        NameNotFoundError
            If there is no such version, or no such column; says which there are.
        ValueError
            If there is no such operator, or a column cannot be compared so.
        InvalidNameError, SealError, PickleRefusedError, MissingExtraError
            As for `Catalog.get`.
        """
        reference = self._lookup.parse(name).at(version, tag or commit)
        if revision is not None:
            reference = self._revised(reference, revision)
        if chunksize is not None:
            if chunksize < 1:
                raise ValueError(f"chunksize={chunksize}: a chunk has one row at least")
            reference = changed(reference, chunksize=chunksize)
        if changeset is not None:
            reference = changed(reference, version=changeset, tag=None)
        found = self._lookup.find(reference)
        if found is None:
            return None
        options = {"local": local, "force_python": force_python}
        given = {key: value for key, value in options.items() if value}
        asked = self._lookup.conditions({**(filter or {}), **where}, found.metadata)
        ask = Ask(where=asked, columns=self._columns(columns, found), options=given)
        if trace_revisions:
            ask = changed(ask, options={"trace_revisions": self._changes(found)})
        if changeset is not None:
            found = self._only_change(found)
        return self._reader.read(reference, found, ask)

    def getl(self, name: str, **how: Any) -> Any:
        """Give a frame that is read when it is looked at; of what is no frame, the same as `get`.

        Returns
        -------
        LazyFrame
            Of the version that is the latest now, whatever is put later.
        """
        reference = self._lookup.parse(name)
        found = self._lookup.find(reference)
        if found is None or "columns" not in found.metadata.kind_meta or reference.chunksize:
            return self.get(name, **how)
        columns = self._lookup.columns(reference, found)
        return LazyFrame(self, found.metadata, columns=columns).filter(**how)

    def head(self, name: str, rows: int = 20, *, columns: int = 12, largest: int = 16 << 20) -> Head:
        """Give the beginning of a dataset, for people to see what it is; what would take long is not read.

        Parameters
        ----------
        rows, columns
            How many of a frame or series. No more than the rows that lie together with the first are read.
        largest
            Bytes of what has to be read whole; of frames as well, where artifacts lie elsewhere.

        Raises
        ------
        NameNotFoundError
            If there is no such dataset, version or tag.
        InvalidNameError, SealError, PickleRefusedError, MissingExtraError
            As for `Catalog.get`.
        """
        reference = self._lookup.parse(name)
        metadata = self.resolve(name)
        if metadata.uri is not None:
            return Head(metadata, why=f"it lies at {metadata.uri}")
        in_rows = metadata.kind in _IN_ROWS and not metadata.kind_meta.get("revisions")
        if metadata.size > largest and not (in_rows and self._shelf.artifacts.maps):
            return Head(metadata, why=f"it is too large to be read for this: {metadata.size:,} bytes")
        if not in_rows:
            return Head(metadata, self.load(name))
        known = self._lookup.columns(reference, self._lookup.found(reference))
        known = known or metadata.kind_meta.get("columns")
        some = changed(reference, rows=(0, rows), columns=None)
        ask = Ask(columns=None if known is None else known[:columns])
        return Head(metadata, self._reader.read(some, self._lookup.found(some), ask))

    def read_csv(
        self,
        path: str | os.PathLike[str],
        name: str,
        *,
        append: bool = False,
        replace: bool = False,
        **options: Any,
    ) -> Metadata:
        """Read a CSV file into a dataset.

        Parameters
        ----------
        path
            A path or URL.
        append, replace
            As for `put`.
        options
            For `pandas.read_csv`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        """
        self._kinds["pandas.csv"].ready()
        import pandas

        return self.put(pandas.read_csv(path, **options), name, append=append, replace=replace)

    def to_csv(
        self, name: str, path: str | os.PathLike[str], *, chunksize: int = CHUNK, **options: Any
    ) -> Path:
        """Write a dataset to a CSV file, piece by piece; give its path.

        Parameters
        ----------
        options
            For `pandas.DataFrame.to_csv`.

        Raises
        ------
        NameNotFoundError
            If there is no such dataset.
        OSError
            If the file cannot be written; one that is there is as it was.
        """
        target = Path(path).expanduser()
        draft = target.with_name(f".{target.name}.part")
        try:
            header = options.pop("header", True)
            with draft.open("w", newline="") as file:
                for frame in self.load(name, chunksize=chunksize):
                    frame.to_csv(file, header=header, **options)
                    header = False
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return target

    # ------------------------------------------------------------------------------------- inside

    def _columns(self, columns: Sequence[str] | None, found: Found) -> Sequence[str] | None:
        """Check the columns that are given beside the name."""
        known = found.metadata.kind_meta.get("columns")
        if columns is None:
            return None
        if known is None:
            raise InvalidNameError(found.metadata.name, f"a {found.metadata.kind} has no columns")
        where = self.prefix + found.metadata.name
        return check_columns(columns, known, where)

    def _revised(self, reference: Reference, revision: int | str | date) -> Reference:
        """Find the version that a revision is; a text is a tag, or else a time."""
        if isinstance(revision, int):
            return reference.at(revision, None)
        if isinstance(revision, str):
            tagged = reference.at(None, revision)
            try:
                when = datetime.fromisoformat(revision)
            except ValueError:
                return tagged
            found = [each for each in self.versions(reference.name) if revision in each.tags]
            if found:
                return tagged
        else:
            when = revision if isinstance(revision, datetime) else datetime(*revision.timetuple()[:3])
        until = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        puts = [(each.version, each.kind_meta.get("put")) for each in self.versions(reference.name)]
        numbers = [number for number, put in puts if put is not None and put <= until]
        if not numbers:
            raise NameNotFoundError(
                f"{self.prefix}{reference.name} as of {revision}",
                [f"{self.prefix}{reference.name} version {number}" for number, _ in puts],
            )
        return reference.at(max(numbers), None)

    def _changes(self, found: Found) -> list[tuple[int, float]]:
        """Give the number and time of every change up to a version."""
        self._check_revised(found)
        versions = [v for v in self.versions(found.metadata.name) if v.version <= found.metadata.version]
        return [(v.version, v.kind_meta["put"]) for v in versions][-len(found.digests) :]

    def _only_change(self, found: Found) -> Found:
        self._check_revised(found)
        plain = {key: value for key, value in found.metadata.kind_meta.items() if key != "revisions"}
        return changed(found, metadata=changed(found.metadata, kind_meta=plain), digests=found.digests[-1:])

    def _check_revised(self, found: Found) -> None:
        if not found.metadata.kind_meta.get("revisions"):
            name = self.prefix + found.metadata.name
            raise ValueError(f"{name} has no revisions: put it with revisions=True to have them")

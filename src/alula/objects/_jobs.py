"""The catalog of notebooks, whose names all end in ``.ipynb``, whether they are written so or not.

What a run has made of a notebook is a notebook, too, under a name of its own; that it was made is noted at
the notebook in the same step.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from .._core._clock import Clock
from . import _rows as rows
from ._catalog import Catalog
from ._kinds import How, choose
from ._metadata import Metadata
from ._names import check_name
from ._observing import tell

__all__ = ["Jobs"]

_RESULTS: Final = "results/"
_TICK: Final = timedelta(microseconds=1)


class Jobs(Catalog):
    """The notebooks of one bucket."""

    suffix = ".ipynb"

    @property
    def clock(self) -> Clock:
        """The clock of the store."""
        return self._store.clock

    def create(self, code: str, name: str, **options: Any) -> Metadata:
        """Make a notebook of one cell of code; as `put` otherwise.

        Raises
        ------
        ValueError
            If the code cannot be parsed.
        """
        return self.put(code, name, **options)

    def conclude(
        self,
        notebook: Any,
        job: str,
        started: float,
        attributes: Mapping[str, Any],
        note: Callable[[Mapping[str, Any], str], Mapping[str, Any]],
    ) -> Metadata:
        """Keep what a run has made of a notebook, and note the run there, in one step.

        Parameters
        ----------
        notebook
            As the run has left it.
        job
            The name of the notebook that ran.
        started
            When the run began, in UNIX seconds. The result is named after it: if that name is taken, after
            the next microsecond that is free.
        attributes
            Of the result.
        note
            Is given the attributes of `job` and the name of the result, and gives what they are to be; not
            called if `job` is gone.

        Returns
        -------
        Metadata
            Of the result.

        Raises
        ------
        StoreUnavailableError
            If it cannot be written; then nothing was.
        """
        dumped = choose(self.prefix, notebook, None).dump(notebook, How())
        sealed = self._shelf.lay(dumped.payload, self.prefix + job)
        with self._store.transaction() as connection:
            self._shelf.hold([sealed])
            now, name = self._store.clock.time(), self._free(connection, job, started)
            new = rows.New(
                kind="script.ipynb",
                digests=[sealed.digest],
                size=sealed.size,
                facts=dumped.facts,
                attributes=attributes,
                now=now,
            )
            added = rows.add_version(connection, (self.bucket, self.prefix, name), None, new, append=False)
            source = self._lookup.latest(connection, self._lookup.full(job))
            if source is not None:
                rows.annotate(connection, source, dict(note(source.attributes, name)), now)
            metadata = self._lookup.describe(connection, added)
        tell("write", metadata)
        return metadata

    def copy(self, job: str, parts: Mapping[str, Mapping[str, Any]]) -> list[Metadata]:
        """Give a notebook further names, all in one step; the bytes are those that are there.

        Parameters
        ----------
        job
            The name of the notebook; may say a version.
        parts
            By name, the attributes of each; they take the place of those that an object of that name has.

        Raises
        ------
        NameNotFoundError
            If there is no such notebook.
        InvalidNameError
            If a name has a character with a meaning.
        """
        names = [self._lookup.full(check_name(name)) for name in parts]
        reference = self._lookup.parse(job)
        with self._store.transaction() as connection:
            source = self._lookup.row(connection, reference)
            if source is not None:
                digest = rows.parts(connection, source)[-1]
                return [
                    self._copied(connection, name, source, digest, attributes)
                    for name, attributes in zip(names, parts.values(), strict=True)
                ]
        raise self._lookup.missing(reference.name)

    def runs(self, job: str) -> Sequence[Mapping[str, Any]]:
        """Give what is noted of the runs of a notebook, the earliest first; none if it is gone."""
        metadata = self.metadata(job)
        runs: Sequence[Mapping[str, Any]] = (
            () if metadata is None else metadata.attributes.get("job_runs", ())
        )
        return runs

    def _copied(
        self, connection: Connection, name: str, source: Any, digest: str, attributes: Mapping[str, Any]
    ) -> Metadata:
        now = self._store.clock.time()
        new = rows.New(
            kind=source.kind,
            digests=[digest],
            size=source.size,
            facts=source.facts,
            attributes=attributes,
            now=now,
        )
        latest = self._lookup.latest(connection, name)
        added = rows.add_version(connection, (self.bucket, self.prefix, name), latest, new, append=False)
        return self._lookup.describe(connection, added)

    def _free(self, connection: Connection, job: str, started: float) -> str:
        when = datetime.fromtimestamp(started, UTC)
        while True:
            stem = f"{_RESULTS}{job.removesuffix(self.suffix)}_{when:%Y-%m-%d %H:%M:%S.%f}"
            name = check_name(stem + self.suffix)
            if self._lookup.latest(connection, name) is None:
                return name
            when += _TICK

"""A frame that is read when it is looked at, and then no more of it than is asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ._metadata import Metadata
from ._names import CHUNK, check_columns

__all__ = ["LazyFrame"]


class Source(Protocol):
    """What can read some of a dataset."""

    def load(self, name: str, **how: Any) -> Any:
        """Give what is asked for."""
        ...


@dataclass(frozen=True, slots=True)
class LazyFrame:
    """A version of a frame: ``frame["x", "y"].filter(x__gt=3).value``.

    Each step gives another one and reads nothing.

    Attributes
    ----------
    source
        The datasets.
    metadata
        Of the version.
    columns
        Those that will be read; None for all.
    where
        The filters, by ``column__operator``.
    """

    source: Source
    metadata: Metadata
    columns: Sequence[str] | None = None
    where: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, columns: str | Sequence[str]) -> "LazyFrame":
        """Give the same with some columns only.

        Raises
        ------
        NameNotFoundError
            If there is no such column.
        """
        known = list(self.columns or self.metadata.kind_meta["columns"])
        wanted = [columns] if isinstance(columns, str) else list(columns)
        where = self.metadata.prefix + self.metadata.name
        return replace(self, columns=check_columns(wanted, known, where))

    def filter(self, **where: Any) -> "LazyFrame":
        """Give the same with some rows only; as for `Datasets.get`."""
        return replace(self, where={**self.where, **where})

    @property
    def value(self) -> Any:
        """The frame.

        Raises
        ------
        NameNotFoundError, ValueError
            As `Datasets.get`.
        """
        return self._load()

    def iterchunks(self, chunksize: int = CHUNK) -> Iterator[Any]:
        """Give frames of at most so many rows, each read when it is asked for."""
        chunks: Iterator[Any] = self._load(chunksize=chunksize)
        return chunks

    def head(self, rows: int = 5) -> Any:
        """Give the first rows, reading no more than the chunks that they are in."""
        import pandas

        found: list[Any] = []
        for chunk in self.iterchunks():
            found.append(chunk.head(rows - sum(map(len, found))))
            if sum(map(len, found)) >= rows:
                break
        return pandas.concat(found) if len(found) > 1 else found[0]

    def __len__(self) -> int:
        rows = None if self.where else self.metadata.kind_meta.get("rows")
        return sum(map(len, self.iterchunks())) if rows is None else int(rows)

    def __repr__(self) -> str:
        return f"<frame {self.metadata.prefix}{self.metadata.name}, not read yet>"

    def _load(self, **how: Any) -> Any:
        return self.source.load(
            self.metadata.name, version=self.metadata.version, columns=self.columns, filter=self.where, **how
        )

"""Metadata: what is known of one version of a named object, without the object itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, BinaryIO, Protocol

from .._core._html import card
from ..errors import StoreError

__all__ = ["Home", "Metadata"]


class Home(Protocol):
    """What metadata ask of the catalog that they are from."""

    def keep_metadata(
        self, metadata: "Metadata", *, version: bool, tag: str | None, commit: str | None
    ) -> "Metadata":
        """Write the attributes, to this version or as a new one; give the metadata as they are then."""
        ...

    def open_bytes(self, metadata: "Metadata") -> BinaryIO:
        """Open the bytes in which the version is kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Metadata:
    """One version of an object. It prints as one line, and equals that line as text.

    Attributes
    ----------
    name
        Unique in its bucket and prefix; may contain ``/``.
    bucket
        The name space, ``"omegaml"`` by default.
    prefix
        ``"data/"``, ``"models/"``, ``"scripts/"`` or ``"jobs/"``.
    kind
        How the value is kept, such as ``"sklearn.joblib"``.
    created
        When the object had its first version; UTC.
    modified
        When this version was put, or its attributes last changed; UTC.
    version
        From 1; grows with each put and is never used again while the object exists. 0 of what is not
        kept yet.
    tags
        The tags that point to this version.
    size
        Bytes that this version takes on the disk.
    kind_meta
        What the kind notes about the value: columns and types of a frame, the class of a model.
    attributes
        The user's own, and those that the runtime writes; JSON. They may be changed, and then saved.
    home
        The catalog that they are from; None in another process than that which asked it.
    """

    name: str
    bucket: str
    prefix: str
    kind: str
    created: datetime
    modified: datetime
    version: int
    tags: tuple[str, ...] = ()
    size: int = 0
    kind_meta: Mapping[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    home: Home | None = None

    @property
    def commit(self) -> str | None:
        """The name of this version that never moves; of models only."""
        return self.kind_meta.get("commit")

    @property
    def uri(self) -> str | None:
        """Where the value lies, if that is not in the store: of a ``pandas.csv``."""
        return self.kind_meta.get("uri")

    @property
    def objid(self) -> str:
        """What this version, and no other, is called in all buckets and stores of it."""
        return f"{self.bucket}/{self.prefix}{self.name}@v{self.version}"

    @property
    def gridfile(self) -> BinaryIO:
        """The bytes in which the value is kept, as a file that is open for reading.

        Raises
        ------
        StoreError
            As `save`.
        """
        return self._home().open_bytes(self)

    @property
    def collection(self) -> None:
        """Nothing: there are no collections here. For programs that look."""

    @property
    def s3file(self) -> None:
        """Nothing: where artifacts lie is a setting. For programs that look."""

    def save(self, *, version: bool = False, tag: str | None = None, commit: str | None = None) -> "Metadata":
        """Write the attributes, and set `modified`.

        Parameters
        ----------
        version
            Make a new version of the same value, rather than change this one.
        tag, commit
            Other names of the version.

        Returns
        -------
        Metadata
            Of what was written; for a new version that is another one than this.

        Raises
        ------
        StoreError
            If these metadata came from another process: ask the catalog for its own.
        InvalidNameError
            If they have no name.
        NameNotFoundError
            If the object or version is gone.
        TypeError
            If the attributes are not JSON.
        """
        kept = self._home().keep_metadata(self, version=version, tag=tag, commit=commit)
        if kept.version == self.version:
            object.__setattr__(self, "modified", kept.modified)  # what programs for omega-ml look at
        return kept

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain values; times as ISO text."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "home"}
        times = {"created": self.created.isoformat(), "modified": self.modified.isoformat()}
        copied: dict[str, Any] = json.loads(json.dumps(plain | times))
        return copied | {"uri": self.uri, "objid": self.objid}

    def to_json(self) -> str:
        """Give `to_dict` as JSON."""
        return json.dumps(self.to_dict())

    def _home(self) -> Home:
        if self.home is None:
            raise StoreError(f"{self} came from another process: ask the catalog for its metadata")
        return self.home

    def __str__(self) -> str:
        return (
            f"Metadata(name={self.name},bucket={self.bucket},prefix={self.prefix},kind={self.kind},"
            f"created={self.created:%Y-%m-%d %H:%M:%S.%f})"
        )

    def __repr__(self) -> str:
        return f"<Metadata: {self}>"

    def _repr_html_(self) -> str:
        facts = {
            "version": self.version,
            "kind": self.kind,
            "tags": ", ".join(self.tags),
            "size": f"{self.size:,} bytes",
            "bucket": self.bucket,
            "created": f"{self.created:%Y-%m-%d %H:%M:%S} UTC",
            "modified": f"{self.modified:%Y-%m-%d %H:%M:%S} UTC",
            **{name: _brief(value) for name, value in (*self.kind_meta.items(), *self.attributes.items())},
        }
        return card(self.prefix.rstrip("/"), self.name, facts)

    def __eq__(self, other: object) -> bool:
        match other:
            case Metadata():
                return self.to_dict() == other.to_dict()
            case str():  # programs written for omega-ml get text, and compare it
                return other in (repr(self), str(self))
            case _:
                return NotImplemented

    def __hash__(self) -> int:
        return hash(repr(self))

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {each.name: getattr(self, each.name) for each in fields(self)}
        return _rebuilt, (facts | {"home": None},)


def _brief(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _rebuilt(facts: dict[str, Any]) -> Metadata:
    return Metadata(**facts)

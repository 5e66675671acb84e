"""Metadata: what is known of one version of a named object, without the object itself."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Metadata"]


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
        ``"data/"`` or ``"models/"``.
    kind
        How the value is kept, such as ``"sklearn.joblib"``.
    created
        When the object had its first version; UTC.
    modified
        When this version was put, or its attributes last changed; UTC.
    version
        From 1; grows with each put and is never used again while the object exists.
    tags
        The tags that point to this version.
    size
        Bytes that this version takes on the disk.
    kind_meta
        What the kind notes about the value: columns and types of a frame, the class of a model.
    attributes
        The user's own, and those that the runtime writes; JSON.
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
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain values; times as ISO text."""
        times = {"created": self.created.isoformat(), "modified": self.modified.isoformat()}
        return asdict(self) | {"tags": list(self.tags)} | times

    def to_json(self) -> str:
        """Give `to_dict` as JSON."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        return (
            f"Metadata(name={self.name},bucket={self.bucket},prefix={self.prefix},kind={self.kind},"
            f"created={self.created:%Y-%m-%d %H:%M:%S.%f})"
        )

    def __repr__(self) -> str:
        return f"<Metadata: {self}>"

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

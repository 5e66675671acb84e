"""Writing versions: one transaction for each, after its bytes lie there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row

from .._core._seal import Sealed
from . import _rows as rows
from ._kinds import KINDS, Kind
from ._lookup import Lookup
from ._metadata import Metadata
from ._names import check_name
from ._observing import tell
from ._shelf import Shelf

__all__ = ["Parts", "Put", "Writer", "changed_by", "check_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What a put asks for beside its value; the fields are the parameters of `Catalog.put`."""

    attributes: Mapping[str, Any] | None = None
    replace: bool = False
    append: bool = False
    tag: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """The bytes of a version, or those that it adds, and what is known of them."""

    sealed: tuple[Sealed, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Writer:
    """What writes the versions of one prefix in one bucket."""

    def __init__(self, shelf: Shelf, lookup: Lookup, place: tuple[str, str]) -> None:
        self._shelf, self._store, self._lookup = shelf, shelf.store, lookup
        self._place = place

    def keep(self, name: str, kind: str, parts: Parts, put: Put) -> Metadata:
        """Add a version of bytes that were laid on the shelf; `Catalog.put` says how, and what it raises."""
        check_json(put.attributes)
        for label in (put.tag, put.commit):
            check_name(name if label is None else label)
        try:
            with self._store.transaction() as connection:
                self._shelf.hold(parts.sealed)
                latest = self._lookup.latest(connection, name)
                metadata = self._add(connection, (name, latest), KINDS[self._place[1]][kind], parts, put)
        except (TypeError, ValueError):  # it does not go with what is there
            self._shelf.discard(parts.sealed)
            raise
        if put.replace:
            self._shelf.sweep()
        tell("write", metadata)
        return metadata

    def tag(self, reference: Any, tag: str) -> Metadata:
        """Let a tag point to a version."""
        check_name(tag)
        with self._store.transaction() as connection:
            row = self._lookup.row(connection, reference)
            if row is None:
                raise self._lookup.missing(reference.name)
            rows.tag(connection, row.object, row.number, tag)
            return self._lookup.describe(connection, row)

    def _add(
        self,
        connection: Connection,
        at: tuple[str, Row[Any] | None],
        kind: Kind,
        parts: Parts,
        put: Put,
    ) -> Metadata:
        name, latest = at
        changes = latest is not None and not put.replace and bool(latest.facts.get("revisions"))
        base = latest if put.append or changes else None
        facts = self._facts(name, base, kind, parts, None if put.replace else latest)
        if self._place[1] == "models/":
            facts |= self._commit(connection, latest, parts, put.commit)
        new = rows.New(
            kind=kind.name,
            digests=[sealed.digest for sealed in parts.sealed],
            size=sum(sealed.size for sealed in parts.sealed),
            facts=facts,
            attributes=changed_by({} if latest is None else latest.attributes, put.attributes),
            now=self._store.clock.time(),
        )
        added = rows.add_version(connection, (*self._place, name), latest, new, append=base is not None)
        if put.tag is not None:
            rows.tag(connection, added.object, added.number, put.tag)
        if put.replace:
            rows.drop_before(connection, added.object, added.number)
        return self._lookup.describe(connection, added)

    def _facts(
        self, name: str, base: Row[Any] | None, kind: Kind, parts: Parts, latest: Row[Any] | None
    ) -> dict[str, Any]:
        facts = dict(parts.facts)
        if facts.get("revisions"):
            facts["put"] = self._store.clock.time()
            _check_revisions(self._place[1] + name, base, facts, latest)
        return facts if base is None else dict(self._extended(kind, base, facts))

    def _extended(self, kind: Kind, base: Row[Any], facts: Mapping[str, Any]) -> Mapping[str, Any]:
        where = self._place[1] + base.name
        if kind.name != base.kind:
            raise TypeError(f"cannot append a {kind.name} to {where}, which is a {base.kind}")
        if base.facts.get("revisions") and not facts.get("revisions"):
            raise ValueError(f"{where} has revisions: its next version is a change, put with revisions=True")
        try:
            return kind.extend(base.facts, facts)
        except ValueError as error:
            raise ValueError(f"cannot append to {where}: {error}") from error

    def _commit(
        self, connection: Connection, latest: Row[Any] | None, parts: Parts, given: str | None
    ) -> dict[str, Any]:
        """Name a version for ever, and the one that it comes after."""
        parent = None if latest is None else latest.facts.get("commit")
        if given is None:
            digests = [sealed.digest for sealed in parts.sealed]
            number = 0 if latest is None else latest.number
            words = [parent, digests, number, self._store.clock.time()]
            given = sha256(json.dumps(words).encode()).hexdigest()[:12]
        elif latest is not None:
            taken = {row.facts.get("commit") for row in rows.versions(connection, latest.object)}
            if given in taken:
                raise ValueError(f"another version has the commit {given!r}: choose another name")
        return {"commit": given, "parent": parent}


def _check_revisions(
    where: str, base: Row[Any] | None, facts: dict[str, Any], latest: Row[Any] | None
) -> None:
    """Refuse a change where there is nothing to change, or no telling what."""
    if base is None and facts.get("delete"):
        raise ValueError(f"{where} has no revisions, so none can take rows away: put it with revisions=True")
    if latest is not None and not latest.facts.get("revisions"):
        raise ValueError(
            f"{where} is kept without revisions, and cannot have them now: put it with replace=True as well"
        )


def changed_by(before: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Follow the rule for attributes: None keeps, an empty mapping clears, others are merged in."""
    if given is None:
        return dict(before)
    return {**before, **given} if given else {}


def check_json(attributes: Any) -> None:
    """Refuse attributes that are not JSON.

    Raises
    ------
    TypeError
        If they are not.
    """
    try:
        json.dumps(attributes)
    except (TypeError, ValueError) as error:
        raise TypeError(f"attributes must be JSON: {error}") from error

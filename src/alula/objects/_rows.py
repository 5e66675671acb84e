"""The tables of named objects, and the few statements on them.

An object is a name. Its versions are rows that never change (but for their attributes); the bytes of a
version are a run of the object's parts, so that appending adds one part and one row, whatever the
size of what is there. Functions here take a connection, and whoever calls them ends the transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from ..store import Prepared

__all__ = [
    "DEPLOYMENTS",
    "TABLES",
    "VERSION",
    "New",
    "add_version",
    "annotate",
    "drop",
    "drop_before",
    "drop_version",
    "find_object",
    "find_version",
    "forget_orphan",
    "is_read",
    "latest_of",
    "latest_of_all",
    "names",
    "orphan",
    "orphans",
    "parts",
    "tag",
    "tags",
    "totals",
    "undeploy",
    "versions",
]

VERSION: Final = 1
TABLES: Final = MetaData()
"""Those that came later are of a layer of their own, so that older stores get them too."""

_OBJECTS = Table(
    "objects",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("bucket", String(255), nullable=False),
    Column("prefix", String(32), nullable=False),
    Column("name", String(1024), nullable=False),
    Column("created", Double, nullable=False),
    Column("latest", Integer, nullable=False),
    UniqueConstraint("bucket", "prefix", "name"),
)
_VERSIONS = Table(
    "object_versions",
    TABLES,
    Column("object", ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("first_part", Integer, nullable=False),
    Column("last_part", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("modified", Double, nullable=False),
)
_PARTS = Table(
    "object_parts",
    TABLES,
    Column("object", ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, index=True),
)
_TAGS = Table(
    "object_tags",
    TABLES,
    Column("object", ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(255), primary_key=True),
    Column("number", Integer, nullable=False),
)
DEPLOYMENTS: Final = Table(
    "deployments",
    TABLES,
    Column("key", String(255), primary_key=True),
    Column("tag", String(255), nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("backend", String(32), nullable=False),
    Column("device", String(32), nullable=False),
    Column("created", Double, nullable=False),
)
# The highest number that a version of an object ever had, where that version is gone.
_COUNTERS = Table(
    "object_counters",
    TABLES,
    Column("object", ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True),
    Column("last", Integer, nullable=False),
)
# Digests that lost a reader, until somebody has looked whether it was their last one.
_ORPHANS = Table("object_orphans", TABLES, Column("digest", String(64), primary_key=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """What a new version is made of."""

    kind: str
    digests: Sequence[str]
    size: int
    facts: Mapping[str, Any]
    attributes: Mapping[str, Any]
    now: float


def _joined() -> Select[Any]:
    columns = (_OBJECTS.c.name, _OBJECTS.c.created, _OBJECTS.c.latest, *_VERSIONS.c)
    return select(*columns).join_from(_OBJECTS, _VERSIONS, _VERSIONS.c.object == _OBJECTS.c.id)


# What every task asks for; to build a statement costs more than to execute it.
_LATEST: Final = _joined().where(
    *(_OBJECTS.c[part] == bindparam(f"of_{part}") for part in ("bucket", "prefix", "name")),
    _VERSIONS.c.number == _OBJECTS.c.latest,
)
_TAGS_OF: Final = Prepared(
    select(_TAGS.c.number, _TAGS.c.tag).where(_TAGS.c.object == bindparam("of_object")).order_by(_TAGS.c.tag)
)
_PARTS_OF: Final = Prepared(
    select(_PARTS.c.digest)
    .where(
        _PARTS.c.object == bindparam("of_object"),
        _PARTS.c.position.between(bindparam("first"), bindparam("last")),
    )
    .order_by(_PARTS.c.position)
)


def find_object(connection: Connection, bucket: str, prefix: str, name: str) -> Row[Any] | None:
    """Give the latest version of an object, or None if there is no such object."""
    place = {"of_bucket": bucket, "of_prefix": prefix, "of_name": name}
    return connection.execute(_LATEST, place).one_or_none()


def find_version(connection: Connection, latest: Row[Any], number: int, tag: str | None) -> Row[Any] | None:
    """Give one version of an object whose latest is known: by tag, by number, or from the end."""
    if tag is not None:
        mine = (_TAGS.c.object == latest.object) & (_TAGS.c.tag == tag)
        number = connection.scalar(select(_TAGS.c.number).where(mine)) or 0
    asked = _joined().where(_VERSIONS.c.object == latest.object)
    if number < 0:
        from_end = asked.order_by(_VERSIONS.c.number.desc()).offset(-1 - number).limit(1)
        return connection.execute(from_end).one_or_none()
    return connection.execute(asked.where(_VERSIONS.c.number == number)).one_or_none()


def latest_of_all(connection: Connection, bucket: str, prefix: str) -> list[Row[Any]]:
    """Give the latest version of every object, by name."""
    mine = (_OBJECTS.c.bucket == bucket) & (_OBJECTS.c.prefix == prefix)
    asked = _joined().where(mine, _VERSIONS.c.number == _OBJECTS.c.latest).order_by(_OBJECTS.c.name)
    return list(connection.execute(asked))


def latest_of(connection: Connection, bucket: str, prefix: str, names: Sequence[str]) -> list[Row[Any]]:
    """Give the latest version of some objects, by name."""
    mine = (_OBJECTS.c.bucket == bucket) & (_OBJECTS.c.prefix == prefix) & _OBJECTS.c.name.in_(names)
    asked = _joined().where(mine, _VERSIONS.c.number == _OBJECTS.c.latest).order_by(_OBJECTS.c.name)
    return list(connection.execute(asked))


def names(
    connection: Connection,
    place: tuple[str, str],
    begin: str,
    but: Sequence[str],
    after: str | None,
    limit: int,
) -> list[Row[Any]]:
    """Give name and kind of objects, by name: those that begin so, and not as any of those in `but`."""
    bucket, prefix = place
    asked = select(_OBJECTS.c.name, _VERSIONS.c.kind).join_from(
        _OBJECTS,
        _VERSIONS,
        (_VERSIONS.c.object == _OBJECTS.c.id) & (_VERSIONS.c.number == _OBJECTS.c.latest),
    )
    asked = asked.where(_OBJECTS.c.bucket == bucket, _OBJECTS.c.prefix == prefix)
    if begin:
        asked = asked.where(_OBJECTS.c.name.startswith(begin, autoescape=True))
    for each in but:
        asked = asked.where(~_OBJECTS.c.name.startswith(each, autoescape=True))
    if after is not None:
        asked = asked.where(_OBJECTS.c.name > after)
    return list(connection.execute(asked.order_by(_OBJECTS.c.name).limit(limit)))


def versions(connection: Connection, number: int, last: int | None = None) -> list[Row[Any]]:
    """Give the versions of an object, the oldest first; the newest of them if a number of them is given."""
    asked = _joined().where(_VERSIONS.c.object == number).order_by(_VERSIONS.c.number.desc())
    return list(connection.execute(asked.limit(last)))[::-1]


def totals(connection: Connection) -> dict[str, int]:
    """Count the objects of all buckets and stores, their versions, and the bytes of their latest ones."""
    latest = (_VERSIONS.c.object == _OBJECTS.c.id) & (_VERSIONS.c.number == _OBJECTS.c.latest)
    size = select(func.coalesce(func.sum(_VERSIONS.c.size), 0)).join_from(_VERSIONS, _OBJECTS, latest)
    counts = {"objects": select(func.count()).select_from(_OBJECTS), "size": size}
    counts["versions"] = select(func.count()).select_from(_VERSIONS)
    return {name: int(connection.scalar(asked) or 0) for name, asked in counts.items()}


def tags(connection: Connection, number: int) -> dict[int, tuple[str, ...]]:
    """Give the tags of an object by version."""
    found: dict[int, tuple[str, ...]] = {}
    for version, tag in _TAGS_OF(connection, {"of_object": number}).fetchall():
        found[version] = (*found.get(version, ()), tag)
    return found


def parts(connection: Connection, version: Row[Any]) -> list[str]:
    """Give the digests of a version's parts, in order."""
    run = {"of_object": version.object, "first": version.first_part, "last": version.last_part}
    return [digest for (digest,) in _PARTS_OF(connection, run).fetchall()]


def add_version(
    connection: Connection, place: tuple[str, str, str], latest: Row[Any] | None, new: New, *, append: bool
) -> Row[Any]:
    """Add a version to an object, which is made if there is none; give it.

    Parameters
    ----------
    place
        Bucket, prefix and name.
    latest
        The object's latest version, read in this transaction.
    append
        Whether the parts of the latest version come first.
    """
    if latest is None:
        bucket, prefix, name = place
        values = {"bucket": bucket, "prefix": prefix, "name": name, "created": new.now, "latest": 1}
        made = connection.execute(insert(_OBJECTS).values(values)).inserted_primary_key
        assert made is not None
        number, version, end, first = int(made[0]), 1, 0, 1
    else:
        number, version, end = latest.object, _next(connection, latest), latest.last_part
        first = latest.first_part if append else end + 1
        connection.execute(update(_OBJECTS).where(_OBJECTS.c.id == number).values(latest=version))
    last = end + len(new.digests)
    for position, digest in enumerate(new.digests, end + 1):
        connection.execute(insert(_PARTS).values(object=number, position=position, digest=digest))
    connection.execute(
        insert(_VERSIONS).values(
            object=number,
            number=version,
            kind=new.kind,
            first_part=first,
            last_part=last,
            size=new.size + (latest.size if append and latest is not None else 0),
            facts=new.facts,
            attributes=new.attributes,
            modified=new.now,
        )
    )
    return _one(connection, number, version)


def _next(connection: Connection, latest: Row[Any]) -> int:
    """Give a number that no version of an object had before, those that are gone included."""
    last = connection.scalar(select(_COUNTERS.c.last).where(_COUNTERS.c.object == latest.object))
    return int(max(latest.latest, last or 0)) + 1


def annotate(
    connection: Connection, version: Row[Any], attributes: Mapping[str, Any], now: float
) -> Row[Any]:
    """Change the attributes of a version; give it as it is now."""
    mine = (_VERSIONS.c.object == version.object) & (_VERSIONS.c.number == version.number)
    connection.execute(update(_VERSIONS).where(mine).values(attributes=attributes, modified=now))
    return _one(connection, version.object, version.number)


def _one(connection: Connection, number: int, version: int) -> Row[Any]:
    asked = _joined().where(_VERSIONS.c.object == number, _VERSIONS.c.number == version)
    return connection.execute(asked).one()


def tag(connection: Connection, number: int, version: int, name: str) -> None:
    """Let a tag point to a version, wherever it pointed before."""
    connection.execute(delete(_TAGS).where(_TAGS.c.object == number, _TAGS.c.tag == name))
    connection.execute(insert(_TAGS).values(object=number, tag=name, number=version))


def drop(connection: Connection, number: int) -> None:
    """Remove an object with all its versions, and list what may have lost its last reader."""
    asked = select(_PARTS.c.digest).where(_PARTS.c.object == number)
    orphan(connection, connection.scalars(asked).all())
    connection.execute(delete(_OBJECTS).where(_OBJECTS.c.id == number))


def drop_before(connection: Connection, number: int, version: int) -> None:
    """Remove the versions of an object before one that shares no parts with them."""
    first = select(_VERSIONS.c.first_part).where(_VERSIONS.c.object == number, _VERSIONS.c.number == version)
    mine = (_PARTS.c.object == number) & (_PARTS.c.position < first.scalar_subquery())
    orphan(connection, connection.scalars(select(_PARTS.c.digest).where(mine)).all())
    connection.execute(delete(_PARTS).where(mine))
    for table in (_TAGS, _VERSIONS):
        connection.execute(delete(table).where(table.c.object == number, table.c.number < version))


def drop_version(connection: Connection, version: Row[Any]) -> None:
    """Remove one version of an object, and the object with its last one."""
    mine = (_VERSIONS.c.object == version.object) & (_VERSIONS.c.number == version.number)
    connection.execute(delete(_VERSIONS).where(mine))
    left = connection.scalar(select(func.max(_VERSIONS.c.number)).where(_VERSIONS.c.object == version.object))
    if left is None:
        drop(connection, version.object)
        return
    if version.number == version.latest:
        last = _next(connection, version) - 1
        connection.execute(delete(_COUNTERS).where(_COUNTERS.c.object == version.object))
        connection.execute(insert(_COUNTERS).values(object=version.object, last=last))
        connection.execute(update(_OBJECTS).where(_OBJECTS.c.id == version.object).values(latest=left))
    tagged = (_TAGS.c.object == version.object) & (_TAGS.c.number == version.number)
    connection.execute(delete(_TAGS).where(tagged))
    # What no version reads any more: with appending, several read the same parts.
    reader = (_VERSIONS.c.object == _PARTS.c.object) & _PARTS.c.position.between(
        _VERSIONS.c.first_part, _VERSIONS.c.last_part
    )
    unread = (_PARTS.c.object == version.object) & ~exists().where(reader)
    orphan(connection, connection.scalars(select(_PARTS.c.digest).where(unread)).all())
    connection.execute(delete(_PARTS).where(unread))


def undeploy(connection: Connection, key: str) -> bool:
    """Remove a deployment; tell whether there was one."""
    mine = DEPLOYMENTS.c.key == key
    found = connection.scalars(select(DEPLOYMENTS.c.digest).where(mine)).all()
    orphan(connection, found)
    connection.execute(delete(DEPLOYMENTS).where(mine))
    return bool(found)


def orphan(connection: Connection, digests: Iterable[str]) -> None:
    """List digests that may have lost their last reader."""
    known = set(connection.scalars(select(_ORPHANS.c.digest)))
    for digest in set(digests) - known:
        connection.execute(insert(_ORPHANS).values(digest=digest))


def orphans(connection: Connection) -> list[tuple[str, bool]]:
    """Give the digests that are listed, and whether anything reads them after all."""
    read = exists().where(_PARTS.c.digest == _ORPHANS.c.digest) | exists().where(
        DEPLOYMENTS.c.digest == _ORPHANS.c.digest
    )
    return [(digest, bool(used)) for digest, used in connection.execute(select(_ORPHANS.c.digest, read))]


def is_read(connection: Connection, digest: str) -> bool:
    """Tell whether anything mentions some bytes."""
    part = exists().where(_PARTS.c.digest == digest)
    return bool(connection.scalar(select(part | exists().where(DEPLOYMENTS.c.digest == digest))))


def forget_orphan(connection: Connection, digest: str) -> None:
    """Take a digest off the list."""
    connection.execute(delete(_ORPHANS).where(_ORPHANS.c.digest == digest))

"""Retention: workflows that ended long ago are removed, and large values that nothing mentions any more.

Large values are named by their content, and the same one may be mentioned by many workflows: in plain
columns, and inside of stored calls and values, wherever a table of ours has some. The latter are looked
through without being opened: a mention is a digest as text, which stands in a pickle as it is. Whatever looks
like one counts as one, so too much may stay, and never too little.

A value is written before the record that mentions it. So what was written lately stays in any case, and
`put` counts as writing also where the bytes are there already.
"""

import re
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, LargeBinary, delete, func, select

from .._core._seal import body_of
from ..errors import ArtifactNotFoundError
from ..store import Artifacts, Store
from ._status import WorkflowStatus
from ._tables import METADATA, WORKFLOWS
from ._vault import GRACE

__all__ = ["delete_ended", "sweep"]

_DIGEST: Final = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}")
_AT_ONCE: Final = 100  # workflows in one transaction, so that nobody waits for the write lock too long
_COLUMNS: Final = tuple(column for table in METADATA.sorted_tables for column in table.c)
_BYTES: Final = tuple(column for column in _COLUMNS if isinstance(column.type, LargeBinary))
_NAMES: Final = tuple(  # digests, each with the bytes that stand beside it unless they were too large
    (column, column.table.c["call" if column.name == "call_digest" else "value"])
    for column in _COLUMNS
    if column.name in ("call_digest", "digest")
)


def delete_ended(connection: Connection, before: float, statuses: frozenset[WorkflowStatus]) -> int:
    """Delete some workflows that ended before a time in one of these states; tell how many.

    Those that somebody keeps results in, as the runtime does, are his own business.
    """
    c = WORKFLOWS.c
    ended = func.coalesce(c.ended, c.started, c.created)  # a cancelled one has no end
    asked = select(c.number).where(c.status.in_(sorted(statuses)), c.prunable, ended < before)
    numbers = connection.scalars(asked.limit(_AT_ONCE)).all()
    connection.execute(delete(WORKFLOWS).where(c.number.in_(numbers)))
    return len(numbers)


def sweep(store: Store, artifacts: Artifacts) -> int:
    """Remove the artifacts that nothing mentions and that were not written lately; tell how many.

    Whoever dies meanwhile has removed less.
    """
    before = store.clock.time() - GRACE
    all_, old = set(artifacts.list()), set(artifacts.list(before))
    if not old:
        return 0
    with store.reading() as connection:
        live = set(_mentioned(connection))
    todo = [*(live & all_), *(all_ - old)]
    live.update(todo)
    while todo:
        for digest in _inside(artifacts, todo.pop()):
            if digest in all_ and digest not in live:
                live.add(digest)
                todo.append(digest)
    return sum([artifacts.delete_old(digest, before) for digest in old - live])


def _mentioned(connection: Connection) -> Iterator[str]:
    """Give the digests that records mention."""
    some_at_once = {"yield_per": 1000}
    for name, data in _NAMES:
        apart = select(name).where(name.is_not(None), data.is_(None))
        yield from connection.scalars(apart, execution_options=some_at_once)
    for data in _BYTES:
        for inline in connection.scalars(
            select(data).where(data.is_not(None)), execution_options=some_at_once
        ):
            yield from _digests(inline)


def _inside(artifacts: Artifacts, digest: str) -> Iterator[str]:
    try:
        data = artifacts.get(digest)
    except ArtifactNotFoundError:  # then it mentions nothing
        return
    yield from _digests(body_of(data))


def _digests(data: bytes | memoryview) -> Iterator[str]:
    for match in _DIGEST.finditer(data):
        yield match[0].decode()

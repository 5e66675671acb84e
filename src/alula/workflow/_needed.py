"""What a run that goes on has to know of a graph: from its output towards the inputs, up to what has ended.

What is behind that is not read. So to resume costs what is still to run, and not what is recorded.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, case, func, select

from .._core._ids import Key
from ._rows import TaskRow, has_ended, inputs_of
from ._tables import TASKS

__all__ = ["read_first_graphs", "read_needed"]

_FIRST: Final = 32  # tasks that are read at once, before it is known how many are needed
_MOST: Final = 4096  # that are read in the hope that they are needed
_KEYS: Final = 500  # in one query, well below what any database allows
_SMALL: Final = 256  # bytes of a sealed value that is read with its task

_c = TASKS.c
_unfinished = _c.pointer.is_(None) & _c.digest.is_(None)
_COLUMNS: Final = select(
    *[column for column in _c if column.name not in ("call", "error", "value")],
    case((_unfinished, _c.call)).label("call"),
    case((func.length(_c.value) <= _SMALL, _c.value)).label("small"),
)
_GRAPH: Final = _COLUMNS.where(_c.workflow == bindparam("workflow"), _c.creator == bindparam("creator"))
# The last first: readers stand behind what they read.
_BLOCK: Final = (
    _GRAPH.where(_c.position < bindparam("below")).order_by(_c.position.desc()).limit(bindparam("most"))
)
_BY_KEY: Final = _GRAPH.where(_c.key.in_(bindparam("keys", expanding=True)))
_FIRST_GRAPHS: Final = _COLUMNS.where(
    _c.workflow.in_(bindparam("workflows", expanding=True)), _c.creator == "", _c.position < _FIRST
)
_ABOVE_ALL: Final = 2**31 - 1


def read_needed(
    connection: Connection, number: int, creator: str, output: Key | None = None
) -> Sequence[TaskRow]:
    """Read those of the tasks which one task made that one of them needs, which comes last.

    Calls come only with those that have not ended; what only those need that have is left out.

    Parameters
    ----------
    output
        By default the last one that it made.
    """
    known: dict[Key, TaskRow] = {}
    needed: dict[Key, TaskRow] = {}

    def read_block(below: int, most: int) -> None:
        facts = {"workflow": number, "creator": creator, "below": below, "most": most}
        known.update({row.key: row for row in connection.execute(_BLOCK, facts)})

    if output is None:
        read_block(_ABOVE_ALL, _FIRST)
    asked: list[Key] = [*known][:1] if output is None else [output]
    while lacking := _walk(known, needed, asked):
        found: dict[Key, TaskRow] = {}
        for i in range(0, len(lacking), _KEYS):
            facts = {"workflow": number, "creator": creator, "keys": lacking[i : i + _KEYS]}
            found.update({row.key: row for row in connection.execute(_BY_KEY, facts)})
        known.update(found)
        waiting = [row.position for row in found.values() if not has_ended(row)]
        if waiting:  # what these need stands before them, as a rule close by; this is never much in vain
            read_block(min(waiting), min(4 * len(needed), _MOST))
        asked = [*found]  # what was not found stands in another graph
    return sorted(needed.values(), key=lambda row: int(row.position))


def _walk(known: dict[Key, TaskRow], needed: dict[Key, TaskRow], asked: list[Key]) -> list[Key]:
    """Go on from some keys as far as they are known; give those that are not."""
    lacking: dict[Key, None] = {}
    while asked:
        key = asked.pop()
        row = known.get(key)
        if row is None:
            lacking[key] = None
        elif key not in needed:
            needed[key] = row
            if not has_ended(row):
                asked += inputs_of(row)
    return list(lacking)


def read_first_graphs(
    connection: Connection, entries: Iterable[tuple[int, Key]]
) -> dict[int, Sequence[TaskRow]]:
    """Read the graphs that were submitted, of many workflows at once; large ones are left out.

    Parameters
    ----------
    entries
        Numbers of workflows, and the keys of their output tasks.
    """
    ends = dict(entries)
    known: dict[int, dict[Key, TaskRow]] = {number: {} for number in ends}
    rows: Iterable[TaskRow] = connection.execute(_FIRST_GRAPHS, {"workflows": list(ends)})
    for row in rows:
        known[row.workflow][row.key] = row
    found: dict[int, Sequence[TaskRow]] = {}
    for number, graph in known.items():
        if ends[number] in graph:  # it stands last, so all others were read, too
            needed: dict[Key, TaskRow] = {}
            _walk(graph, needed, [ends[number]])
            found[number] = sorted(needed.values(), key=lambda row: int(row.position))
    return found

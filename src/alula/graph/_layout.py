"""Where the boxes of a picture stand: in rows below their inputs, near what they are joined to.

An edge that passes rows takes up some room in each, so that it runs between the boxes and not below
them. Colours and shapes are for others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["Edge", "Layout", "arrange"]

Edge: TypeAlias = tuple[str, str]
"""Source and reader."""

_Item: TypeAlias = "str | tuple[str, str, int]"  # a box, or the place where an edge passes a row

_FAR: Final = 12  # rows; a longer edge is drawn straight, or long edges would outnumber all else
_LANE: Final = 6.0  # what a passing edge takes up
_ROUNDS: Final = 6
# How much harder a passing edge is to push aside than a box: while both move, and when all boxes stand.
_STRAIGHT: Final = 4.0
_LOOSE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is; lengths are those of the given widths.

    Attributes
    ----------
    middle
        Of each box, from the left edge of the leftmost.
    row
        Of each box, from 0.
    lanes
        For an edge, the middles at which it passes the rows between its ends.
    width
        Of the whole.
    """

    middle: dict[str, float]
    row: dict[str, int]
    lanes: dict[Edge, tuple[float, ...]]
    width: float


def arrange(widths: Mapping[str, float], edges: Sequence[Edge], gap: float) -> Layout:
    """Place boxes of given widths; sources are listed before their readers."""
    row = _rows(widths, edges)
    paths = {edge: _path(edge, row) for edge in edges}
    rows: list[list[_Item]] = [[] for _ in range(max(row.values(), default=-1) + 1)]
    for key in widths:
        rows[row[key]].append(key)
    for (source, _), path in paths.items():
        for i, lane in enumerate(path[1:-1], 1):
            rows[row[source] + i].append(lane)
    middle = _middles(rows, list(paths.values()), widths, gap)
    left = min((middle[key] - width / 2 for key, width in widths.items()), default=0.0)
    left = min([left, *(x for item, x in middle.items() if isinstance(item, tuple))])
    middle = {item: x - left for item, x in middle.items()}
    ends = [middle[key] + width / 2 for key, width in widths.items()]
    return Layout(
        middle={key: middle[key] for key in widths},
        row=row,
        lanes={edge: tuple([middle[lane] for lane in path[1:-1]]) for edge, path in paths.items()},
        width=max([*middle.values(), *ends], default=0.0),
    )


def _rows(keys: Mapping[str, float], edges: Sequence[Edge]) -> dict[str, int]:
    inputs: dict[str, list[str]] = {key: [] for key in keys}
    for source, reader in edges:
        inputs[reader].append(source)
    row: dict[str, int] = {}
    for key in keys:
        row[key] = max((row[source] + 1 for source in inputs[key]), default=0)
    readers: dict[str, int] = {}
    for source, reader in edges:
        readers[source] = min(row[reader], readers.get(source, row[reader]))
    for key, reader_row in readers.items():
        if not inputs[key]:  # it stands by its first reader, however late that is
            row[key] = reader_row - 1
    return row


def _path(edge: Edge, row: Mapping[str, int]) -> list[_Item]:
    source, reader = edge
    passed = row[reader] - row[source] - 1
    lanes: list[_Item] = [(source, reader, i) for i in range(passed if passed <= _FAR else 0)]
    return [source, *lanes, reader]


def _middles(
    rows: list[list[_Item]], paths: Sequence[list[_Item]], widths: Mapping[str, float], gap: float
) -> dict[_Item, float]:
    """Draw everything towards its neighbours, from above and from below in turn."""
    above: dict[_Item, list[_Item]] = {}
    below: dict[_Item, list[_Item]] = {}
    for source, *_, reader in paths:
        above.setdefault(reader, []).append(source)
        below.setdefault(source, []).append(reader)
    for source, *lanes, reader in paths:
        # It runs straight down from, or to, the end that has fewer edges.
        end = source if len(below[source]) <= len(above[reader]) else reader
        above.update({lane: [end] for lane in lanes})
        below.update({lane: [end] for lane in lanes})
    both = {item: [*above.get(item, []), *below.get(item, [])] for row in rows for item in row}
    middle: dict[_Item, float] = {}
    for row in rows:  # as they come, around a common middle
        _settle(row, [0.0] * len(row), widths, gap, middle)
    for i in range(_ROUNDS):
        for row in rows:
            _pull(row, above, widths, gap, middle, sort=True)
        for row in reversed(rows):
            _pull(row, below if i < _ROUNDS - 1 else both, widths, gap, middle, sort=i < _ROUNDS - 2)
    for row in rows:  # now that all boxes stand, the edges between them are straightened
        wanted = [middle[above[item][0]] if isinstance(item, tuple) else middle[item] for item in row]
        _settle(row, wanted, widths, gap, middle, stiff=_LOOSE)
    return middle


def _pull(
    row: list[_Item],
    neighbours: Mapping[_Item, list[_Item]],
    widths: Mapping[str, float],
    gap: float,
    middle: dict[_Item, float],
    *,
    sort: bool,
) -> None:
    wanted = {
        item: sum(middle[n] for n in near) / len(near) if (near := neighbours.get(item)) else middle[item]
        for item in row
    }
    if sort:
        row.sort(key=wanted.__getitem__)  # ties keep their order
    _settle(row, [wanted[item] for item in row], widths, gap, middle)


def _settle(
    row: Sequence[_Item],
    wanted: Sequence[float],
    widths: Mapping[str, float],
    gap: float,
    middle: dict[_Item, float],
    *,
    stiff: float = _STRAIGHT,
) -> None:
    """Give each item of a row the place that is nearest to the wanted one, by least squares."""
    sizes = [widths[item] if isinstance(item, str) else _LANE for item in row]
    offset, offsets = 0.0, list[float]()
    for i, size in enumerate(sizes):
        offset += (sizes[i - 1] + size) / 2 + gap if i else 0.0
        offsets.append(offset)
    # Items that would overlap are pushed together into one block, which stands at their weighted mean.
    blocks: list[tuple[float, float, int]] = []
    for item, place, offset in zip(row, wanted, offsets, strict=True):
        weight, count = 1.0 if isinstance(item, str) else stiff, 1
        total = (place - offset) * weight
        while blocks and blocks[-1][0] / blocks[-1][1] > total / weight:
            before = blocks.pop()
            total, weight, count = total + before[0], weight + before[1], count + before[2]
        blocks.append((total, weight, count))
    starts = [total / weight for total, weight, count in blocks for _ in range(count)]
    middle.update({item: start + o for item, start, o in zip(row, starts, offsets, strict=True)})

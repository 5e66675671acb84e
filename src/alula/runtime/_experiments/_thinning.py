"""Lines with fewer points that look the same: of each stretch the lowest and the highest are kept."""

from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["Points", "thinned"]

Points: TypeAlias = Sequence[tuple[float, float]]
"""Pairs of where and how much."""


def thinned(points: Points, most: int) -> Points:
    """Give at most so many of some points, in their order; the first and the last are among them.

    Parameters
    ----------
    most
        4 at least.
    """
    if len(points) <= most:
        return points
    stretches = max(1, (most - 2) // 2)
    inner = points[1:-1]
    kept = [points[0]]
    for n in range(stretches):
        stretch = inner[n * len(inner) // stretches : (n + 1) * len(inner) // stretches]
        kept += _extremes(stretch)
    return [*kept, points[-1]]


def _extremes(stretch: Points) -> Points:
    """Give the lowest and the highest of a stretch, in their order; NaN only if all are."""
    known = [n for n, (_, much) in enumerate(stretch) if much == much]
    if not known:
        return stretch[:1]
    lowest = min(known, key=lambda n: stretch[n][1])
    highest = max(known, key=lambda n: stretch[n][1])
    return [stretch[n] for n in sorted({lowest, highest})]

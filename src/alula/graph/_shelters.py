"""Shelters: graphs whose failures go no further than their output.

A graph *catches* if whoever made it wants the errors of all that he made, directly or through others,
as a value. Its output is the *door* of a shelter: when something inside fails that the output needs, the
output starts all the same, and is told of the error. Shelters stand inside each other; the innermost
catches.
"""

from collections.abc import Iterable

from .._core._ids import Key
from ._graph import Graph

__all__ = ["Shelters"]


class _Shelter:
    __slots__ = ("around",)

    def __init__(self, around: "_Shelter | None") -> None:
        self.around = around


class Shelters:
    """Which keys are inside which shelter, of those that have not ended; empty if nothing catches."""

    def __init__(self) -> None:
        self._inside: dict[Key, _Shelter] = {}
        self._doors: dict[Key, _Shelter] = {}

    def __len__(self) -> int:
        return len(self._inside) + len(self._doors)

    def __contains__(self, key: Key) -> bool:
        """Tell whether a key is a door."""
        return key in self._doors

    def grow(self, creator: Key | None, graph: Graph, keys: Iterable[Key]) -> None:
        """Take in keys of a graph that `creator` has grown into; a door's own graph moves the door.

        Of the first graph there is no creator here: then it was made, and is driven, by another one's.
        """
        around = inner = None
        if creator is not None:
            around, inner = self._inside.pop(creator, None), self._doors.pop(creator, None)
        if inner is None and graph.catches:
            inner = _Shelter(around)
        for key in keys:
            shelter = inner or around
            if inner is not None and key == graph.outputs[0]:
                self._doors[key] = inner
                shelter = around
            if shelter is not None:
                self._inside[key] = shelter

    def leave(self, key: Key) -> None:
        """Forget a key that has ended."""
        self._inside.pop(key, None)
        self._doors.pop(key, None)

    def members(self, door: Key) -> list[Key]:
        """Give all that is behind a door, in shelters within it, too."""
        shelter = self._doors[door]
        return [key for key, within in self._inside.items() if _is_in(within, shelter)]


def _is_in(within: _Shelter | None, shelter: _Shelter) -> bool:
    while within is not None and within is not shelter:
        within = within.around
    return within is shelter

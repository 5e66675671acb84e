"""The order in which SCAN goes through the keys, so that whoever goes on later misses none.

Every key has a number from the time when it came, and a scan goes from the last to the first. So keys
that come meanwhile do not make it longer, and those that stay are met once. A cursor is a number; the
server keeps nothing for a scan that is under way.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from ._keyspace import UNDONE, Keyspace

__all__ = ["Order"]

_GONE: Final = {"del", "expired", "flush", "rename_from"}
_SPARSE: Final = 10  # entries looked at, at most, for each that was asked for


class Order:
    """The numbers of a keyspace's keys; it begins to count when it is first asked.

    Parameters
    ----------
    keyspace
        Which it listens to from then on.
    """

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._numbers: dict[bytes, int] = {}
        self._entries: list[tuple[int, bytes]] = []  # ascending; of keys that are gone as well, for a while
        self._last = 0

    def page(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Give some keys, and where to go on.

        Parameters
        ----------
        cursor
            Where the page before ended; 0 to begin.
        count
            How many keys to give; fewer when many have been removed.

        Returns
        -------
        int
            The cursor of the next page, 0 if this was the last.
        list of bytes
            The keys.
        """
        if not self._last:
            self._begin()
        stop = bisect_left(self._entries, (cursor, b"")) if cursor else len(self._entries)
        keys: list[bytes] = []
        at = stop
        while at and len(keys) < count and stop - at < _SPARSE * count:
            at -= 1
            number, key = self._entries[at]
            if self._numbers.get(key) == number:
                keys.append(key)
        return (self._entries[at][0] if at else 0), keys

    def _begin(self) -> None:
        self._last = 1  # of none: a cursor is never 0
        self._heard("", [key for key, _ in self._keyspace.scan()])
        self._keyspace.listen(self._heard)

    def _heard(self, event: str, keys: Sequence[bytes]) -> None:
        for key in keys:
            if event in _GONE or (event == UNDONE and self._keyspace.read(key) is None):
                self._numbers.pop(key, None)
            elif key not in self._numbers:
                self._last += 1
                self._numbers[key] = self._last
                self._entries.append((self._last, key))
        if len(self._entries) > 64 + 2 * len(self._numbers):
            self._entries = sorted((number, key) for key, number in self._numbers.items())

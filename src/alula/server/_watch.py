"""WATCH: whether any of some keys has been changed, by whomever, since they were looked at."""

from collections.abc import Iterable, Sequence

from ._keyspace import Keyspace

__all__ = ["Watch"]


class Watch:
    """Listens to a keyspace until its `end`, for one client that wants to write what rests on old values.

    Parameters
    ----------
    keyspace
        Where the keys are.
    """

    __slots__ = ("_keys", "_keyspace", "_stale")

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self._keys: set[bytes] = set()
        self._stale = False
        keyspace.listen(self._heard)

    def over(self, keys: Iterable[bytes]) -> None:
        """Watch more keys."""
        for key in keys:
            self._keyspace.read(key)  # one that has expired by now is gone, which is no change any more
            self._keys.add(key)

    def stale(self) -> bool:
        """Tell whether one of the keys has been changed, or has expired."""
        for key in self._keys:
            self._keyspace.read(key)
        return self._stale

    def end(self) -> None:
        """Listen no more."""
        self._keyspace.unlisten(self._heard)

    def _heard(self, event: str, keys: Sequence[bytes]) -> None:
        self._stale = self._stale or not self._keys.isdisjoint(keys)

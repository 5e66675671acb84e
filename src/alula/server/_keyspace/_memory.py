"""The keyspace in memory: as fast as a dictionary, gone with the process."""

from collections.abc import Iterable, Mapping, Sequence

from ...errors import CommandError
from ._interface import Keyspace, Value

__all__ = ["MemoryKeyspace"]


class MemoryKeyspace(Keyspace):
    """Values in a dictionary."""

    def __init__(self) -> None:
        self._values: dict[bytes, Value] = {}

    def read(self, key: bytes) -> Value | None:
        """Give what is under a key now."""
        return self._values.get(key)

    def write(self, values: Mapping[bytes, Value]) -> None:
        """Put values under their keys, all or none."""
        for key, value in values.items():
            if type(self._values.get(key, value)) is not type(value):
                raise CommandError.wrongtype()
        self._values.update(values)

    def delete(self, keys: Iterable[bytes]) -> int:
        """Remove keys; give the number of those that were there."""
        return sum(self._values.pop(key, None) is not None for key in keys)

    def scan(self) -> Sequence[tuple[bytes, Value]]:
        """Give all keys with their values, as they are now."""
        return list(self._values.items())

    def clear(self) -> None:
        """Remove everything."""
        self._values.clear()

    def __len__(self) -> int:
        return len(self._values)

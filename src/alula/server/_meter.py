"""Bytes that values hold: counted as they are written and go, while somebody wants to know.

A listener of the keyspace, so that writing costs nothing as long as there is no limit. What is counted
are the bytes that clients gave and models made, with something on top for each key: not those that a
backend takes for itself, and not those of volatile values, which end with their command.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final, assert_never

from ._config import Config
from ._keyspace import HashValue, Keyspace, ListValue, SetValue, Value
from ._models import Model
from ._scripts import Script
from ._tensors import Tensor

__all__ = ["Meter", "size_of"]

_KEY: Final = 96  # bytes of an entry of the keyspace beside key and value
_ITEM: Final = 64  # of an entry of a list, set or hash
_SAMPLES: Final = 5


class Meter:
    """Counts what a keyspace holds.

    Parameters
    ----------
    keyspace
        What is counted.
    config
        Whose ``maxmemory`` is the limit.
    changed
        Called when a limit comes or goes.

    Attributes
    ----------
    limited
        Whether there is a limit.
    """

    def __init__(self, keyspace: Keyspace, config: Config, changed: Callable[[], None]) -> None:
        self.limited = False
        self._keyspace, self._config, self._changed = keyspace, config, changed
        self._sizes: dict[bytes, int] | None = None  # None while nobody wants to know
        self._used = 0
        config.watchers.append(self._configured)
        self._configured(frozenset({"maxmemory"}))

    @property
    def used(self) -> int | None:
        """Bytes held now; None while they are not counted."""
        return None if self._sizes is None else self._used

    @property
    def full(self) -> bool:
        """Whether more is held than may be."""
        return self.limited and self._used > self._config.maxmemory

    def count(self) -> None:
        """Count from now on, whether or not there is a limit."""
        if self._sizes is None:
            self._sizes = {}
            self._keyspace.listen(self._heard)
            self._count(self._keyspace.scan())

    def close(self) -> None:
        """Count no more, and hear of no change."""
        if self._configured in self._config.watchers:
            self._config.watchers.remove(self._configured)
        if self._sizes is not None:
            self._keyspace.unlisten(self._heard)
            self._sizes = None

    def _configured(self, names: frozenset[str]) -> None:
        limited = self._config.maxmemory > 0
        if "maxmemory" in names and limited != self.limited:
            self.limited = limited
            if limited:
                self.count()
            self._changed()

    def _heard(self, event: str, keys: Sequence[bytes]) -> None:
        if event == "flush":
            self._used = 0
            self._sizes = {}
        else:
            self._count((key, self._keyspace.read(key)) for key in keys)

    def _count(self, found: Iterable[tuple[bytes, Value | None]]) -> None:
        sizes = self._sizes
        assert sizes is not None
        for key, value in found:
            self._used -= sizes.pop(key, 0)
            if value is not None:
                sizes[key] = len(key) + _KEY + size_of(value)
                self._used += sizes[key]


def size_of(value: Value) -> int:
    """Give about the bytes of a value; of a long list, set or hash, by a sample of its elements."""
    match value:
        case Tensor():
            return len(value.data)
        case Model():
            return len(value.blob)
        case Script():
            return len(value.source)
        case bytes():
            return len(value)
        case ListValue() | SetValue():
            return _sampled(len(value), map(len, value))
        case HashValue():
            return _sampled(len(value), (len(name) + len(text) for name, text in value.items()))
        case _:
            assert_never(value)


def _sampled(count: int, sizes: Iterable[int]) -> int:
    sample = list(islice(sizes, _SAMPLES))
    return count * (_ITEM + sum(sample) // max(1, len(sample)))

"""What this process has checked already: bytes under a digest never change, so once is enough."""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Final

__all__ = ["Checked"]

_MOST: Final = 1024  # digests that are remembered, the latest


class Checked:
    """The columns of files whose pages were found whole; safe to use from any thread."""

    def __init__(self) -> None:
        self._columns: OrderedDict[str, set[str]] = OrderedDict()
        self._lock = Lock()

    def has(self, digest: str, columns: Iterable[str]) -> bool:
        """Tell whether all of these columns are known to be whole."""
        with self._lock:
            return self._columns.get(digest, set()).issuperset(columns)

    def note(self, digest: str, columns: Iterable[str]) -> None:
        """Remember that all pages of these columns are whole."""
        with self._lock:
            self._columns.setdefault(digest, set()).update(columns)
            self._columns.move_to_end(digest)
            if len(self._columns) > _MOST:
                self._columns.popitem(last=False)

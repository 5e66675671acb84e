"""The load of an executor: which of its tasks are on the engine now.

Tasks that sleep or wait for others are not among them, so an executor may host any number of workflows
that do nothing else, and still know whether it has room for more.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["Load"]

_MANY: Final = 16  # tasks, enough to keep the engine at work while the end of one is recorded


class Load:
    """Counts tasks that were submitted to an engine and have not ended; safe to use from any thread.

    Attributes
    ----------
    eased
        Called whenever one of them has ended.
    """

    eased: Callable[[], None]

    def __init__(self) -> None:
        self.eased = lambda: None
        self._calls: set[object] = set()  # whose steps are atomic, and need no lock on the hot path

    def begin(self, call: object) -> None:
        """Note that something was submitted."""
        self._calls.add(call)

    def end(self, call: object) -> None:
        """Note that it has ended."""
        self._calls.discard(call)
        self.eased()

    def is_high(self) -> bool:
        """Tell whether what is on the engine lasts for a while, however small the tasks are."""
        return len(self._calls) >= _MANY

    def __len__(self) -> int:
        return len(self._calls)

"""Whether anybody elsewhere follows what an executor runs: only then is each record worth a ring.

Who follows says so every now and then, by a ring of his own. So nobody has to say that he has ceased to,
and the hot path pays for one comparison.
"""

from time import monotonic
from typing import Final

from ..store import Store
from ._watch import TOPIC

__all__ = ["Followed", "follow_topic"]

_HEARD: Final = 5.0  # seconds for which one asking counts; a watch asks once a second


def follow_topic(executor: str) -> str:
    """Name the topic that is rung for an executor by those who follow what it runs."""
    return f"follow/{executor}"


class Followed:
    """Rings the bell of `TOPIC` for what an executor records, while somebody has asked for that."""

    def __init__(self, store: Store, executor: str) -> None:
        self._store = store
        self._until = 0.0
        self._stop = store.listen(follow_topic(executor), self._asked)

    @property
    def wanted(self) -> bool:
        """Whether somebody has asked lately."""
        return monotonic() < self._until

    def news(self) -> None:
        """Say that something was recorded."""
        if self._until and self.wanted:
            self._store.ring(TOPIC)

    def close(self) -> None:
        """Listen no more."""
        self._stop()

    def _asked(self) -> None:
        self._until = monotonic() + _HEARD

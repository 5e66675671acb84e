"""What became of each operation: the devices tell it here, and whoever counts listens.

AI.INFO counts per key, the metrics per model; neither knows of the other. All of it happens on the
server's thread, before the reply of the operation leaves.
"""

from typing import Literal, Protocol, TypeAlias

__all__ = ["Kind", "Listener", "Stats"]

Kind: TypeAlias = Literal["MODEL", "SCRIPT"]


class Listener(Protocol):
    """Told of each operation that has run; see `Stats.note` for what the arguments are."""

    def __call__(
        self, key: bytes, kind: Kind, queued: float, ran: float, samples: int, batch: int, failed: bool
    ) -> None: ...


class Stats:
    """Hands what the devices tell to those who count.

    Attributes
    ----------
    listeners
        Called in their order.
    """

    __slots__ = ("listeners",)

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def note(
        self, key: bytes, kind: Kind, queued: float, ran: float, samples: int, batch: int, failed: bool
    ) -> None:
        """Tell of one operation that has run; those skipped, cancelled or timed out are not told.

        Parameters
        ----------
        key
            Of the model or script, as the command named it.
        kind
            Which of the two it is.
        queued
            Seconds from when its inputs were there to when it began.
        ran
            Seconds of the backend's call alone; of a batch, those of the whole batch.
        samples
            First dimension of its first output; -1 of a script, 0 if it failed.
        batch
            How many operations ran in the same call of the backend; 1 if it ran alone.
        failed
            Whether its answer is an error.
        """
        for listener in self.listeners:
            listener(key, kind, queued, ran, samples, batch, failed)

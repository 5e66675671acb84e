"""Here: the one thread in which the in-place tasks of a graph run, one after the other."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

__all__ = ["Here"]


class Here:
    """Work for one thread, done in the order in which it came.

    Attributes
    ----------
    is_callers
        Whether that thread is the one which calls `serve`.
    """

    def __init__(self, *, own_thread: bool = False) -> None:
        """Take work for whoever calls `serve`.

        Parameters
        ----------
        own_thread
            Whether a thread of its own does so, begun by the first work.
        """
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.is_callers = self._is_served = not own_thread
        self._starting = Lock()

    def post(self, work: Callable[[], None]) -> None:
        """Have some work done; from any thread."""
        self._work.put(work)
        with self._starting:
            if not self._is_served:
                self._is_served = True
                Thread(target=self.serve, name="alula-workflow-inplace", daemon=True).start()

    def serve(self) -> None:
        """Do what is posted, in the calling thread, until `leave`."""
        while (work := self._work.get()) is not None:
            work()

    def leave(self) -> None:
        """Let `serve` return when what was posted before is done."""
        self._work.put(None)

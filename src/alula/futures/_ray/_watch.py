"""Calling back when references have settled, from a thread of our own.

Ray tells in a thread of its core that must not wait for Ray: to start a named actor from there would be
to wait for ever. So that thread only puts a note into a queue.
"""

import itertools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeAlias

from ...errors import NodeDiedError

__all__ = ["Watches"]

Failure: TypeAlias = Callable[[Future[Any]], BaseException | None]
Then: TypeAlias = Callable[[BaseException | None], None]


class Watches:
    """Who wants to know of which reference."""

    def __init__(self) -> None:
        self._pending: dict[int, tuple[Future[Any], Failure, Then]] = {}
        self._numbers = itertools.count()
        self._settled: SimpleQueue[int | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, future: Future[Any], failure: Failure, then: Then) -> None:
        """Call `then` once, with what `failure` finds in the future, when that is done."""
        number = next(self._numbers)
        self._pending[number] = future, failure, then
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="alula-ray-watch", daemon=True)
                self._thread.start()
        future.add_done_callback(lambda _: self._settled.put(number))

    def _serve(self) -> None:
        while (number := self._settled.get()) is not None:
            self._tell(number)

    def _tell(self, number: int) -> None:
        found = self._pending.pop(number, None)
        if found is not None:
            future, failure, then = found
            try:
                then(failure(future))
            except Exception:  # a fault of whoever wanted to be told, and the others wait
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    def close(self) -> None:
        """Tell all who still wait that the session is over, and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._settled.put(None)
        if thread is not threading.current_thread():
            thread.join()
        while self._pending:
            _, (*_, then) = self._pending.popitem()
            then(NodeDiedError("the session was shut down"))

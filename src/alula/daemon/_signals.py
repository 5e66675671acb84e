"""The end of a program that runs for long: somebody asks for it, or what it stands on is gone."""

import signal
from queue import SimpleQueue
from types import FrameType
from typing import Any, Self

__all__ = ["End"]

_ASKED = (signal.SIGTERM, signal.SIGINT)


class End:
    """What the main thread waits for, inside a ``with`` block in which SIGTERM and SIGINT mean that.

    Whoever asks twice does not wait: the second signal does what it did before the block.
    """

    def __init__(self) -> None:
        # A queue, because its `put` may interrupt its `get`, which is what a signal does.
        self._news: SimpleQueue[BaseException | None] = SimpleQueue()
        self._before: dict[int, Any] = {}

    def fail(self, error: BaseException) -> None:
        """Say that it cannot go on; from any thread."""
        self._news.put(error)

    def wait(self) -> None:
        """Return when somebody has asked for the end; raise what was given to `fail`."""
        error = self._news.get()
        if error is not None:
            raise error

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._asked) for number in _ASKED}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        self._restore()
        self._news.put(None)

    def _restore(self) -> None:
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler)

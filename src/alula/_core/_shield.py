"""Ctrl-C waits for a safe point: whatever a message changes is changed as a whole.

The interpreter calls handlers of signals in the main thread, between any two of its steps, and the usual
one for SIGINT raises `KeyboardInterrupt` there. In the middle of a message that would lose the rest of it,
and with it the values that somebody waits for. So while the main thread does I/O or holds the lock, the
handler is set aside; a signal that comes meanwhile wakes the loop, which gets to a safe point at once,
and there the handler is called.

A worker is told in the same way that its task is cancelled. In the middle of a transaction that could leave
the lock of a store with nobody who would ever let go of it, so a transaction is such a step, too.
"""

import _signal  # type: ignore[import-not-found]  # has no stubs; `signal` spends microseconds on enums
import threading
from collections.abc import Callable
from threading import get_ident
from types import FrameType, TracebackType
from typing import Any, Final

__all__ = ["Guard", "Shield"]

_SIGINT: Final[int] = _signal.SIGINT


def _nothing() -> None:
    pass


class Shield:
    """A ``with`` block in which SIGINT is kept for its end. Nests; does nothing in other threads.

    Attributes
    ----------
    pending
        Whether a signal waits: then it is time to leave the block.
    """

    __slots__ = ("_before", "_depth", "_main", "_on_signal", "_ours", "_stays", "pending")

    def __init__(self, on_signal: Callable[[], None] = _nothing) -> None:
        """Make a shield; `on_signal` is called at once when a signal comes inside, and must not raise."""
        self._on_signal = on_signal
        self._main = threading.main_thread().ident
        self._depth = 0
        self._before: Callable[[int, FrameType | None], Any] | None = None
        self._ours = self._keep  # one object, so that we know our own handler when we see it
        self._stays = False
        self.pending = False

    def stay(self, handler: Callable[[int, FrameType | None], Any]) -> None:
        """Keep our own handler for good: outside of the block, `handler` is called by it."""
        self._before, self._stays = handler, True
        _signal.signal(_SIGINT, self._ours)

    def __enter__(self) -> None:
        if get_ident() != self._main:
            return
        if not self._depth and not self._stays:
            handler = _signal.getsignal(_SIGINT)
            if handler is not self._ours and callable(handler):
                self._before = handler
                _signal.signal(_SIGINT, self._ours)
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if get_ident() != self._main:
            return
        self._depth -= 1
        # From here on `_keep` passes signals on, so this may be left at any step.
        if not self._depth and self._before is not None:
            pending, self.pending = self.pending, False
            if not self._stays:
                self._put_back(self._before)
            if pending:
                self._before(_SIGINT, None)

    def _keep(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self.pending = True
            self._on_signal()
        elif self._before is not None:  # between two steps of entering or leaving
            if not self._stays:
                self._put_back(self._before)
            self._before(number, frame)

    def _put_back(self, handler: Callable[[int, FrameType | None], Any]) -> None:
        if _signal.getsignal(_SIGINT) is self._ours:
            _signal.signal(_SIGINT, handler)


class Guard:
    """A lock that one thread may take several times, and under which Ctrl-C waits.

    Attributes
    ----------
    bare
        The lock alone, for code that no signal's handler can interrupt: it is behind a shield already.
    """

    __slots__ = ("_shield", "bare")

    def __init__(self, shield: Shield) -> None:
        self.renew(shield)

    def renew(self, shield: Shield) -> None:
        """In a forked child: whoever held the lock may not have come along."""
        self._shield = shield
        self.bare = threading.RLock()

    def __enter__(self) -> None:
        self._shield.__enter__()
        self.bare.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bare.release()
        self._shield.__exit__(kind, error, trace)

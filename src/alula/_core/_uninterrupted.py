"""Ctrl-C waits until a step is whole: for what must not stop half-way, and does not take long.

A worker is told in the same way that its task is cancelled. In the middle of a transaction that could leave
the lock of a store with nobody who would ever let go of it.
"""

import _signal  # type: ignore[import-not-found]  # has no stubs; `signal` spends microseconds on enums
from collections.abc import Callable
from threading import get_ident, main_thread
from types import FrameType, TracebackType
from typing import Any, Final, TypeAlias

__all__ = ["Uninterrupted"]

Handler: TypeAlias = Callable[[int, FrameType | None], Any]

_SIGINT: Final[int] = _signal.SIGINT


class Uninterrupted:
    """A ``with`` block in which SIGINT is kept for its end. Nests; does nothing in other threads."""

    __slots__ = ("_before", "_pending")

    def __init__(self) -> None:
        self._before: Handler | None = None
        self._pending = False

    def __enter__(self) -> None:
        if get_ident() == main_thread().ident:
            before = _signal.getsignal(_SIGINT)
            if callable(before):
                self._before = before
                _signal.signal(_SIGINT, self._keep)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before = self._before
        if before is not None:
            _signal.signal(_SIGINT, before)
            if self._pending:
                before(_SIGINT, None)

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self._pending = True

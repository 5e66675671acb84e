"""Python's collector of cycles, asked to wait while one step makes a great many objects that stay.

It looks at the young ones after every few hundred that are made, and at all there are now and then: in a
step that builds what is kept, a third of the time for nothing. Reference counts go on as ever.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["collecting_later"]

_lock = Lock()
_steps = 0  # that are under way
_was_on = False  # before the first of them


@contextmanager
def collecting_later() -> Iterator[None]:
    """Collect no cycles before the end of a ``with`` block, in no thread; for blocks that are short."""
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _steps, _was_on
    with _lock:
        if not _steps:
            _was_on = gc.isenabled()
            gc.disable()
        _steps += 1


def _end() -> None:
    global _steps
    with _lock:
        _steps -= 1
        if not _steps and _was_on:
            gc.enable()

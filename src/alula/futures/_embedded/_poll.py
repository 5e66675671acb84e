"""Which of many descriptors can be read or written: the kernel's own object, where there is one.

`selectors` says the same in objects of its own, which takes longer than to read a small message; so it
stands in only where there is no epoll.
"""

import select
import selectors
from collections.abc import Sequence
from typing import Final, Protocol

__all__ = ["READ", "WRITE", "Poll", "new_poll"]

READ: Final = 1
WRITE: Final = 4
"""As epoll has them; it adds others when something is wrong, which whoever reads or writes will see."""


class Poll(Protocol):
    """What `select.epoll` can do, as far as it is used; one thread polls, any changes what it watches."""

    def register(self, number: int, events: int, /) -> None:
        """Watch a descriptor."""

    def modify(self, number: int, events: int, /) -> None:
        """Watch it for something else."""

    def unregister(self, number: int, /) -> None:
        """Watch it no more."""

    def poll(self, timeout: float | None, most: int, /) -> Sequence[tuple[int, int]]:
        """Wait for at most `timeout` s; give at most `most` descriptors, and what can be done with each."""

    def close(self) -> None:
        """Let go of it."""


class Portable:
    """The same by `selectors`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, number: int, events: int, /) -> None:
        """See `Poll.register`."""
        self._selector.register(number, _MASKS[events])

    def modify(self, number: int, events: int, /) -> None:
        """See `Poll.modify`."""
        self._selector.modify(number, _MASKS[events])

    def unregister(self, number: int, /) -> None:
        """See `Poll.unregister`."""
        self._selector.unregister(number)

    def poll(self, timeout: float | None, most: int, /) -> list[tuple[int, int]]:
        """See `Poll.poll`."""
        return [(key.fd, _EVENTS[mask]) for key, mask in self._selector.select(timeout)[:most]]

    def close(self) -> None:
        """See `Poll.close`."""
        self._selector.close()


_EVENTS: Final = {
    selectors.EVENT_READ: READ,
    selectors.EVENT_WRITE: WRITE,
    selectors.EVENT_READ | selectors.EVENT_WRITE: READ | WRITE,
}
_MASKS: Final = {events: mask for mask, events in _EVENTS.items()}


def new_poll() -> Poll:
    """Make one that watches nothing yet."""
    return select.epoll() if hasattr(select, "epoll") else Portable()

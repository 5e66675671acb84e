"""The links to a Redis: one that everybody's plain commands share, and those that one at a time has."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from ...errors import CommandError
from ._address import Address
from ._link import Link, LostError
from ._replies import Answer

__all__ = ["Pool"]

_MOST: Final = 64  # links that are had alone at one time; Redis would not do more at once with more of them


class Pool:
    """Opens links as they are needed; one that was lost is never given out again.

    Parameters
    ----------
    address
        Of the Redis.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._shared: dict[int, Link] = {}
        self._idle: dict[int, list[Link]] = {2: [], 3: []}
        self._others: set[Link] = set()
        self._given = 0
        self._queue: deque[tuple[int, Callable[[Link], None]]] = deque()  # who waits for a link

    def shared(self, protocol: int = 2) -> Link:
        """Give the link for commands that neither wait nor depend on what this link was sent before."""
        link = self._shared.get(protocol)
        if link is None or link.lost is not None:
            link = self._shared[protocol] = Link(self.address, protocol)
        return link

    def take(self, then: Callable[[Link], None], protocol: int = 2) -> None:
        """Call `then` with a link to have alone until it is given back: at once, or when one comes back."""
        if self._given < _MOST:
            self._given += 1
            then(self._one(protocol))
        else:
            self._queue.append((protocol, then))

    def give(self, link: Link, *, watching: bool = False) -> None:
        """Take a link back, on which nothing is watched any more, or on which that ends here."""
        self._others.discard(link)
        if link.lost is None:
            if watching:
                link.send((b"UNWATCH",), lambda _: None)
            self._idle[link.protocol].append(link)
        if self._queue:
            protocol, then = self._queue.popleft()
            then(self._one(protocol))
        else:
            self._given -= 1

    def _one(self, protocol: int) -> Link:
        """Give a link that is idle, or a new one."""
        idle = self._idle[protocol]
        while idle:
            link = idle.pop()
            if link.lost is None:
                break
        else:
            link = Link(self.address, protocol)
        self._others.add(link)
        return link

    def own(self, protocol: int, *, patient: bool = True) -> Link:
        """Give a link to have for as long as is wanted, until `drop`; a patient one waits for any reply."""
        link = Link(self.address, protocol, patient=patient)
        self._others.add(link)
        return link

    def drop(self, link: Link) -> None:
        """Close a link that nobody else is to have."""
        self._others.discard(link)
        link.close()

    def close(self) -> None:
        """Close all of them."""
        for link in (*self._shared.values(), *self._idle[2], *self._idle[3], *self._others):
            link.close()

    def at_once(
        self,
        link: Link,
        commands: Sequence[tuple[bytes, ...]],
        then: Callable[[list[Answer] | CommandError | None], None],
    ) -> None:
        """Have commands carried out as one.

        Parameters
        ----------
        link
            On which keys may be watched.
        commands
            What to do.
        then
            Given the answers; None if a watched key has changed, so that nothing was done; or the first
            error, because of which nothing or, if it is about a value, not all of it was done.
        """

        def ended(answers: list[Answer] | LostError) -> None:
            if isinstance(answers, LostError):
                then(answers)
                return
            last = answers[-1]
            for answer in (*answers[1:-1], *(last if isinstance(last, list) else [last])):
                if isinstance(answer, CommandError):
                    then(answer)
                    return
            then(last if isinstance(last, list) else None)

        link.send_all([(b"MULTI",), *commands, (b"EXEC",)], ended)

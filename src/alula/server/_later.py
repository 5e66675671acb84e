"""A reply that comes later: what a command that blocks its connection gives instead of one."""

from collections.abc import Callable

from ._resp import Reply

__all__ = ["Later", "follow", "when"]


class Later:
    """Settled once, on the server's thread; watched by one connection.

    Attributes
    ----------
    settled
        Whether the reply is there.
    reply
        The reply, once it is.
    cancel
        What to call when nobody waits for the reply any more.
    """

    __slots__ = ("_then", "cancel", "reply", "settled")

    def __init__(self, cancel: Callable[[], None] = lambda: None) -> None:
        self.settled = False
        self.reply: Reply = None
        self.cancel = cancel
        self._then: Callable[[Reply], None] | None = None

    def settle(self, reply: Reply) -> None:
        """Give the reply."""
        self.settled, self.reply = True, reply
        if self._then is not None:
            self._then(reply)

    def watch(self, then: Callable[[Reply], None]) -> None:
        """Call `then` with the reply when it comes; for a reply that is not there yet."""
        self._then = then


def when(reply: Reply | Later, told: Callable[[Reply], None]) -> None:
    """Tell a reply, as soon as it is there."""
    if not isinstance(reply, Later):
        told(reply)
    elif reply.settled:
        told(reply.reply)
    else:
        reply.watch(told)


def follow(later: Later, reply: Reply | Later) -> None:
    """Settle a reply with another one, when that is there."""
    if isinstance(reply, Later):
        later.cancel = reply.cancel
    when(reply, later.settle)

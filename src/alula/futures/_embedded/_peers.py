"""The other processes that this one talks to, and the pending references between them."""

from typing import TYPE_CHECKING, Any

from ._wire import Channel

if TYPE_CHECKING:
    from weakref import ref as weak

    from .._remote import Definition
    from ._leases import Lease
    from ._segments import Backing
    from ._values import Blob, Ref

__all__ = ["Peer"]


class Peer:
    """A process at the other end of a connection: a worker lent to us, an actor, or one who owns us.

    Attributes
    ----------
    shipped
        Ids of functions that it has from us.
    taught
        Functions that we have from it, by id.
    borrowed
        Pending references it sent us, whose values it will send when they are there.
    making
        References of its own that it passed to tasks which follow here those that make them, by number.
    latest
        Number and value of the last result that it was sent, if that is small.
    lending
        Pending references we sent it; each value is sent once.
    lease
        What we use it for, if it was lent to us.
    shared
        Large values that it can see because we sent them, by number, and how often we did.
    seen
        Large values that we can see because it sent them, by its number.
    """

    __slots__ = (
        "borrowed",
        "channel",
        "id",
        "latest",
        "lease",
        "lending",
        "making",
        "seen",
        "shared",
        "shipped",
        "taught",
    )

    def __init__(self, number: int, channel: Channel) -> None:
        self.id = number
        self.channel = channel
        self.shipped: set[bytes] = set()
        self.taught: dict[bytes, Definition] = {}
        self.borrowed: dict[tuple[bytes, int], Ref[Any]] = {}
        self.making: dict[int, Ref[Any]] = {}
        self.latest: tuple[int, Blob] | None = None
        self.lending: set[tuple[bytes, int]] = set()
        self.lease: Lease | None = None
        self.shared: dict[int, tuple[Backing, int]] = {}
        self.seen: dict[int, weak[Backing]] = {}
